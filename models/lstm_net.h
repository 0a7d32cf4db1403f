#pragma once

#include "ir/program.h"

namespace tessera {

// A language model: predicts each next token from those before it. Embeddings, layers of LSTM over
// the time (see recurrent.h), each beginning with zeros, and a dense layer.
//
//   inputs   token[batch, time]: i32, truth[batch, time]: i32, the token after each
//   outputs  loss (mean cross-entropy, nats), accuracy (share of next tokens guessed)
struct LstmNetOptions {
  int64_t batch = 16;
  int64_t time = 32;
  int64_t vocabulary = 128;
  int64_t layers = 1;
  int64_t model = 32;    // of the embeddings
  int64_t hidden = 128;  // of each layer
};

// One training step when an optimizer is given, else one evaluation.
Program lstm_net(const LstmNetOptions& options, const Optimizer& optimizer = nullptr);

}  // namespace tessera

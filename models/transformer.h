#pragma once

#include "ir/program.h"

namespace tessera {

// A language model: predicts each next token from those before it. Embeddings, layers of causal
// attention with rotary positions and grouped queries (see blocks.h), and a dense layer.
//
//   inputs   token[batch, time]: i32, truth[batch, time]: i32, the token after each
//   outputs  loss (mean cross-entropy, nats), accuracy (share of next tokens guessed)
struct TransformerOptions {
  int64_t batch = 16;
  int64_t time = 64;
  int64_t vocabulary = 128;
  int64_t layers = 2;
  int64_t model = 64;
  int64_t groups = 2;    // heads of keys and values
  int64_t share = 2;     // heads of queries for each of those
  int64_t feature = 16;  // of a head; even
  int64_t hidden = 256;
  int64_t branches = 1;  // 2: a second one gates the hidden units (SwiGLU; Shazeer, 2020)
};

// One training step when an optimizer is given, else one evaluation.
Program transformer(const TransformerOptions& options, const Optimizer& optimizer = nullptr);

}  // namespace tessera

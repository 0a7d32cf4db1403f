#pragma once

#include "ir/program.h"

namespace tessera {

// A language model like `transformer` (transformer.h) whose layers have experts in place of one
// dense pair: each token goes to the two that suit it best, as far as they have slots (GShard;
// Lepikhin et al., 2020). Attention has plain heads and no positions but the order that the causal
// mask gives.
//
//   inputs   token[batch, time]: i32, truth[batch, time]: i32, the token after each
//   outputs  loss (mean cross-entropy, nats), accuracy (share of next tokens guessed)
struct ExpertTransformerOptions {
  int64_t batch = 8;
  int64_t time = 16;
  int64_t vocabulary = 64;
  int64_t layers = 2;
  int64_t model = 32;
  int64_t heads = 2;
  int64_t feature = 16;  // of a head
  int64_t hidden = 64;   // of an expert
  int64_t experts = 4;
  int64_t slots = 8;  // of an expert, for the tokens of one sequence
};

// One training step when an optimizer is given, else one evaluation.
Program expert_transformer(const ExpertTransformerOptions& options,
                           const Optimizer& optimizer = nullptr);

}  // namespace tessera

#pragma once

#include "ir/functions.h"

namespace tessera {

// One step of recurrent layers. The state lies over `hidden`; the recurrent weights read it under
// the name `before`, a dim of the same extent.
struct RecurrentDims {
  Dim in;
  Dim hidden;
  Dim before;
  Dim gate;  // 4 of an LSTM, 3 of a GRU
};
struct RecurrentWeights {
  Expr input;           // [in, gate, hidden]
  Expr recurrent;       // [before, gate, hidden]
  Expr bias;            // [gate, hidden]
  Expr recurrent_bias;  // [gate, hidden], of a GRU only
};

struct LstmState {
  Tensor hidden;
  Tensor cell;
};

// Long short-term memory with a forget gate (Hochreiter and Schmidhuber, 1997; Gers et al., 2000).
// Gates in the order input i, forget f, candidate g, output o:
//
//   cell' = sigmoid(f) * cell + sigmoid(i) * tanh(g);  hidden' = sigmoid(o) * tanh(cell')
//
//   x[…, in], state over […, hidden]  ->  the next state, over […, hidden]
LstmState lstm_cell(const RecurrentDims& dims, const RecurrentWeights& weights, const Expr& x,
                    const LstmState& state);

// A gated recurrent unit (Cho et al., 2014) that resets after the product with the weights. Gates
// in the order reset r, update z, candidate n:
//
//   n = tanh(input n + sigmoid(r) * recurrent n);  hidden' = (1 - sigmoid(z)) * n + sigmoid(z) *
//   hidden
//
//   x[…, in], hidden[…, hidden]  ->  […, hidden]
Expr gru_cell(const RecurrentDims& dims, const RecurrentWeights& weights, const Expr& x,
              const Expr& hidden);

// A layer over a whole sequence: `time` in, one state after each step out, and the last one.
//   x[…, time, in], initial over […, hidden]  ->  each[…, time, hidden], last over […, hidden]
//
//   LstmSequence h = lstm({in, hidden, before, gate}, weights, time, x, {zero, zero});
struct LstmSequence {
  Tensor each;  // the states' `hidden`, over time
  LstmState last;
};
LstmSequence lstm(const RecurrentDims& dims, const RecurrentWeights& weights, const Dim& time,
                  const Expr& x, const LstmState& initial);

struct GruSequence {
  Tensor each;
  Tensor last;
};
GruSequence gru(const RecurrentDims& dims, const RecurrentWeights& weights, const Dim& time,
                const Expr& x, const Expr& initial);

}  // namespace tessera

#include "models/recurrent.h"

#include "base/error.h"
#include "ir/loop.h"

namespace tessera {
namespace {

void check_gates(const RecurrentDims& dims, int64_t gates, const char* what) {
  if (dims.gate.extent() != gates)
    throw UserError(dims.gate.where(), std::string(what) + " has " + std::to_string(gates) +
                                           " gates; `" + dims.gate.name() + "` has extent " +
                                           std::to_string(dims.gate.extent()));
  if (dims.before.extent() != dims.hidden.extent())
    throw UserError(dims.before.where(), "`" + dims.before.name() +
                                             "` names the elements of the state as they were: it "
                                             "has extent " +
                                             std::to_string(dims.before.extent()) + ", and `" +
                                             dims.hidden.name() + "` has " +
                                             std::to_string(dims.hidden.extent()));
}

// What the gates take from the state.
Expr from_state(const RecurrentDims& dims, const RecurrentWeights& weights, const Expr& hidden) {
  return sum(dims.before, hidden.at(dims.hidden, index(dims.before)) * weights.recurrent);
}

}  // namespace

LstmState lstm_cell(const RecurrentDims& dims, const RecurrentWeights& weights, const Expr& x,
                    const LstmState& state) {
  check_gates(dims, 4, "an LSTM");
  const Tensor z =
      sum(dims.in, x * weights.input) + from_state(dims, weights, state.hidden) + weights.bias;
  const Tensor cell = sigmoid(z.at(dims.gate, 1)) * state.cell +
                      sigmoid(z.at(dims.gate, 0)) * tanh(z.at(dims.gate, 2));
  return {sigmoid(z.at(dims.gate, 3)) * tanh(cell), cell};
}

Expr gru_cell(const RecurrentDims& dims, const RecurrentWeights& weights, const Expr& x,
              const Expr& hidden) {
  check_gates(dims, 3, "a GRU");
  const Tensor z = sum(dims.in, x * weights.input) + weights.bias;
  const Tensor r = from_state(dims, weights, hidden) + weights.recurrent_bias;
  const auto both = [&](int gate) {
    return sigmoid(z.at(dims.gate, gate) + r.at(dims.gate, gate));
  };
  const Expr candidate = tanh(z.at(dims.gate, 2) + both(0) * r.at(dims.gate, 2));
  const Tensor update = both(1);
  return (1 - update) * candidate + update * hidden;
}

LstmSequence lstm(const RecurrentDims& dims, const RecurrentWeights& weights, const Dim& time,
                  const Expr& x, const LstmState& initial) {
  const Loop result =
      loop(time, {initial.hidden, initial.cell},
           [&](const std::vector<Tensor>& carried) {
             const LstmState next = lstm_cell(dims, weights, x, {carried[0], carried[1]});
             return Iteration{{next.hidden, next.cell}, {next.hidden}, {}};
           },
           x.where(), {"hidden", "cell"});
  return {result.each[0], {result.last[0], result.last[1]}};
}

GruSequence gru(const RecurrentDims& dims, const RecurrentWeights& weights, const Dim& time,
                const Expr& x, const Expr& initial) {
  const Loop result = loop(time, {initial},
                           [&](const std::vector<Tensor>& carried) {
                             const Tensor next = gru_cell(dims, weights, x, carried[0]);
                             return Iteration{{next}, {next}, {}};
                           },
                           x.where(), {"hidden"});
  return {result.each[0], result.last[0]};
}

}  // namespace tessera

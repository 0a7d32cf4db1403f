#include "models/lstm_net.h"

#include "models/embedding.h"
#include "models/losses.h"
#include "models/recurrent.h"

namespace tessera {
namespace {

// One layer over `in`; its states lie over the dim returned with them.
struct Layer {
  Dim hidden;
  Tensor states;  // [batch, time, hidden]
};

Layer layer(Program& step, const Dim& time, const Dim& gate, const Dim& in, const Tensor& x,
            int64_t extent, const std::string& number) {
  const RecurrentDims dims = {in, Dim("hidden" + number, extent), Dim("before" + number, extent),
                              gate};
  const auto weight = [&](const std::string& name, const Dim& from) {
    return step.parameter(name + number, {from, gate, dims.hidden}, glorot());
  };
  const Tensor bias = step.parameter("bias" + number, {gate, dims.hidden});
  // Gate 1 forgets; it begins open (Jozefowicz, Zaremba and Sutskever, 2015).
  const Expr open = where(equal(index(gate), 1), 1.0, 0.0);
  const Tensor zero = step.define("zero" + number, 0.0, dims.hidden.where(), {dims.hidden});
  const LstmSequence sequence =
      lstm(dims, {weight("input", in), weight("recurrent", dims.before), bias + open, 0}, time, x,
           {zero, zero});
  return {dims.hidden, step.define("states" + number, sequence.each)};
}

}  // namespace

Program lstm_net(const LstmNetOptions& options, const Optimizer& optimizer) {
  Program step("lstm");
  const Dim batch("batch", options.batch), time("time", options.time);
  const Dim vocabulary("vocabulary", options.vocabulary), model("model", options.model);
  const Dim gate("gate", 4);
  const Tensor token = step.input("token", {batch, time}, DType::i32);
  const Tensor truth = step.input("truth", {batch, time}, DType::i32);
  const Tensor table = step.parameter("table", {vocabulary, model}, normal(0, 0.3));
  Layer last = {model, step.define("x", embedding(vocabulary, table, token))};
  for (int64_t i = 1; i <= options.layers; ++i)
    last = layer(step, time, gate, last.hidden, last.states, options.hidden, std::to_string(i));
  const Tensor w = step.parameter("w", {last.hidden, vocabulary}, glorot());
  const Tensor b = step.parameter("b", {vocabulary});
  const Tensor logits = step.define("logits", sum(last.hidden, last.states * w) + b);
  learn_labels(step, {{batch, time}, vocabulary, logits, truth}, optimizer);
  return step;
}

}  // namespace tessera

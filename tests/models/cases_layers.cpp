#include "models/embedding.h"
#include "models/layers.h"
#include "models/losses.h"
#include "tests/models/case.h"

namespace tessera {

std::vector<Case> layer_cases() {
  const Dim row("row", 3), in("in", 5), out("out", 4), wide("wide", 7), vocabulary("vocabulary", 6);
  const auto elementwise = [&](const std::string& name, Expr (*function)(const Expr&)) {
    return Case{name, {name}, {{"x", {row, wide}, -3, 3}}, {{row, wide}}, [=](const auto& a) {
                  return std::vector<Expr>{function(a[0])};
                }};
  };
  return {
      {"dense",
       {"dense"},
       {{"x", {row, in}}, {"w", {in, out}}, {"b", {out}}},
       {{row, out}},
       [=](const auto& a) { return std::vector<Expr>{dense(in, a[0], a[1], a[2])}; }},
      elementwise("relu", relu),
      elementwise("gelu", gelu),
      {"softmax",
       {"softmax"},
       {{"x", {row, wide}, -3, 3}},
       {{row, wide}},
       [=](const auto& a) { return std::vector<Expr>{softmax(wide, a[0])}; }},
      {"log_softmax",
       {"log_softmax"},
       {{"x", {row, wide}, -3, 3}},
       {{row, wide}},
       [=](const auto& a) { return std::vector<Expr>{log_softmax(wide, a[0])}; }},
      {"embedding",
       {"embedding"},
       {{"table", {vocabulary, in}}, {"token", {row}, 0, 6, DType::i32}},
       {{row, in}},
       [=](const auto& a) { return std::vector<Expr>{embedding(vocabulary, a[0], a[1])}; }},
      {"one_hot",
       {"one_hot"},
       {{"token", {row}, 0, 6, DType::i32}},
       {{row, vocabulary}},
       [=](const auto& a) { return std::vector<Expr>{one_hot(vocabulary, a[0])}; }},
  };
}

std::vector<Case> loss_cases() {
  const Dim row("row", 4), label("label", 5);
  const Argument logits{"x", {row, label}, -3, 3};
  const Argument other{"y", {row, label}, -3, 3};
  const Argument truth{"truth", {row}, 0, 5, DType::i32};
  const auto labelled = [&](const std::string& name, auto function) {
    return Case{name, {name}, {logits, truth}, {{row}}, [=](const auto& a) {
                  return std::vector<Expr>{function(label, a[0], a[1])};
                }};
  };
  const auto paired = [&](const std::string& name, auto function) {
    return Case{name, {name}, {logits, other}, {{row}}, [=](const auto& a) {
                  return std::vector<Expr>{function(a[0], a[1])};
                }};
  };
  std::vector<Case> cases = {
      labelled("cross_entropy", cross_entropy),
      labelled("smoothed_cross_entropy",
               [](const Dim& over, const Expr& x, const Expr& t) {
                 return smoothed_cross_entropy(over, x, t, 0.2);
               }),
      labelled("negative_log_likelihood", negative_log_likelihood),
      labelled("hinge", [](const Dim& over, const Expr& x,
                           const Expr& t) { return hinge(over, x, t, 1.5); }),
      paired("mean_squared_error",
             [=](const Expr& x, const Expr& y) { return mean_squared_error({label}, x, y); }),
      paired("mean_absolute_error",
             [=](const Expr& x, const Expr& y) { return mean_absolute_error({label}, x, y); }),
      paired("huber", [=](const Expr& x, const Expr& y) { return huber({label}, x, y, 1.25); }),
      paired("kl_divergence",
             [=](const Expr& x, const Expr& y) { return kl_divergence(label, x, y); }),
  };
  cases.push_back(
      {"binary_cross_entropy",
       {"binary_cross_entropy"},
       {{"x", {row, label}, -30, 30}, {"truth", {row, label}, 0, 1}},
       {{row, label}},
       [](const auto& a) { return std::vector<Expr>{binary_cross_entropy(a[0], a[1])}; }});
  cases.push_back(
      {"spread_loss",
       {"spread_loss"},
       {{"x", {row, label}, 0, 1}, truth, {"margin", {}, 0.4, 0.6}},
       {{row}},
       [=](const auto& a) { return std::vector<Expr>{spread_loss(label, a[0], a[1], a[2])}; }});
  cases.push_back(
      {"accuracy", {"accuracy"}, {{"x", {row, label}}, truth}, {{}}, [=](const auto& a) {
         return std::vector<Expr>{accuracy({row}, label, a[0], a[1])};
       }});
  return cases;
}

}  // namespace tessera

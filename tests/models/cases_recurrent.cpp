#include "models/clustering.h"
#include "models/recurrent.h"
#include "tests/models/case.h"

namespace tessera {

std::vector<Case> recurrent_cases() {
  const Dim in("in", 3), hidden("hidden", 5), before("before", 5), four("four", 4);
  const Dim three("three", 3), time("time", 4);
  return {
      {"lstm_cell",
       {"lstm_cell"},
       {{"x", {in}},
        {"h", {hidden}},
        {"c", {hidden}},
        {"w", {in, four, hidden}},
        {"u", {before, four, hidden}},
        {"b", {four, hidden}}},
       {{hidden}, {hidden}},
       [=](const auto& a) {
         const LstmState next =
             lstm_cell({in, hidden, before, four}, {a[3], a[4], a[5], 0}, a[0], {a[1], a[2]});
         return std::vector<Expr>{next.hidden, next.cell};
       }},
      {"gru_cell",
       {"gru_cell"},
       {{"x", {in}},
        {"h", {hidden}},
        {"w", {in, three, hidden}},
        {"u", {before, three, hidden}},
        {"b", {three, hidden}},
        {"c", {three, hidden}}},
       {{hidden}},
       [=](const auto& a) {
         return std::vector<Expr>{
             gru_cell({in, hidden, before, three}, {a[2], a[3], a[4], a[5]}, a[0], a[1])};
       }},
      {"lstm",
       {"lstm"},
       {{"x", {time, in}},
        {"h", {hidden}},
        {"c", {hidden}},
        {"w", {in, four, hidden}},
        {"u", {before, four, hidden}},
        {"b", {four, hidden}}},
       {{time, hidden}, {hidden}, {hidden}},
       [=](const auto& a) {
         const LstmSequence found =
             lstm({in, hidden, before, four}, {a[3], a[4], a[5], 0}, time, a[0], {a[1], a[2]});
         return std::vector<Expr>{found.each, found.last.hidden, found.last.cell};
       }},
      {"gru",
       {"gru"},
       {{"x", {time, in}},
        {"h", {hidden}},
        {"w", {in, three, hidden}},
        {"u", {before, three, hidden}},
        {"b", {three, hidden}},
        {"c", {three, hidden}}},
       {{time, hidden}, {hidden}},
       [=](const auto& a) {
         const GruSequence found =
             gru({in, hidden, before, three}, {a[2], a[3], a[4], a[5]}, time, a[0], a[1]);
         return std::vector<Expr>{found.each, found.last};
       }},
  };
}

std::vector<Case> clustering_cases() {
  const Dim point("point", 11), group("group", 3), feature("feature", 2), round("round", 4);
  const MixtureDims dims = {point, group, feature};
  const std::vector<Argument> arguments = {{"x", {point, feature}, -2, 2},
                                           {"weight", {group}, 0.2, 0.5},
                                           {"mean", {group, feature}},
                                           {"variance", {group, feature}, 0.5, 2}};
  const std::vector<Argument> centred = {{"x", {point, feature}, -2, 2},
                                         {"centre", {group, feature}, -1.5, 1.5}};
  return {
      {"log_likelihood",
       {"log_likelihood"},
       arguments,
       {{point}},
       [=](const auto& a) {
         return std::vector<Expr>{log_likelihood(dims, {a[1], a[2], a[3]}, a[0])};
       }},
      {"mixture_step",
       {"mixture_step"},
       arguments,
       {{group}, {group, feature}, {group, feature}},
       [=](const auto& a) {
         const GaussianMixture next = mixture_step(dims, {a[1], a[2], a[3]}, a[0]);
         return std::vector<Expr>{next.weight, next.mean, next.variance};
       }},
      {"kmeans_step",
       {"kmeans_step", "nearest_centre"},
       centred,
       {{group, feature}, {point}},
       [=](const auto& a) {
         return std::vector<Expr>{kmeans_step({point, group, feature}, a[0], a[1]),
                                  nearest_centre(group, feature, a[0], a[1])};
       }},
      {"fit_mixture",
       {"fit_mixture"},
       arguments,
       {{round}, {group}, {group, feature}, {group, feature}},
       [=](const auto& a) {
         const FittedMixture fit = fit_mixture(dims, round, {a[1], a[2], a[3]}, a[0]);
         return std::vector<Expr>{fit.log_likelihood, fit.mixture.weight, fit.mixture.mean,
                                  fit.mixture.variance};
       }},
      {"kmeans",
       {"kmeans"},
       centred,
       {{round}, {group, feature}},
       [=](const auto& a) {
         const FittedCentres fit = kmeans({point, group, feature}, round, a[1], a[0]);
         return std::vector<Expr>{fit.distance, fit.centre};
       }},
  };
}

}  // namespace tessera

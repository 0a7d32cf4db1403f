#include "models/attention.h"
#include "models/blocks.h"
#include "models/rotary.h"
#include "tests/models/case.h"

namespace tessera {
namespace {

struct Sizes {
  Dim time{"time", 5}, key{"key", 5}, model{"model", 6}, head{"head", 2}, share{"share", 3};
  Dim feature{"feature", 4}, pair{"pair", 3}, part{"part", 2}, value{"value", 3};
  Dim hidden{"hidden", 7};
};

Case masked_case(const Sizes& s) {
  const Dim row("row", 3);
  return {"masked_softmax",
          {"masked_softmax", "padding_mask"},
          {{"x", {row, s.key}, -3, 3}, {"length", {row}, 0, 6, DType::i32}},
          {{row, s.key}},
          [=](const auto& a) {
            return std::vector<Expr>{masked_softmax(s.key, a[0], padding_mask(s.key, a[1]))};
          }};
}

Case dot_product_case(const Sizes& s) {
  const Dim query("query", 3);
  return {"dot_product_attention",
          {"dot_product_attention"},
          {{"q", {s.head, query, s.feature}},
           {"k", {s.head, s.key, s.feature}},
           {"v", {s.head, s.key, s.value}}},
          {{s.head, query, s.value}},
          [=](const auto& a) {
            return std::vector<Expr>{dot_product_attention({s.feature}, s.key, a[0], a[1], a[2])};
          }};
}

Case multi_head_case(const Sizes& s) {
  return {"multi_head_attention",
          {"self_attention", "causal_mask"},
          {{"x", {s.time, s.model}},
           {"wq", {s.model, s.head, s.feature}},
           {"wk", {s.model, s.head, s.feature}},
           {"wv", {s.model, s.head, s.value}},
           {"wo", {s.head, s.value, s.model}}},
          {{s.time, s.model}},
          [=](const auto& a) {
            return std::vector<Expr>{
                self_attention({s.time, s.key, s.model, {s.head}, {s.feature}, s.value, true},
                               {a[1], a[2], a[3], a[4]}, a[0])};
          }};
}

// Two groups of three heads, rotary positions and sequences of several lengths.
Case grouped_query_case(const Sizes& s) {
  return {"grouped_query_attention",
          {"self_attention"},
          {{"x", {s.time, s.model}},
           {"wq", {s.model, s.head, s.share, s.pair, s.part}},
           {"wk", {s.model, s.head, s.pair, s.part}},
           {"wv", {s.model, s.head, s.value}},
           {"wo", {s.head, s.share, s.value, s.model}},
           {"length", {}, 2, 6, DType::i32}},
          {{s.time, s.model}},
          [=](const auto& a) {
            return std::vector<Expr>{self_attention(
                {s.time, s.key, s.model, {s.head, s.share}, {s.pair, s.part}, s.value, true, 100},
                {a[1], a[2], a[3], a[4]}, a[0], padding_mask(s.key, a[5]))};
          }};
}

Case transformer_case(const Sizes& s) {
  return {
      "transformer_block",
      {"transformer_block", "mlp_block"},
      {{"x", {s.time, s.model}},
       {"scale1", {s.model}, 0.5, 2},
       {"wq", {s.model, s.head, s.feature}},
       {"wk", {s.model, s.feature}},
       {"wv", {s.model, s.value}},
       {"wo", {s.head, s.value, s.model}},
       {"scale2", {s.model}, 0.5, 2},
       {"up", {s.model, s.hidden}},
       {"up_bias", {s.hidden}},
       {"down", {s.hidden, s.model}},
       {"down_bias", {s.model}}},
      {{s.time, s.model}},
      [=](const auto& a) {
        const AttentionDims dims = {s.time, s.key, s.model, {s.head}, {s.feature}, s.value, true};
        return std::vector<Expr>{
            transformer_block(dims, s.hidden, a[0],
                              {a[1], {a[2], a[3], a[4], a[5]}, a[6], {a[7], a[8], a[9], a[10]}})};
      }};
}

Case residual_case() {
  const Dim y("y", 4), oy("oy", 4), ky("ky", 3), x("x", 5), ox("ox", 5), kx("kx", 3);
  const Dim channel("channel", 2), inner("inner", 3);
  return {"residual_block",
          {"residual_block"},
          {{"x", {channel, y, x}},
           {"filter1", {inner, channel, ky, kx}},
           {"scale1", {inner}, 0.5, 2},
           {"shift1", {inner}},
           {"filter2", {channel, inner, ky, kx}},
           {"scale2", {channel}, 0.5, 2},
           {"shift2", {channel}}},
          {{channel, y, x}},
          [=](const auto& a) {
            return std::vector<Expr>{
                residual_block({{y, ky, oy, 1, 1, 1, 1}, {x, kx, ox, 1, 1, 1, 1}}, channel, inner,
                               a[0], {a[1], a[2], a[3], a[4], a[5], a[6]})};
          }};
}

}  // namespace

std::vector<Case> attention_cases() {
  const Sizes s;
  return {
      masked_case(s),
      dot_product_case(s),
      multi_head_case(s),
      grouped_query_case(s),
      {"rotary",
       {"rotary"},
       {{"x", {s.time, s.pair, s.part}}, {"position", {s.time}, 0, 50, DType::i32}},
       {{s.time, s.pair, s.part}},
       [=](const auto& a) { return std::vector<Expr>{rotary(s.pair, s.part, a[1], a[0])}; }},
      transformer_case(s),
      residual_case(),
  };
}

}  // namespace tessera

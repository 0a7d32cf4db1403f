#pragma once

#include <optional>

#include "ir/functions.h"

namespace tessera {

// Attention. Queries and keys sit at positions of their own: `query` and `key` are different dims,
// also where a sequence attends to itself (see self_attention).

// May position `query` look at position `key`? True where key <= query.  -> [query, key]: bool
Expr causal_mask(const Dim& query, const Dim& key);

// True at the first `length` positions.  length[…]: i32  ->  […, key]: bool
Expr padding_mask(const Dim& key, const Expr& length);

// softmax over `over` of x where `mask` holds, and 0 elsewhere, also where it holds nowhere.
//   x[…, over], mask[…]: bool  ->  […, over]
Expr masked_softmax(const Dim& over, const Expr& x, const Expr& mask);

// sum[key](softmax[key](sum[features](q * k) / sqrt(volume of features)) * v)
// (Vaswani et al., 2017). A query that may look nowhere gets 0.
//   q[…, query, features], k[…, key, features], v[…, key, …], mask[…, query, key]: bool
//     ->  […, query, …]
// Heads, batches and the dims of v pass through; heads that only q has share keys and values
// (grouped-query attention; Ainslie et al., 2023).
Expr dot_product_attention(const Dims& features, const Dim& key, const Expr& q, const Expr& k,
                           const Expr& v, const std::optional<Expr>& mask = std::nullopt);

// What a layer of attention is made of. `heads` are those of q and of the result: {head}, or
// {group, share} where keys and values have the dim `group` only, or {head} where they have none.
struct AttentionDims {
  Dim time;       // positions of the sequence
  Dim key;        // the same number of positions, as they are looked at
  Dim model;      // features of a position
  Dims heads;     // of q
  Dims features;  // of q and k in a head, as {feature}, or {pair, part} with rotary positions
  Dim value;      // of v in a head
  bool causal = false;
  double rotary_base = 0;  // not 0: turn q and k by their positions (rotary.h); two features dims
};
struct AttentionWeights {
  Expr q;    // [model, heads, features]
  Expr k;    // [model, heads of k, features]
  Expr v;    // [model, heads of k, value]
  Expr out;  // [heads, value, model]
};

// Multi-head self-attention of one sequence (Vaswani et al., 2017), grouped-query and multi-query
// by the dims of the weights.
//   x[…, time, model], mask[…, time, key]: bool  ->  […, time, model]
//
//   Expr y = self_attention({time, key, model, {head}, {feature}, value, true}, {wq, wk, wv, wo},
//   x);
Expr self_attention(const AttentionDims& dims, const AttentionWeights& weights, const Expr& x,
                    const std::optional<Expr>& mask = std::nullopt);

}  // namespace tessera

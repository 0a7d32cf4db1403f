#pragma once

#include "ir/functions.h"

namespace tessera {

// The row of a table for each token: a gather, whose gradient adds up what each row was used for.
//   table[…, vocabulary], token[…]: i32 or i64 in 0 … vocabulary-1  ->  […]
//
//   Expr x = embedding(vocabulary, table, token) + position_table;   // over batch, time, model
Expr embedding(const Dim& vocabulary, const Expr& table, const Expr& token);

// 1 at the label, 0 elsewhere.  truth[…]: i32 or i64  ->  […, label]
Expr one_hot(const Dim& label, const Expr& truth, DType type = DType::f32);

}  // namespace tessera

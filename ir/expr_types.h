#pragma once

#include <vector>

#include "ir/expr.h"

namespace tessera {

// The node, with what is known of it as an index. All nodes are made here.
Expr make_node(ExprNode node);

// How formulas get their types. A literal adopts the type of what it meets, and so does, while
// loop() looks for the types of what it carries, a tensor that begins with one (see loop.cpp).

bool is_literal(const Expr& expr);
// Is the value a literal, or made of what adopts types as literals do?
bool adopts_type(const Expr& value);
// May such a value become a `type`? Neither does a float become an integer, nor anything a bool.
bool may_adopt(const Expr& value, DType type);
// The value as that type. UserError where it is a literal that the type does not hold.
Expr adopt(const Expr& value, DType type, const SourceLocation& where);
// The literal as a typed constant; `fn` is who asks, for messages. A fraction does not become an
// integer.
Expr adopt_literal(const Expr& literal, DType type, const char* fn);

// Gives the arguments the types that the function takes, and returns the type of its result.
DType result_type(Fn fn, std::vector<Expr>& args, const SourceLocation& where);
// Is the type of the result that of arguments which all adopt types, not all of them literals?
bool result_adopts_type(TypeRule rule, const std::vector<Expr>& args);
// 2 * pi / 3 stays a literal, with all its digits, until it meets a type.
Expr fold_literals(const FnInfo& row, const std::vector<Expr>& args, const SourceLocation& where);

}  // namespace tessera

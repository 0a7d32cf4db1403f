#pragma once

#include <map>

#include "codegen/llvm/contraction_context.h"

namespace tessera {

// Where a formula is evaluated: `lanes` neighbouring points along one axis, the first of which is
// `point`. They lie within the axis' innermost level. `valid`, when given, is the number (1 to
// lanes) of points that exist; values in the other lanes are arbitrary, and nothing is read for
// them.
struct FormulaSite {
  llvm::Value* arguments = nullptr;
  llvm::Value* scratch = nullptr;
  llvm::Value* fault = nullptr;
  ContractionPoint point;
  TileAxis axis = TileAxis::n;
  int lanes = 1;
  llvm::Value* valid = nullptr;
  std::map<Tensor, llvm::Value*> known;  // values of tensors at these points
};

// The value of `expr` there, as a vector of `lanes` (a scalar when lanes is 1).
llvm::Value* emit_formula(ContractionContext& context, llvm::IRBuilder<>& b,
                          const FormulaSite& site, const Expr& expr);

// Writes `value` (lanes as above) to the element of `tensor` that `site` stands for.
void emit_write(ContractionContext& context, llvm::IRBuilder<>& b, const FormulaSite& site,
                const Tensor& tensor, llvm::Value* value);

}  // namespace tessera

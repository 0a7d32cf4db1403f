#include "base/dtype.h"

#include <array>
#include <utility>

namespace tessera {
namespace {

constexpr std::array<std::pair<DType, const char*>, 9> kNames = {{{DType::f32, "f32"},
                                                                  {DType::f64, "f64"},
                                                                  {DType::bf16, "bf16"},
                                                                  {DType::f16, "f16"},
                                                                  {DType::i32, "i32"},
                                                                  {DType::i64, "i64"},
                                                                  {DType::i8, "i8"},
                                                                  {DType::u8, "u8"},
                                                                  {DType::b8, "bool"}}};

}  // namespace

const char* name_of(DType type) {
  for (const auto& [value, name] : kNames)
    if (value == type) return name;
  return "?";
}

bool parse_dtype(std::string_view name, DType& type) {
  for (const auto& [value, known] : kNames) {
    if (name != known) continue;
    type = value;
    return true;
  }
  return false;
}

std::string dtype_names() {
  std::string text;
  for (const auto& entry : kNames) text += (text.empty() ? "" : ", ") + std::string(entry.second);
  return text;
}

const char* name_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      return "sum";
    case ReduceOp::prod:
      return "prod";
    case ReduceOp::max:
      return "max";
    case ReduceOp::min:
      return "min";
    case ReduceOp::any:
      return "any";
    case ReduceOp::all:
      return "all";
  }
  return "?";
}

}  // namespace tessera

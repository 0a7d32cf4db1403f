#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// The element types. `bool` takes one byte and holds 0 or 1; bf16 and f16 are floats of two bytes
// (base/convert.h), which formulas compute with in f32.
enum class DType : uint8_t { f32, f64, i32, i64, b8, bf16, f16, i8, u8 };

// Bytes of one element.
constexpr size_t size_of(DType type) {
  switch (type) {
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::bf16:
    case DType::f16:
      return 2;
    case DType::b8:
    case DType::i8:
    case DType::u8:
      return 1;
  }
  return 0;
}

// bf16 or f16
constexpr bool is_half(DType type) {
  return type == DType::bf16 || type == DType::f16;
}
// i8 or u8
constexpr bool is_small_integer(DType type) {
  return type == DType::i8 || type == DType::u8;
}

constexpr bool is_float(DType type) {
  return type == DType::f32 || type == DType::f64 || is_half(type);
}
constexpr bool is_integer(DType type) {
  return type == DType::i32 || type == DType::i64 || is_small_integer(type);
}

// The type in which sums and products of `type` are formed: f32 for bf16 and f16, i32 for i8 and
// u8.
constexpr DType sum_type(DType type) {
  return is_half(type) ? DType::f32 : is_small_integer(type) ? DType::i32 : type;
}

// "f32", "f64", "bf16", "f16", "i32", "i64", "i8", "u8", "bool": as written in a program.
const char* name_of(DType type);

// Sets `type` and returns true when `name` is one of the above.
bool parse_dtype(std::string_view name, DType& type);

// "f32, f64, bf16, f16, i32, i64, i8, u8, bool", for messages.
std::string dtype_names();

// What combines two partial values. `sum` of booleans is not defined; `any` and `all` are.
enum class ReduceOp : uint8_t { sum, prod, max, min, any, all };

// "sum", "prod", "max", "min", "any", "all".
const char* name_of(ReduceOp op);

}  // namespace tessera

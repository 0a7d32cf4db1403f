#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// The element types. `bool` takes one byte and holds 0 or 1.
enum class DType : uint8_t { f32, f64, i32, i64, b8 };

// Bytes of one element.
constexpr size_t size_of(DType type) {
  switch (type) {
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::b8:
      return 1;
  }
  return 0;
}

constexpr bool is_float(DType type) {
  return type == DType::f32 || type == DType::f64;
}
constexpr bool is_integer(DType type) {
  return type == DType::i32 || type == DType::i64;
}

// "f32", "f64", "i32", "i64", "bool": as written in a program.
const char* name_of(DType type);

// Sets `type` and returns true when `name` is one of the above.
bool parse_dtype(std::string_view name, DType& type);

// "f32, f64, i32, i64, bool", for messages.
std::string dtype_names();

// What combines two partial values. `sum` of booleans is not defined; `any` and `all` are.
enum class ReduceOp : uint8_t { sum, prod, max, min, any, all };

// "sum", "prod", "max", "min", "any", "all".
const char* name_of(ReduceOp op);

}  // namespace tessera

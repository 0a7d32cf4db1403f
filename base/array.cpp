#include "base/array.h"

#include "base/convert.h"
#include "base/error.h"
#include "base/host_memory.h"

namespace tessera {

size_t Array::size() const {
  size_t count = 1;
  for (int64_t extent : shape) count *= static_cast<size_t>(extent);
  return count;
}

double Array::get(size_t i) const {
  switch (type) {
    case DType::f32:
      return as<float>()[i];
    case DType::f64:
      return as<double>()[i];
    case DType::i32:
      return as<int32_t>()[i];
    case DType::i64:
      return static_cast<double>(as<int64_t>()[i]);
    case DType::b8:
      return as<uint8_t>()[i] != 0 ? 1 : 0;
    case DType::bf16:
      return bf16_to_f32(as<uint16_t>()[i]);
    case DType::f16:
      return f16_to_f32(as<uint16_t>()[i]);
    case DType::i8:
      return as<int8_t>()[i];
    case DType::u8:
      return as<uint8_t>()[i];
  }
  return 0;
}

void Array::set(size_t i, double value) {
  switch (type) {
    case DType::f32:
      as<float>()[i] = static_cast<float>(value);
      return;
    case DType::f64:
      as<double>()[i] = value;
      return;
    case DType::i32:
      as<int32_t>()[i] = static_cast<int32_t>(value);
      return;
    case DType::i64:
      as<int64_t>()[i] = static_cast<int64_t>(value);
      return;
    case DType::b8:
      as<uint8_t>()[i] = value != 0;
      return;
    case DType::bf16:
      as<uint16_t>()[i] = f64_to_bf16(value);
      return;
    case DType::f16:
      as<uint16_t>()[i] = f64_to_f16(value);
      return;
    case DType::i8:
      as<int8_t>()[i] = static_cast<int8_t>(value);
      return;
    case DType::u8:
      as<uint8_t>()[i] = static_cast<uint8_t>(value);
      return;
  }
}

std::string describe(const Array& array) {
  std::vector<std::string> extents;
  for (int64_t extent : array.shape) extents.push_back(std::to_string(extent));
  return std::string(name_of(array.type)) + "[" + join(extents) + "]";
}

Array make_array(DType type, std::vector<int64_t> shape) {
  size_t bytes = size_of(type);
  for (int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<size_t>(extent), &bytes))
      throw UserError("an array of shape " + describe(Array{type, shape, {}}) +
                      " does not fit in memory");
  }
  Array array{type, std::move(shape), {}};
  constexpr size_t kLarge = 32 << 20;
  if (bytes >= kLarge)
    require_memory(static_cast<int64_t>(bytes), "an array " + describe(array),
                   "use smaller extents, or free memory");
  array.data.resize(bytes);
  return array;
}

}  // namespace tessera

#include "ir/element.h"

namespace tessera {

Scalar load(const Array& array, size_t i) {
  switch (array.type) {
    case DType::i64:
      return Scalar::of_int(DType::i64, array.as<int64_t>()[i]);
    case DType::i32:
      return Scalar::of_int(DType::i32, array.as<int32_t>()[i]);
    case DType::b8:
      return Scalar::of_bool(array.as<uint8_t>()[i] != 0);
    default:
      return Scalar::of_float(array.type, array.get(i));
  }
}

void store(Array& array, size_t i, const Scalar& value) {
  if (array.type == DType::i64) {
    array.as<int64_t>()[i] = value.i;
  } else {
    array.set(i, value.number());
  }
}

}  // namespace tessera

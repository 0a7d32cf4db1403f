#include "ir/element.h"

namespace tessera {

Scalar load(const Array& array, size_t i) {
  if (array.type == DType::i64) return Scalar::of_int(DType::i64, array.as<int64_t>()[i]);
  const double value = array.get(i);
  return is_float(array.type) ? Scalar::of_float(array.type, value)
                              : Scalar::of_int(array.type, static_cast<int64_t>(value));
}

void store(Array& array, size_t i, const Scalar& value) {
  if (array.type == DType::i64)
    array.as<int64_t>()[i] = value.i;
  else
    array.set(i, value.number());
}

}  // namespace tessera

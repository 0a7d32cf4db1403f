#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/array.h"

namespace tessera {

// Element i (row-major) as it is shown: integers exactly, floats with as many digits as say which
// double they are.
std::string element_text(const Array& array, size_t i);

// The same as a JSON value: an integer (of bool, 0 or 1) or a number; null for NaN and infinities,
// which JSON has not.
nlohmann::json element_json(const Array& array, size_t i);

}  // namespace tessera

#include "launcher/array_text.h"

#include <fmt/format.h>

#include <optional>

namespace tessera {
namespace {

std::optional<int64_t> integer_at(const Array& array, size_t i) {
  if (array.type == DType::i64) return array.as<int64_t>()[i];
  if (is_float(array.type)) return std::nullopt;
  return static_cast<int64_t>(array.get(i));
}

}  // namespace

std::string element_text(const Array& array, size_t i) {
  const std::optional<int64_t> integer = integer_at(array, i);
  return integer ? fmt::format("{}", *integer) : fmt::format("{}", array.get(i));
}

nlohmann::json element_json(const Array& array, size_t i) {
  const std::optional<int64_t> integer = integer_at(array, i);
  return integer ? nlohmann::json(*integer) : nlohmann::json(array.get(i));
}

}  // namespace tessera

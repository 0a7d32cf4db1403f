#include "base/units.h"

#include <fmt/format.h>

#include <cmath>

namespace tessera {
namespace {

// Three significant digits.
std::string three_digits(double value) {
  double size = std::abs(value);
  return fmt::format("{:.{}f}", value, size < 10 ? 2 : size < 100 ? 1 : 0);
}

}  // namespace

std::string human_bytes(int64_t bytes) {
  if (bytes > -1024 && bytes < 1024) return fmt::format("{} B", bytes);
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return three_digits(value) + " " + kUnits[unit];
}

std::string human_seconds(double seconds) {
  if (seconds == 0) return "0 s";
  static constexpr const char* kUnits[] = {"s", "ms", "us", "ns"};
  size_t unit = 0;
  double value = seconds;
  while (std::abs(value) < 0.9995 && unit + 1 < std::size(kUnits)) {
    value *= 1000;
    ++unit;
  }
  return three_digits(value) + " " + kUnits[unit];
}

}  // namespace tessera

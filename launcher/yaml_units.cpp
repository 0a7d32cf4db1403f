#include "launcher/yaml_units.h"

#include <array>
#include <cmath>
#include <utility>

namespace tessera {
namespace {

using Unit = std::pair<const char*, double>;

constexpr std::array<Unit, 10> kByteUnits = {{{"", 1.0},
                                              {"B", 1.0},
                                              {"KB", 1e3},
                                              {"MB", 1e6},
                                              {"GB", 1e9},
                                              {"TB", 1e12},
                                              {"KiB", 1024.0},
                                              {"MiB", 1048576.0},
                                              {"GiB", 1073741824.0},
                                              {"TiB", 1099511627776.0}}};
constexpr std::array<Unit, 7> kTimeUnits = {{{"", 1.0},
                                             {"ns", 1e-9},
                                             {"us", 1e-6},
                                             {"ms", 1e-3},
                                             {"s", 1.0},
                                             {"min", 60.0},
                                             {"h", 3600.0}}};
constexpr std::array<Unit, 8> kBandwidthUnits = {{{"KB/s", 1e3},
                                                  {"MB/s", 1e6},
                                                  {"GB/s", 1e9},
                                                  {"TB/s", 1e12},
                                                  {"GiB/s", 1073741824.0},
                                                  {"TiB/s", 1099511627776.0},
                                                  {"Mbit/s", 1e6 / 8},
                                                  {"Gbit/s", 1e9 / 8}}};
constexpr std::array<Unit, 3> kFlopsUnits = {
    {{"GFLOP/s", 1e9}, {"TFLOP/s", 1e12}, {"PFLOP/s", 1e15}}};
constexpr std::array<Unit, 3> kStepUnits = {{{"", 1.0}, {"step", 1.0}, {"steps", 1.0}}};

// The value in base units, or a negative number when the text is not one number and one unit.
template <size_t N>
double scaled(const YamlNode& node, const std::array<Unit, N>& units) {
  if (node.kind() != YamlNode::Kind::scalar) return -1;
  const std::string text = node.as_string();
  const size_t digits = text.find_first_not_of("0123456789.");
  const std::string number = text.substr(0, digits);
  if (number.empty() || number[0] == '.' || number.back() == '.' ||
      (number.size() > 1 && number[0] == '0' && number[1] != '.') || number.size() > 18 ||
      number.find('.') != number.rfind('.'))
    return -1;
  std::string unit = digits == std::string::npos ? "" : text.substr(digits);
  unit.erase(0, unit.find_first_not_of(' '));
  for (const auto& [name, factor] : units)
    if (unit == name) return std::stod(number) * factor;
  return -1;
}

}  // namespace

int64_t bytes_of(const YamlNode& node) {
  const double value = scaled(node, kByteUnits);
  if (!(value >= 1 && value < 9e18 && value == std::floor(value)))
    node.fail("must be a size such as 512MiB, 2GiB or a number of bytes, found " + node.found());
  return static_cast<int64_t>(value);
}

double seconds_of(const YamlNode& node) {
  const double value = scaled(node, kTimeUnits);
  if (!(value > 0 && value <= 1e9))
    node.fail("must be a time such as 60 s, 2 min or 500 ms, found " + node.found());
  return value;
}

double bandwidth_of(const YamlNode& node) {
  const double value = scaled(node, kBandwidthUnits);
  if (!(value > 0 && value <= 1e18))
    node.fail("must be a bandwidth such as 10 GB/s, 500 MB/s or 100 Gbit/s, found " + node.found());
  return value;
}

double flops_of(const YamlNode& node) {
  const double value = scaled(node, kFlopsUnits);
  if (!(value > 0 && value <= 1e21))
    node.fail("must be a rate such as 400 GFLOP/s or 60 TFLOP/s, found " + node.found());
  return value;
}

int64_t steps_of(const YamlNode& node) {
  const double value = scaled(node, kStepUnits);
  if (!(value >= 1 && value <= 1e15 && value == std::floor(value)))
    node.fail("must be a number of steps such as 500 steps, found " + node.found());
  return static_cast<int64_t>(value);
}

std::string bytes_text(int64_t bytes) {
  constexpr std::array<const char*, 5> kNames = {"", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (unit + 1 < kNames.size() && bytes > 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + kNames[unit];
}

}  // namespace tessera

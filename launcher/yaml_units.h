#pragma once

#include <cstdint>
#include <string>

#include "launcher/yaml.h"

namespace tessera {

// Bytes: an integer, or a number with a unit of B, KB, MB, GB, TB (powers of 1000) or KiB, MiB,
// GiB, TiB (powers of 1024). `2GiB`, `1.5 GiB`, `4096`. At least 1.
int64_t bytes_of(const YamlNode& node);

// Seconds: a number with a unit of ns, us, ms, s, min or h, or a plain number of seconds. Above 0.
double seconds_of(const YamlNode& node);

// Bytes per second: a number with a unit of KB/s, MB/s, GB/s, TB/s, GiB/s, TiB/s, Mbit/s or Gbit/s.
// Above 0.
double bandwidth_of(const YamlNode& node);

// Operations per second: a number with a unit of GFLOP/s, TFLOP/s or PFLOP/s. Above 0.
double flops_of(const YamlNode& node);

// A number of steps: `500 steps`, `1 step` or `500`.
int64_t steps_of(const YamlNode& node);

// The shortest text that `bytes_of` reads back as `bytes`: 2147483648 is "2GiB".
std::string bytes_text(int64_t bytes);

}  // namespace tessera

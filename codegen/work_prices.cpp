#include "codegen/work_prices.h"

#include <algorithm>
#include <array>

namespace tessera {
namespace {

struct Row {
  const char* name;
  double v2, v3, v4;  // vectors of 16, 32 and 64 bytes
};

// Written by bench/random_nests/fit_prices.py; see there.
constexpr std::array<Row, kWorks> kTable = {{
    // clang-format off
    {"launch",                       2.71e+03, 2.43e+03, 1.25e+03},
    {"step",                                      0.227,    0.368,   0.0435},
    {"point",                                        1.34,     6.94,    0.908},
    {"finish",                                        1.45,     1.12,    0.419},
    {"fold",                                             12,     15.2,     1.69},
    {"stall",                                     0.333,    0.172,   0.0443},
    {"scalar",                                       1.77,     2.31,    0.819},
    {"simple",                                    0.678,     0.51,    0.547},
    {"extreme",                                       4.06,     3.58,     3.82},
    {"integer_multiply",                          0.338,    0.407,     0.15},
    {"integer_divide",                            0.337,    0.305,    0.101},
    {"convert",                                     0.69,     1.39,      1.1},
    {"guard",                                        2.53,    0.988,    0.643},
    {"running",                                          10,       10,       10},
    {"bits",                                             90,       90,       90},
    {"divide",                                       2.57,     2.76,      2.7},
    {"root",                                       3.93,     4.49,     5.63},
    {"exponential",                    1.32e+03,     33.1,     17.4},
    {"logarithm",                      1.75e+03,     47.7,     25.5},
    {"hyperbolic",                     2.73e+03,     61.4,     34.8},
    {"sigmoid",                        1.24e+03,     32.3,     18.6},
    {"error",                          2.71e+03,     70.3,     34.7},
    {"wave",                                          993,     59.9,     27.8},
    {"power",                                       799,      153,      103},
    {"modulo",                                     66.2,     65.5,     43.5},
    {"divide64",                                   5.39,     6.19,     6.18},
    {"root64",                                     14.9,     15.1,     13.2},
    {"exponential64",                              62.6,      193,      109},
    {"logarithm64",                                45.9,      138,      113},
    {"hyperbolic64",                                  201,      420,      445},
    {"sigmoid64",                                    75.8,      139,      182},
    {"error64",                                    73.7,      190,      235},
    {"wave64",                                        150,      280,      256},
    {"power64",                                     230,      459,      469},
    {"modulo64",                                   42.7,     30.6,     15.6},
    {"load",                                      0.848,     1.03,    0.786},
    {"load_guarded",                                   1.1,     1.08,    0.606},
    {"load_same",                                 0.862,    0.724,    0.244},
    {"load_near",                                 0.954,     1.66,     1.07},
    {"load_transposed",                          1.49,     4.06,     4.81},
    {"load_apart",                                2.85,     4.23,     2.05},
    {"load_through",                             3.17,     4.64,      1.3},
    {"store",                                 0.227,    0.989,     1.67},
    {"store_apart",                                  1.09,     2.07,     1.77},
    {"store_one",                                    1.04,     1.05,    0.637},
    {"scatter",                                               4,        4,        4},
    {"tile_step",                              2.24,      1.5,     1.13},
    {"tile_row",                                     3.34,     23.4,     2.05},
    {"pack_vector",                                  1.37,     1.19,    0.801},
    {"pack_across",                                  1.81,     1.84,     2.21},
    {"pack_element",                                 3.14,     1.18,     2.58},
    {"tile_store",                                   11.2,     11.6,     8.55},
    {"line_l2",                                0.0265,   0.0183,   0.0294},
    {"line_l2_apart",                          0.0831,   0.0451,   0.0216},
    {"line_l3",                                   0.126,    0.217,    0.428},
    {"line_l3_apart",                             0.586,     0.16,   0.0243},
    {"line_memory",                               0.936,    0.972,     0.43},
    {"line_memory_apart",                         0.305,     3.47,     1.49},
    {"line_written",                                 2.48,     1.35,     1.01},
    {"line_written_past",                                     1,        1,    0.288},
    // clang-format on
}};

WorkAmounts column(double Row::*level) {
  WorkAmounts prices{};
  for (size_t i = 0; i < kWorks; ++i) prices[i] = kTable[i].*level;
  return prices;
}

}  // namespace

const char* name_of(WorkKind work) {
  return kTable[static_cast<size_t>(work)].name;
}

const WorkAmounts& prices_of(const VectorTarget& target) {
  static const WorkAmounts v2 = column(&Row::v2), v3 = column(&Row::v3), v4 = column(&Row::v4);
  return target.vector_bytes >= 64 ? v4 : target.vector_bytes >= 32 ? v3 : v2;
}

double computing_and_moving(double computing, double moving) {
  constexpr double kNotHidden = 0.3;  // of the shorter of the two
  return std::max(computing, moving) + kNotHidden * std::min(computing, moving);
}

}  // namespace tessera

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
    {"launch",                       2.73e+03, 3.08e+03, 3.04e+03},
    {"step",                                         0.144,     0.16,   0.0386},
    {"point",                                            1.41,     5.08,      1.3},
    {"finish",                                            1.15,    0.965,    0.393},
    {"fold",                                                 9.11,     13.1,     10.8},
    {"stall",                                        0.319,    0.155,   0.0416},
    {"scalar",                                           2.07,     2.71,     1.84},
    {"simple",                                       0.703,    0.791,     1.15},
    {"extreme",                                           2.93,     4.84,     4.75},
    {"integer_multiply",                             0.488,    0.509,    0.164},
    {"integer_divide",                               0.349,    0.304,   0.0955},
    {"convert",                                         1.94,     1.07,    0.634},
    {"guard",                                             2.8,     1.11,     2.19},
    {"running",                                                10,       10,       10},
    {"bits",                                                   90,       90,       90},
    {"divide",                                           2.03,     2.68,     10.4},
    {"root",                                           2.86,     4.87,     11.9},
    {"exponential",                         643,     36.9,     38.8},
    {"logarithm",                           690,     53.7,       48},
    {"hyperbolic",                          842,     75.8,     77.2},
    {"sigmoid",                             421,     38.3,     44.6},
    {"error",                          2.29e+03,     83.1,     75.4},
    {"wave",                                               851,     71.2,     68.5},
    {"power",                                            660,      197,      196},
    {"modulo",                                         98.6,     94.7,     93.4},
    {"divide64",                                       3.78,     9.15,     24.3},
    {"root64",                                         7.39,     16.4,     34.2},
    {"exponential64",                                  58.9,      128,      261},
    {"logarithm64",                                    62.9,      134,      281},
    {"hyperbolic64",                                       213,      450,      895},
    {"sigmoid64",                                        60.6,      128,      276},
    {"error64",                                        92.1,      257,      528},
    {"wave64",                                            99.6,      189,      351},
    {"power64",                                          210,      438,      843},
    {"modulo64",                                       36.4,     41.8,     37.4},
    {"load",                                          1.07,     1.68,     1.44},
    {"load_guarded",                                       1.13,     1.27,    0.831},
    {"load_same",                                     0.94,    0.537,    0.295},
    {"load_near",                                     1.09,     2.63,     1.86},
    {"load_transposed",                              3.56,     6.25,     10.8},
    {"load_apart",                                    5.49,     4.68,      6.6},
    {"load_through",                                 3.97,     3.33,     4.14},
    {"store",                                     0.22,    0.899,     3.05},
    {"store_apart",                                      3.26,        5,     2.39},
    {"store_one",                                        1.01,     1.04,    0.682},
    {"scatter",                                                      4,        4,        4},
    {"tile_step",                                  2.04,      1.6,      1.6},
    {"tile_row",                                         3.08,     2.47,     1.62},
    {"pack_vector",                                      1.27,     1.02,    0.743},
    {"pack_across",                                      1.84,     1.58,     3.46},
    {"pack_element",                                     3.18,      7.5,     2.18},
    {"tile_store",                                       10.1,     8.01,     9.44},
    {"line_l2",                                  0.0234,   0.0124,   0.0196},
    {"line_l2_apart",                             0.033,   0.0318,   0.0182},
    {"line_l3",                                      0.635,    0.618,    0.846},
    {"line_l3_apart",                                 1.09,   0.0343,    0.032},
    {"line_memory",                                  0.503,    0.477,    0.328},
    {"line_memory_apart",                            0.305,     3.46,     1.18},
    {"line_written",                                     2.76,     1.48,    0.926},
    {"line_written_past",                                        0.379,     0.68,    0.632},
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

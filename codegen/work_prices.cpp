#include "codegen/work_prices.h"

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
    {"launch",                       2.71e+03, 2.43e+03, 1.27e+03},
    {"step",                                   0.227,    0.368,   0.0564},
    {"point",                                    1.34,     6.94,     1.15},
    {"finish",                                    1.45,     1.12,    0.517},
    {"fold",                                       12,     15.2,     4.99},
    {"stall",                                  0.333,    0.172,   0.0498},
    {"scalar",                                   1.77,     2.31,    0.855},
    {"simple",                                 0.678,     0.51,    0.462},
    {"extreme",                                   4.06,     3.58,     4.11},
    {"integer_multiply",                       0.338,    0.407,    0.179},
    {"integer_divide",                         0.337,    0.305,    0.131},
    {"convert",                                 0.69,     1.39,     0.47},
    {"guard",                                    2.53,    0.988,    0.525},
    {"running",                                    10,       10,       10},
    {"bits",                                       90,       90,       90},
    {"divide",                                   2.57,     2.76,     2.53},
    {"root",                                   3.93,     4.49,     3.89},
    {"exponential",                    1.32e+03,     33.1,     17.6},
    {"logarithm",                      1.75e+03,     47.7,     24.8},
    {"hyperbolic",                     2.73e+03,     61.4,     34.1},
    {"sigmoid",                        1.24e+03,     32.3,     18.3},
    {"error",                          2.71e+03,     70.3,     35.8},
    {"wave",                                     993,     59.9,     30.6},
    {"power",                                  799,      153,      101},
    {"modulo",                                 66.2,     65.5,     42.5},
    {"divide64",                               5.39,     6.19,     5.92},
    {"root64",                                 14.9,     15.1,       13},
    {"exponential64",                          62.6,      193,      166},
    {"logarithm64",                            45.9,      138,      147},
    {"hyperbolic64",                             201,      420,      421},
    {"sigmoid64",                                75.8,      139,      151},
    {"error64",                                73.7,      190,      201},
    {"wave64",                                   150,      280,      246},
    {"power64",                                230,      459,      443},
    {"modulo64",                               42.7,     30.6,     15.4},
    {"load",                                   0.848,     1.03,    0.884},
    {"load_guarded",                              1.1,     1.08,    0.533},
    {"load_same",                              0.862,    0.724,    0.427},
    {"load_near",                              0.954,     1.66,    0.846},
    {"load_transposed",                      1.49,     4.06,     6.26},
    {"load_apart",                            2.85,     4.23,     2.45},
    {"load_through",                         3.17,     4.64,        2},
    {"store",                              0.227,    0.989,     1.32},
    {"store_apart",                              1.09,     2.07,      1.8},
    {"store_one",                                1.04,     1.05,    0.883},
    {"scatter",                                        4,        4,        4},
    {"tile_step",                          2.24,      1.5,     1.16},
    {"tile_row",                                 3.34,     23.4,     2.72},
    {"pack_vector",                              1.37,     1.19,     0.83},
    {"pack_across",                              1.81,     1.84,     2.35},
    {"pack_element",                             3.14,     1.18,     2.92},
    {"tile_store",                               11.2,     11.6,     7.15},
    {"line_l2",                              0.0265,   0.0183,     0.03},
    {"line_l2_apart",                        0.0831,   0.0451,   0.0673},
    {"line_l3",                                0.126,    0.217,    0.454},
    {"line_l3_apart",                          0.586,     0.16,   0.0232},
    {"line_memory",                            0.936,    0.972,     1.74},
    {"line_memory_apart",                      0.305,     3.47,     1.49},
    {"line_written",                             2.48,     1.35,    0.848},
    {"line_written_past",                              1,        1,        1},
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

}  // namespace tessera

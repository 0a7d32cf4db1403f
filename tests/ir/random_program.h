#pragma once

#include <cstdint>

#include "ir/program.h"
#include "ir/random_inputs.h"

namespace tessera {

// What random_program may use. Everything is on by default except gradients and loops.
struct RandomProgramOptions {
  int dims = 4;               // at most
  int definitions = 6;        // at most, besides those that updates make
  int depth = 4;              // of a formula
  int64_t max_volume = 2048;  // points of one loop nest
  bool gradients = false;     // a loss, and updates by grad(loss, …)
  bool updates = true;
  bool f64 = true;
  bool integers = true;  // tensors and formulas of i32 and i64
  bool booleans = true;  // tensors of bool; comparisons are written all the same
  bool gathers = true;   // indices read from integer inputs
  bool affine = true;    // 2*i + k, i // 2, reversed, constant, renamed; with pads
  bool reductions = true;
  bool discontinuous = true;   // floor, comparisons and argmax of floats, conversions to integers
  bool transcendental = true;  // exp, log, tanh, …
  bool draws = true;           // uniform and normal values
  bool loops = false;          // recurrences: without `unroll`, only the interpreter runs them
  bool small_types = false;    // bf16, f16, i8 and u8: compare with a tolerance to match
};

// A program that is valid and numerically tame: with inputs from random_inputs its floats stay
// within about ±10, nothing overflows, divides by nearly 0 or leaves an extent. A pure function of
// its arguments, the same on every platform.
Program random_program(uint64_t seed, const RandomProgramOptions& options = {});

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators; OOPSLA'14).
class RandomSource {
 public:
  explicit RandomSource(uint64_t seed) : state_(seed) {}
  uint64_t next();
  int below(int count);                        // 0 … count-1
  int64_t between(int64_t low, int64_t high);  // both included
  double uniform();                            // [0, 1)
  bool chance(double probability) { return uniform() < probability; }

 private:
  uint64_t state_;
};

}  // namespace tessera

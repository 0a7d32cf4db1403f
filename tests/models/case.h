#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ir/interpret.h"
#include "ir/program.h"

namespace tessera {

// One argument of a function under test: uniform values in low … high.
struct Argument {
  std::string name;
  Dims dims;
  double low = -1;
  double high = 1;
  DType type = DType::f32;  // f32 stands for whichever float type is tested
};

// One way to call functions of models/. The file reference.py has a function of the same name that
// computes the same with JAX, from arrays in the order of `arguments`.
struct Case {
  std::string name;
  std::vector<std::string> covers;  // functions of models/
  std::vector<Argument> arguments;
  std::vector<Dims> results;  // the order of dims of each
  std::function<std::vector<Expr>(const std::vector<Expr>& arguments)> call;
};

// The groups, and all of them together.
std::vector<Case> layer_cases();
std::vector<Case> loss_cases();
std::vector<Case> convolution_cases();
std::vector<Case> normalization_cases();
std::vector<Case> attention_cases();
std::vector<Case> expert_cases();
std::vector<Case> capsule_cases();
std::vector<Case> recurrent_cases();
std::vector<Case> clustering_cases();
std::vector<Case> all_cases();

// The values of the arguments, each exact in f32, as arrays of `type`; `extra[i]` are dims that
// argument i has in front of its own.
Arrays random_arguments(const Case& test, DType type, uint64_t seed,
                        const std::vector<Dims>& extra = {});

// A program that calls the function: inputs by the arguments' names, outputs r0, r1, …, each with
// the extra dims that it has, sorted, before its own.
Program value_program(const Case& test, DType type, const std::vector<Dims>& extra = {});

// The same with the gradients g_NAME of sum(r0 * seed0) + sum(r1 * seed1) + … by every float
// argument; seed0, … are inputs (see random_seeds). Without `gradients` just that sum, `loss`.
Program gradient_program(const Case& test, DType type, bool gradients = true);
Arrays random_seeds(const Case& test, DType type, uint64_t seed);

}  // namespace tessera

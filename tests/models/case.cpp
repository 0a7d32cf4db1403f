#include "tests/models/case.h"

#include <cmath>

#include "ir/functions.h"
#include "ir/random.h"

namespace tessera {
namespace {

DType type_of(const Argument& argument, DType type) {
  return argument.type == DType::f32 ? type : argument.type;
}

Dims joined(const Dims& front, const Dims& back) {
  Dims all = front;
  all.insert(all.end(), back.begin(), back.end());
  return all;
}

std::vector<Expr> make_inputs(Program& program, const Case& test, DType type,
                              const std::vector<Dims>& extra) {
  std::vector<Expr> inputs;
  for (size_t i = 0; i < test.arguments.size(); ++i) {
    const Argument& argument = test.arguments[i];
    const Dims front = extra.empty() ? Dims{} : extra[i];
    inputs.push_back(
        program.input(argument.name, joined(front, argument.dims), type_of(argument, type)));
  }
  return inputs;
}

Array random_array(DType type, const Dims& dims, double low, double high, uint64_t seed,
                   uint64_t stream) {
  Array array = make_array(type, extents(dims));
  for (size_t i = 0; i < array.size(); ++i) {
    const double value = low + (high - low) * uniform_value(seed, stream, i);
    array.set(i, is_float(type) ? static_cast<double>(static_cast<float>(value))
                                : (type == DType::b8 ? value >= 0.5 : std::floor(value)));
  }
  return array;
}

}  // namespace

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const auto& group :
       {layer_cases(), loss_cases(), convolution_cases(), normalization_cases(), attention_cases(),
        expert_cases(), capsule_cases(), recurrent_cases(), clustering_cases()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

Arrays random_arguments(const Case& test, DType type, uint64_t seed,
                        const std::vector<Dims>& extra) {
  Arrays arrays;
  for (size_t i = 0; i < test.arguments.size(); ++i) {
    const Argument& argument = test.arguments[i];
    const Dims front = extra.empty() ? Dims{} : extra[i];
    arrays[argument.name] = random_array(type_of(argument, type), joined(front, argument.dims),
                                         argument.low, argument.high, seed, i);
  }
  return arrays;
}

Program value_program(const Case& test, DType type, const std::vector<Dims>& extra) {
  Program program("value");
  const std::vector<Expr> results = test.call(make_inputs(program, test, type, extra));
  for (size_t i = 0; i < results.size(); ++i)
    program.output("r" + std::to_string(i), results[i],
                   joined(subtract(results[i].dims(), test.results[i]), test.results[i]));
  return program;
}

Program gradient_program(const Case& test, DType type, bool gradients) {
  Program program("gradient");
  const std::vector<Expr> inputs = make_inputs(program, test, type, {});
  const std::vector<Expr> results = test.call(inputs);
  Expr loss = make_cast(type, 0);
  for (size_t i = 0; i < results.size(); ++i) {
    const Tensor result = program.define("value" + std::to_string(i), results[i]);
    if (gradients) program.output("r" + std::to_string(i), result, test.results[i]);
    if (!is_float(results[i].type())) continue;
    const Tensor seed = program.input("seed" + std::to_string(i), test.results[i], type);
    const Expr weighted = cast(type, result) * seed;
    loss = loss + (weighted.dims().empty() ? weighted : sum(weighted.dims(), weighted));
  }
  const Tensor total = program.define("loss", loss);
  program.output("loss", total);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (gradients && is_float(inputs[i].type()))
      program.output("g_" + test.arguments[i].name,
                     grad(total, program.get(test.arguments[i].name)), test.arguments[i].dims);
  return program;
}

Arrays random_seeds(const Case& test, DType type, uint64_t seed) {
  Arrays arrays;
  for (size_t i = 0; i < test.results.size(); ++i)
    arrays["seed" + std::to_string(i)] = random_array(type, test.results[i], -1, 1, seed, 100 + i);
  return arrays;
}

}  // namespace tessera

#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <string>

#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random.h"
#include "ir/stack_loops.h"
#include "partition/scopes.h"
#include "partition/simulate.h"
#include "tests/ir/random_program.h"

namespace tessera {

// Arrays of one type and shape whose numbers agree within `tolerance` of their size.
inline void expect_near(const Array& found, const Array& wanted, double tolerance,
                        const std::string& what) {
  ASSERT_EQ(describe(found), describe(wanted)) << what;
  for (size_t i = 0; i < found.size(); ++i) {
    const double x = found.get(i);
    const double y = wanted.get(i);
    if (std::isnan(y) || std::isinf(y)) {
      ASSERT_TRUE(std::isnan(y) ? std::isnan(x) : x == y) << what << " at " << i << ": " << x;
      continue;
    }
    ASSERT_LE(std::fabs(x - y), tolerance * std::max(1.0, std::fabs(y)))
        << what << " at " << i << ": " << x << " instead of " << y;
  }
}

// A program with data and what the interpreter makes of it.
struct Case {
  Program program;  // normal, loops as they run
  Arrays inputs;
  Arrays state;
  Arrays outputs;     // wanted
  Arrays next_state;  // wanted

  explicit Case(const Program& source, uint64_t seed = 1)
      : program(stack_loops(normalize(source))) {
    inputs = random_inputs(program, seed);
    state = initial_state(program, seed);
    next_state = state;
    outputs = interpret(program, inputs, next_state);
  }

  // Runs the plan on simulated ranks and compares.
  void check(const Plan& plan, double tolerance = 1e-4, const LowerOptions& options = {}) const {
    compare(plan, tolerance, options);
    if (::testing::Test::HasFatalFailure()) std::cerr << print(plan);
  }

 private:
  void compare(const Plan& plan, double tolerance, const LowerOptions& options) const {
    if (program.pins().empty()) verify(plan, program);
    Arrays found_state = state;
    const Arrays found = simulate(program, plan, inputs, found_state, options);
    ASSERT_EQ(found.size(), outputs.size());
    for (const auto& [name, array] : outputs) expect_near(found.at(name), array, tolerance, name);
    for (const auto& [name, array] : next_state)
      expect_near(found_state.at(name), array, tolerance, name);
  }
};

inline Case case_of(const std::string& text) {
  return Case(parse(text));
}

// A plan whose choices are drawn at random, storage and outputs too.
inline Plan random_plan(const Program& program, const Mesh& mesh, RandomSource& random) {
  Plan plan{program.name(), mesh, {}, {}, {}, {}, {}, {}};
  const Scopes scopes(program);
  for (const Tensor& tensor : tensors_of(scopes.sequence())) {
    if (tensor.role() == Role::carried) continue;
    const NestRules rules(nest_of(tensor), scopes.dims(scopes.of(tensor)));
    Assignment assignment;
    for (int axis = 0; axis < mesh.count(); ++axis)
      assignment.axes.push_back(rules.choices()[static_cast<size_t>(
          random.below(static_cast<int>(rules.choices().size())))]);
    if (mesh.count() == 2 && random.chance(0.3)) assignment.order = {1, 0};
    plan.nests.push_back({tensor.name(), assignment, {}});
  }
  const auto storage = [&](const std::string& name, const Tensor& tensor) {
    Sharding sharding = replicated(tensor);
    // What a loop iterates is split by nothing that the loop carries.
    const int loops =
        tensor.role() == Role::carried ? static_cast<int>(scopes.of(tensor).size()) : 0;
    for (int axis = 0; axis < mesh.count(); ++axis) {
      const int dims = static_cast<int>(tensor.dims().size());
      const int where = loops + random.below(dims - loops + 1);
      if (where < dims) sharding.split[static_cast<size_t>(where)].push_back(axis);
    }
    return StorageDecision{name, names(tensor.dims()), sharding, {}};
  };
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() != Role::definition) plan.stored.push_back(storage(tensor.name(), tensor));
  for (const Output& output : program.outputs())
    plan.outputs.push_back(storage(output.name, output.value));
  for (const Tensor& tensor : program.tensors()) {
    const int loops = random.below(static_cast<int>(scopes.of(tensor).size()) + 1);
    if (!random.chance(0.5)) continue;
    Sharding form = replicated(tensor);
    for (int axis = 0; axis < mesh.count(); ++axis) {
      const int dims = static_cast<int>(tensor.dims().size());
      const int where = loops + random.below(dims - loops + 1);
      if (where < dims) form.split[static_cast<size_t>(where)].push_back(axis);
    }
    plan.held.push_back({tensor.name(), names(tensor.dims()), form, loops});
  }
  return plan;
}

}  // namespace tessera

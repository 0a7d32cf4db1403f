#include "tests/ir/random_program.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/hash.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/structure.h"
#include "tests/ir/unroll.h"

namespace tessera {
namespace {

// Every value of every output stays finite and small, and every read inside.
void expect_tame(uint64_t seed, const RandomProgramOptions& options) {
  const Program program = random_program(seed, options);
  const Arrays inputs = random_inputs(program, seed);
  Arrays state = initial_state(program, seed);
  const Arrays outputs = interpret(program, inputs, state);
  for (const auto& [name, array] : outputs)
    for (size_t i = 0; i < array.size(); ++i)
      ASSERT_LT(std::abs(array.get(i)), name == "loss" ? 1e6 : 1100)
          << "seed " << seed << " " << name << "\n"
          << print(program);
}

TEST(RandomProgram, RunsWithTameValues) {
  for (uint64_t seed = 0; seed < 400; ++seed) expect_tame(seed, {});
}

TEST(RandomProgram, RunsWithGradients) {
  RandomProgramOptions options;
  options.gradients = true;
  options.max_volume = 256;
  options.definitions = 3;
  options.depth = 3;
  for (uint64_t seed = 0; seed < 60; ++seed) expect_tame(seed, options);
}

// Loops as they stand, in normal form, unrolled, and read back from their text mean the same.
TEST(RandomProgram, LoopsMeanTheSameInEveryForm) {
  RandomProgramOptions options;
  options.loops = true;
  options.definitions = 3;
  options.max_volume = 128;
  options.discontinuous = false;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    options.gradients = seed % 3 == 0;
    const Program program = random_program(seed, options);
    const Arrays inputs = random_inputs(program, seed);
    const Arrays start = initial_state(program, seed);
    const auto run = [&](const Program& form) {
      Arrays state = start;
      return interpret(form, inputs, state);
    };
    const Arrays wanted = run(program);
    const Program normal = normalize(program);
    ASSERT_TRUE(normalize(normal) == normal) << "seed " << seed << "\n" << print(normal);
    const Program back = parse(print(program));
    ASSERT_TRUE(back == program) << "seed " << seed << "\n" << print(program);
    ASSERT_EQ(print(back), print(program)) << "seed " << seed;
    ASSERT_TRUE(parse(print(normal)) == normal) << "seed " << seed << "\n" << print(normal);
    for (const Program& form : {normal, unroll(normal), back}) {
      const Arrays found = run(form);
      for (const auto& [name, array] : wanted)
        for (size_t i = 0; i < array.size(); ++i)
          ASSERT_NEAR(found.at(name).get(i), array.get(i), 1e-4 * (1 + std::abs(array.get(i))))
              << "seed " << seed << " " << name << "\n"
              << print(program) << print(form);
    }
  }
}

TEST(RandomProgram, IsTheSameOnEveryPlatform) {
  std::string all;
  for (uint64_t seed = 0; seed < 50; ++seed) all += print(random_program(seed));
  EXPECT_EQ(hex(hash_bytes(all)), "5d6b26c7d21e45eb");
}

// Does some formula of 300 programs satisfy the predicate?
bool some_program_has(const RandomProgramOptions& options,
                      const std::function<bool(const Expr&)>& predicate) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const Program program = random_program(seed, options);
    for (const Tensor& tensor : program.definitions())
      if (any_node(tensor.value(), predicate)) return true;
  }
  return false;
}

TEST(RandomProgram, SwitchesFeaturesOnAndOff) {
  const auto check = [](bool RandomProgramOptions::*option,
                        const std::function<bool(const Expr&)>& predicate, const char* what) {
    RandomProgramOptions options;
    options.*option = true;
    EXPECT_TRUE(some_program_has(options, predicate)) << what;
    options.*option = false;
    EXPECT_FALSE(some_program_has(options, predicate)) << what;
  };
  check(
      &RandomProgramOptions::f64, [](const Expr& e) { return e.type() == DType::f64; }, "f64");
  check(
      &RandomProgramOptions::reductions, [](const Expr& e) { return as<Reduce>(e) != nullptr; },
      "reductions");
  check(
      &RandomProgramOptions::gradients, [](const Expr& e) { return as<Gradient>(e) != nullptr; },
      "gradients");
  check(
      &RandomProgramOptions::gathers,
      [](const Expr& e) {
        const Read* read = as<Read>(e);
        return read != nullptr && read->tensor.name() == "at";
      },
      "gathers");
  check(
      &RandomProgramOptions::affine,
      [](const Expr& e) {
        const Read* read = as<Read>(e);
        bool padded = false;
        for (size_t i = 0; read != nullptr && i < read->indices.size(); ++i)
          padded =
              padded || (read->indices[i].padded && tensors_read(read->indices[i].value).empty());
        return padded;
      },
      "affine");
  check(
      &RandomProgramOptions::discontinuous,
      [](const Expr& e) {
        const Apply* apply = as<Apply>(e);
        const Reduce* reduce = as<Reduce>(e);
        return (apply != nullptr && apply->fn == Fn::floor) ||
               (reduce != nullptr && reduce->op == Reduction::argmax);
      },
      "discontinuous");
  check(
      &RandomProgramOptions::transcendental,
      [](const Expr& e) {
        const Apply* apply = as<Apply>(e);
        return apply != nullptr && (apply->fn == Fn::exp || apply->fn == Fn::tanh);
      },
      "transcendental");
  check(
      &RandomProgramOptions::draws,
      [](const Expr& e) {
        const Apply* apply = as<Apply>(e);
        return apply != nullptr && apply->fn == Fn::random_bits;
      },
      "draws");
  check(
      &RandomProgramOptions::small_types,
      [](const Expr& e) { return is_half(e.type()) || is_small_integer(e.type()); }, "small types");
}

// Inputs that index something are kept inside by what they index, however the index is formed.
TEST(RandomInputs, BoundsIndices) {
  const Program program = parse(
      "program p\ndim a = 50, b = 7, c = 3\ninput t[b]\ninput at[a] : i32\ninput off[a] : i64\n"
      "input half[a] : i32\ninput some[a] : i32\ninput shared[a] : i32\n"
      "u = t[b: at]\nv = t[b: off - 2]\nd = half // 2\nw = t[b: d]\nx = t[b: some pad 0]\n"
      "y = t[b: shared] + t[b: shared + 3]\n");
  std::map<std::string, std::pair<double, double>> seen;
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (const auto& [name, array] : random_inputs(program, seed))
      for (size_t i = 0; i < array.size(); ++i) {
        auto& [low, high] = seen.emplace(name, std::pair(1e9, -1e9)).first->second;
        low = std::min(low, array.get(i));
        high = std::max(high, array.get(i));
      }
  EXPECT_EQ(seen.at("at"), std::pair(0.0, 6.0));
  EXPECT_EQ(seen.at("off"), std::pair(2.0, 8.0));
  EXPECT_EQ(seen.at("half"), std::pair(0.0, 13.0));
  EXPECT_EQ(seen.at("some"), std::pair(-9.0, 9.0));
  EXPECT_EQ(seen.at("shared"), std::pair(0.0, 3.0));
  EXPECT_EQ(random_inputs(program, 3), random_inputs(program, 3));
}

}  // namespace
}  // namespace tessera

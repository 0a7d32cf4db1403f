#include <gtest/gtest.h>

#include <cmath>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

constexpr size_t kCount = 200'000;

struct Case {
  const char* name;
  double (*exact)(double);
  double allowed;  // units in the last place, as stated in ir/scalar_emit.h
};

// Numbers between -20 and 20, more of them near 0.
Array numbers() {
  Array array = make_array(DType::f32, {static_cast<int64_t>(kCount)});
  for (size_t i = 0; i < kCount; ++i) {
    const double at = 2.0 * static_cast<double>(i) / kCount - 1;
    array.set(i, 20 * at * at * at);
  }
  return array;
}

double ulps(double found, double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::abs(found - exact) / std::ldexp(1.0, exponent - 24);
}

// In machine code for each level, which may have instructions of its own for parts of them.
class CompiledScalars : public testing::TestWithParam<Case> {};

TEST_P(CompiledScalars, StayWithinTheirStatedErrors) {
  const Program program = normalize(parse(std::string("program p\ndim i = 200000\ninput x[i]\ny = ")
                                              .append(GetParam().name)
                                              .append("(x)\noutput y\n")));
  const KernelGroup group = make_group(nests_of(program), needed_of(program));
  const Array x = numbers();
  for (const CpuLevel level : cpu_levels_here()) {
    Compiler compiler = plain_compiler(level);
    KernelRunner runner({{program.inputs()[0], x}});
    runner.run(compiler.compile(group), group);
    const Array& y = runner[group.outputs[0]];
    double worst = 0;
    for (size_t i = 0; i < kCount; ++i)
      worst = std::max(worst, ulps(y.get(i), GetParam().exact(x.get(i))));
    EXPECT_LE(worst, GetParam().allowed) << name_of(level);
    EXPECT_GT(worst, 0.4) << name_of(level);  // nothing is exact
  }
}

INSTANTIATE_TEST_SUITE_P(All, CompiledScalars,
                         testing::Values(Case{"exp", [](double x) { return std::exp(x); }, 1.3},
                                         Case{"tanh", [](double x) { return std::tanh(x); }, 1.4},
                                         Case{"sigmoid",
                                              [](double x) { return 1 / (1 + std::exp(-x)); }, 2.7},
                                         Case{"erf", [](double x) { return std::erf(x); }, 2.3}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace tessera

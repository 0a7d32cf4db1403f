#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "partition/manual_plan.h"
#include "tests/runtime/close.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

RunRecord run_split(const std::string& text, const Pin& pin, int ranks, const Arrays& inputs) {
  const Program normal = normalize(parse(text));
  const Plan plan = manual_plan(normal, Mesh{{{"data", ranks}}}, {pin});
  return run_on_local_ranks(normal, plan, inputs, {});
}

// What one rank promises of long sums, several do, whichever dim is split.
TEST(Sums, AreAsAccurateOnManyRanksAsOnOne) {
  const int64_t n = 999983, c = 4;
  Array x = make_array(DType::f32, {n, c});
  std::vector<double> wanted(static_cast<size_t>(c), 0);
  for (size_t i = 0; i < x.size(); ++i) {
    x.set(i, 250 + 70 * uniform_value(7, 0, i));
    wanted[i % static_cast<size_t>(c)] += x.get(i) / static_cast<double>(n);
  }
  const std::string text =
      fmt::format("program p\ndim n = {}, c = {}\ninput x[n, c]\nm = mean[n](x)\noutput m\n", n, c);
  for (const char* dim : {"n", "c"})
    for (const int ranks : {1, 2, 3}) {
      const RunRecord run = run_split(text, {"x", dim, "data", {}}, ranks, {{"x", x}});
      for (size_t i = 0; i < wanted.size(); ++i)
        EXPECT_NEAR(run.outputs[0].at("m").get(i), wanted[i], 3e-7 * wanted[i])
            << dim << " on " << ranks;
    }
}

// A rank has a piece of what is taken in, or of the results.
TEST(Sums, InOrderRunAsScansOnEveryRank) {
  for (const char* formula :
       {"cumsum[t](x)", "prod[s](where(s > t, x[t: s] / 2.0, 1.0))",
        "max[s](where(s < t + 3, x[t: s], -inf))", "sum[s](where(t - 2 >= s, x[t: s], 0.0))"}) {
    const std::string text = fmt::format(
        "program p\ndim t = 23, s = 23, b = 3\ninput x[t, b]\ny = {}\noutput y[t, b]\n", formula);
    const Program program = parse(text);
    const Arrays inputs = random_inputs(program, 5);
    Arrays none;
    const Array wanted = interpret(program, inputs, none).at("y");
    for (const char* dim : {"t", "b"})
      for (const int ranks : {1, 2, 3}) {
        const RunRecord run = run_split(text, {"x", dim, "data", {}}, ranks, inputs);
        expect_close(run.outputs[0].at("y"), wanted, 1e-5,
                     fmt::format("{} {} on {}", formula, dim, ranks));
      }
  }
}

}  // namespace
}  // namespace tessera

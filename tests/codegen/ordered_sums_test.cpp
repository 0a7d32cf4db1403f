#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

// Programs whose sums are put in another order, compiled, against the interpreter on the programs
// as they are written.
TEST(OrderedSums, AgreeWithTheInterpreterWhenCompiled) {
  const char* const texts[] = {
      "program tucker\ndim i = 9, j = 11, k = 7, a = 13, b = 17, c = 12\ninput g[i, j, k]\n"
      "input u[a, i]\ninput v[b, j]\ninput w[c, k]\no = sum[i, j, k](g * u * v * w)\n"
      "output o[a, b, c]\n",
      "program bilinear\ndim n = 131, i = 37, j = 41\ninput x[n, i]\ninput w[i, j]\n"
      "input y[n, j] : i32\no = sum[i, j](x * w * f32(y) / (1 + x * x))\noutput o\n",
      "program whole\ndim n = 131, i = 37, j = 41\ninput x[n, i] : i32\ninput w[i, j] : i32\n"
      "input y[n, j] : i32\no = sum[i, j](x * w * -y)\noutput o\n",
      "program guarded\ndim b = 67, d = 33, f = 71\ninput on[b] : i32\ninput x[b, d]\n"
      "input w[d, f]\ny = sum[d](where(on > 0, exp(x) * x * w, 0))\noutput y\n",
      "program chain\ndim i = 183, j = 71, k = 97, l = 3\ninput a[i, j]\ninput b[j, k]\n"
      "input c[k, l]\nt = sum[j](a * b)\ny = sum[k](t * c)\noutput y\n",
      "program layer\ndim b = 37, d = 23, v = 131\ninput x[b, d]\nparam g[d] = 1\n"
      "param e[v, d] = normal(0, 0.3)\n"
      "def norm(z) = (z - mean[d](z)) / sqrt(mean[d]((z - mean[d](z)) ** 2) + 0.001) * g\n"
      "z = sum[d](tanh(norm(x)) * e)\nloss = mean[b, v](z * z)\n"
      "update g = g - 0.1 * grad(loss, g)\nupdate e = e - 0.1 * grad(loss, e)\noutput loss\n",
  };
  Compiler compiler = plain_compiler();
  for (const char* text : texts) {
    const Program program = parse(text);
    EXPECT_FALSE(normalize(program) == normalize(program, {.gain = 0, .gain_in_loops = 0}))
        << program.name();
    RunOptions run;
    run.tolerance = 1e-4;
    EXPECT_EQ(run_and_compare(program, random_inputs(program, 1), compiler, run), "")
        << program.name();
  }
}

}  // namespace
}  // namespace tessera

#include "codegen/kernel_model.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "codegen/solve_guards.h"
#include "ir/normalize.h"
#include "ir/parse.h"

namespace tessera {
namespace {

// A host whose figures do not depend on where the test runs.
Machine some_machine() {
  return {.vectors = {64, 32, 32 << 10, 1 << 20, 32 << 20},
          .cores = 4,
          .peak_gflops = 120,
          .bandwidth = 20,
          .bandwidth_all = 40,
          .cache_bandwidth = 100};
}

Nest matmul(int m, int n, int k) {
  return nests_of(normalize(
      parse(fmt::format("program p\ndim m = {}, n = {}, k = {}\ninput a[m, k]\ninput b[k, n]\n"
                        "c = sum[k](a * b)\noutput c[m, n]\n",
                        m, n, k))))[0];
}

double rate(int m, int n, int k, int threads = 1) {
  const Nest nest = matmul(m, n, k);
  return flops_of(nest) * 1e-9 / predict_seconds(nest, some_machine(), threads);
}

// A norm inside of a product is no work at each of the product's points.
TEST(KernelModel, OperandsCountOnce) {
  const Program program = normalize(
      parse("program p\ndim b = 128, m = 64, f = 256\ninput x[b, m]\ninput n[b]\ninput s[m]\n"
            "input w[m, f]\nh = sum[m](x / n * s * w)\noutput h[b, f]\n"));
  const double product = 2.0 * 128 * 64 * 256;
  double total = 0;
  for (const Nest& nest : nests_of(program)) total += operations_of(nest);
  EXPECT_GT(total, product);
  EXPECT_LT(total, 1.1 * product);
}

TEST(KernelModel, LargeProductsComeNearThePeak) {
  // Where prices were fitted, tiles reach two thirds of what multiply-adds in registers do.
  EXPECT_GT(rate(1024, 1024, 1024), 0.6 * 120);
  EXPECT_LT(rate(1024, 1024, 1024), 120);
}

TEST(KernelModel, WasteCosts) {
  EXPECT_LT(rate(256, 17, 256), 0.75 * rate(256, 32, 256));  // half of the second vector is empty
  EXPECT_LT(rate(256, 256, 8), 0.9 * rate(256, 256, 256));   // each result is stored for little
  EXPECT_LT(rate(4, 2048, 2048), 0.9 * rate(256, 2048, 2048));  // the operand is read for four rows
  EXPECT_LT(rate(16, 16, 16), 0.5 * rate(256, 256, 256));       // launching
}

TEST(KernelModel, ThreadsHelpLargeKernelsOnly) {
  EXPECT_GT(rate(1024, 1024, 1024, 4), 3 * rate(1024, 1024, 1024, 1));
  EXPECT_DOUBLE_EQ(rate(16, 16, 16, 4), rate(16, 16, 16, 1));
  EXPECT_DOUBLE_EQ(rate(1024, 1024, 1024, 64), rate(1024, 1024, 1024, 4));  // four cores
}

TEST(KernelModel, MapsMoveBytes) {
  const Nest add = nests_of(normalize(
      parse("program p\ndim i = 16777216\ninput a[i]\ninput b[i]\nc = a + b\noutput c[i]\n")))[0];
  const double seconds = predict_seconds(add, some_machine(), 1);
  // A triad reads what it writes, large maps do not.
  const double triad = 12.0 * (1 << 24) / 20e9;
  EXPECT_GT(seconds, 0.4 * triad);
  EXPECT_LT(seconds, 1.2 * triad);
  EXPECT_NEAR(predict_seconds(add, some_machine(), 4), seconds / 2, 0.2 * seconds);
}

// A gradient of a window was priced as if its equation were tried at every point: planning took the
// convolutions' gradients for 64 times as long as they run.
TEST(KernelModel, LoopsThatAnEquationDecidesMakeNoSteps) {
  const Nest guarded = nests_of(normalize(
      parse("program p\ndim b = 32, p = 68, ky = 5, c = 32, o = 64, y = 64\ninput d[b, o, y]\n"
            "input w[o, c, ky]\ng = sum[ky, o, y](where(p == y + ky, d * w, 0.0))\n"
            "output g[b, c, p]\n")))[0];
  const Nest solved = solve_guards(guarded);
  ASSERT_LT(solved.reduced.size(), guarded.reduced.size());
  EXPECT_NEAR(
      predict_seconds(guarded, some_machine(), 1) / predict_seconds(solved, some_machine(), 1), 1,
      0.02);
}

TEST(KernelModel, LocalExtentsReplaceThoseOfTheNest) {
  const KernelModel whole(matmul(512, 256, 128), some_machine());
  const std::vector<int64_t> local = {128, 256, 128};
  EXPECT_NEAR(whole.seconds(local, 1), predict_seconds(matmul(128, 256, 128), some_machine(), 1),
              1e-9);
  const std::vector<int64_t> empty = {0, 256, 128};
  EXPECT_LT(whole.seconds(empty, 1), 5e-6);
}

TEST(KernelModel, AnswersInMicroseconds) {
  const KernelModel model(matmul(512, 256, 128), some_machine());
  std::vector<int64_t> local = {1, 256, 128};
  double best = 1, sum = 0;
  for (int round = 0; round < 20; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (local[0] = 1; local[0] <= 1000; ++local[0]) sum += model.seconds(local, 2);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count() / 1000);
  }
  EXPECT_GT(sum, 0);
  EXPECT_LT(best, 2e-6);
}

}  // namespace
}  // namespace tessera

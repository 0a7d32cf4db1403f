// Predicted times of kernels on GPUs.
#include "codegen/gpu/gpu_model.h"

#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

const GpuTarget kH100 = *gpu_of_kind("h100");

double predicted(const std::string& text, const GpuTarget& gpu = kH100) {
  double seconds = 0;
  for (const Nest& nest : nests_of(normalize(parse("program p\n" + text))))
    seconds += predict_gpu_seconds(nest, gpu);
  return seconds;
}

std::string product(int64_t m, int64_t n, int64_t k, const std::string& type = "f32") {
  return "dim m = " + std::to_string(m) + ", n = " + std::to_string(n) +
         ", k = " + std::to_string(k) + "\ninput a[m, k] : " + type + "\ninput b[k, n] : " + type +
         "\nc = sum[k](f32(a) * f32(b))\noutput c";
}

// What docs/gpu.md tells of an H100, within a third.
TEST(GpuModel, IsNearWhatWasMeasured) {
  const auto near = [](const std::string& text, double seconds) {
    const double found = predicted(text);
    EXPECT_GT(found, seconds / 1.34) << text;
    EXPECT_LT(found, seconds * 1.34) << text;
  };
  near(product(1024, 1024, 1024), 63e-6);
  near(product(1500, 1500, 1500), 323e-6);
  near(product(512, 512, 512), 23e-6);
  near("dim row = 16384, col = 2048\ninput x[row, col]\ninput y[row, col]\nz = x + y\noutput z",
       136e-6);
  near("dim n = 33554432\ninput x[n]\ny = 0.5 * x * (1.0 + tanh(0.8 * x))\noutput y", 94e-6);
}

TEST(GpuModel, CountsLaunchesAndThreads) {
  // Next to nothing takes a launch.
  const double least = predicted("dim n = 64\ninput x[n]\ny = -x\noutput y");
  EXPECT_GE(least, kH100.launch_seconds);
  EXPECT_LT(least, 2 * kH100.launch_seconds);
  // A few threads cannot keep the memory busy: steps of a scan follow each other.
  EXPECT_GT(predicted("dim t = 65536, s = t, d = 4\ninput x[t, d]\n"
                      "y = sum[s](where(s <= t, x[t: s], 0.0))\noutput y"),
            50 * predicted("dim t = 65536, d = 4\ninput x[t, d]\ny = -x\noutput y"));
}

TEST(GpuModel, KnowsKindsOfGpus) {
  const std::string large = "dim n = 268435456\ninput x[n]\ny = -x\noutput y";
  EXPECT_NEAR(predicted(large, kH100) / predicted(large, *gpu_of_kind("h200")), 4.8 / 3.35, 0.02);
  EXPECT_GT(predicted(product(8192, 8192, 4096), *gpu_of_kind("a100")),
            2.5 * predicted(product(8192, 8192, 4096)));
  EXPECT_LT(predicted(product(8192, 8192, 4096, "bf16")),
            0.25 * predicted(product(8192, 8192, 4096)));
  EXPECT_FALSE(gpu_of_kind("gpu"));
  EXPECT_EQ(gpu_of_arch("sm_90").kind, "h100");
  EXPECT_EQ(gpu_of_arch("sm_89").kind, "a100");
  EXPECT_EQ(gpu_of_arch("sm_89").arch, "sm_89");
  EXPECT_EQ(gpu_of_arch("sm_120").kind, "b200");
}

}  // namespace
}  // namespace tessera

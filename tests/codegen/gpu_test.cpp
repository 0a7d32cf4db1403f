// Kernels for GPUs on the simulated machine, against the interpreter.
#include <gtest/gtest.h>

#include <set>

#include "base/convert.h"
#include "base/error.h"
#include "codegen/fault.h"
#include "codegen/gpu/simulated_block.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "tests/codegen/random_nest.h"
#include "tests/codegen/run_on_gpu.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

TEST(GpuNests, MapsOfEveryType) {
  for (const char* type : {"f32", "f64", "bf16", "f16", "i32", "i64", "i8", "u8"})
    EXPECT_EQ(simulate_and_compare(std::string("dim a = 19, b = 64\ninput x[a, b] : ") + type +
                                       "\ninput y[a, b] : " + type +
                                       "\nz = x * y + x\nw = x < y\noutput z\noutput w",
                                   1e-2),
              "")
        << type;
}

TEST(GpuNests, WindowsGathersAndGuards) {
  EXPECT_EQ(simulate_and_compare("dim a = 37, b = 48\ninput x[a, b]\n"
                                 "y = x[a: a + 1 pad 0] + x[b: b - 2 pad 7.5]\n"
                                 "z = where(a > b, y, 2.0 * x)\noutput y\noutput z"),
            "");
  EXPECT_EQ(simulate_and_compare("dim v = 50, d = 24, t = 33\ninput table[v, d]\n"
                                 "input token[t] : i32\n"
                                 "y = table[v: token] * 2.0\noutput y"),
            "");
}

TEST(GpuNests, ReductionsOverRowsAndColumns) {
  EXPECT_EQ(simulate_and_compare("dim a = 70, b = 513\ninput x[a, b]\n"
                                 "r = sum[b](x)\nc = max[a](x)\ns = sum[a, b](x * x)\n"
                                 "output r\noutput c\noutput s"),
            "");
  EXPECT_EQ(simulate_and_compare("dim a = 600, b = 1024\ninput x[a, b]\n"
                                 "r = sum[b](x)\nc = sum[a](x)\ns = mean[a, b](x)\n"
                                 "output r\noutput c\noutput s"),
            "");
}

TEST(GpuNests, SoftmaxAndNorms) {
  const std::string softmax =
      "input x[row, col]\nm = max[col](x)\ne = exp(x - m)\np = e / sum[col](e)\noutput p";
  EXPECT_EQ(simulate_and_compare("dim row = 9, col = 300\n" + softmax), "");
  EXPECT_EQ(simulate_and_compare("dim row = 700, col = 96\n" + softmax), "");
  EXPECT_EQ(simulate_and_compare("dim row = 1000, col = 7\n" + softmax), "");
}

// Lanes along the points of a stage, whose sums several warps form: each has a vector to pass on.
TEST(GpuNests, TeamsSumVectorsOfPoints) {
  const std::string text =
      "dim a = 520, r = 100, c = 16\ninput x[a, r, c]\nm = sum[r](x * x)\ns = sum[c](m * m)\n"
      "y = sum[r](x * s)\noutput m\noutput s\noutput y";
  EXPECT_EQ(simulate_and_compare(text, 1e-4), "");
}

TEST(GpuNests, ScansAndScatters) {
  EXPECT_EQ(simulate_and_compare("dim t = 40, s = t, d = 6\ninput x[t, d]\n"
                                 "y = sum[s](where(s <= t, x[t: s], 0.0))\noutput y"),
            "");
  EXPECT_EQ(simulate_and_compare("dim v = 20, d = 16, t = 33\nparam table[v, d] = normal(0, 1)\n"
                                 "input token[t] : i32\n"
                                 "l = sum[t, d](table[v: token] * table[v: token])\n"
                                 "g = grad(l, table)\noutput g"),
            "");
}

TEST(GpuTiles, ProductsOfMatrices) {
  const std::string product = "input a[m, k]\ninput b[k, n]\nc = sum[k](a * b)\noutput c";
  for (const char* dims : {"dim m = 128, n = 128, k = 64\n", "dim m = 67, n = 131, k = 45\n",
                           "dim m = 17, n = 40, k = 33\n", "dim m = 5, n = 200, k = 16\n"})
    EXPECT_EQ(simulate_and_compare(dims + product), "") << dims;
  EXPECT_EQ(simulate_and_compare("dim m = 70, n = 36, k = 40\ninput a[k, m]\ninput b[n, k]\n"
                                 "c = tanh(sum[k](a * b) * 0.5)\noutput c"),
            "");
  EXPECT_EQ(simulate_and_compare("dim h = 3, m = 40, n = 36, k = 24\ninput a[h, m, k] : f64\n"
                                 "input b[h, k, n] : f64\nc = sum[k](a * b)\noutput c"),
            "");
  EXPECT_EQ(simulate_and_compare("dim m = 33, n = 36, k = 24\ninput a[m, k] : i8\n"
                                 "input b[k, n] : i8\nc = sum[k](i32(a) * i32(b))\noutput c"),
            "");
  EXPECT_EQ(simulate_and_compare("dim m = 33, n = 64, k = 64\ninput a[m, k] : bf16\n"
                                 "input b[k, n] : bf16\nc = sum[k](a * b)\noutput c",
                                 1e-2),
            "");
}

// Whatever fits bf16, f16 or bytes goes to units for matrices, of any extents and along any
// strides.
TEST(GpuMatrices, ProductsOfNarrowOperands) {
  const auto product = [](const std::string& dims, const std::string& types,
                          const std::string& body) {
    return "dim " + dims + "\ninput a[m, k] : " + types + "\ninput b[k, n] : " + types +
           "\nc = sum[k](" + body + ")\noutput c";
  };
  for (const char* type : {"bf16", "f16"})
    for (const char* dims : {"m = 128, n = 128, k = 64", "m = 67, n = 131, k = 45",
                             "m = 17, n = 40, k = 40", "m = 5, n = 264, k = 16"})
      EXPECT_EQ(simulate_and_compare(product(dims, type, "a * b"), 1e-2), "")
          << type << " " << dims;
  for (const char* dims : {"m = 128, n = 64, k = 128", "m = 67, n = 131, k = 45"})
    for (const char* type : {"i8", "u8"})
      EXPECT_EQ(simulate_and_compare(product(dims, type, "i32(a) * i32(b)"), 0), "")
          << type << " " << dims;
  EXPECT_EQ(simulate_and_compare("dim m = 40, n = 48, k = 72\ninput a[m, k] : u8\n"
                                 "input b[k, n] : i8\nc = sum[k]((i32(a) - 7) * i32(b))\n"
                                 "d = sum[k](i32(b) * i32(a))\noutput c\noutput d",
                                 0),
            "");
}

TEST(GpuMatrices, TransposedOperandsBatchesAndEpilogues) {
  for (const char* operands : {"input a[k, m] : bf16\ninput b[k, n] : bf16\n",
                               "input a[m, k] : bf16\ninput b[n, k] : bf16\n",
                               "input a[k, m] : bf16\ninput b[n, k] : bf16\n"})
    EXPECT_EQ(simulate_and_compare("dim m = 72, n = 136, k = 80\n" + std::string(operands) +
                                       "c = tanh(sum[k](f32(a) * f32(b)) * 0.1)\noutput c",
                                   1e-5),
              "")
        << operands;
  EXPECT_EQ(simulate_and_compare("dim h = 3, m = 40, n = 36, k = 24\ninput a[h, m, k] : f16\n"
                                 "input b[h, k, n] : f16\ninput r[n]\n"
                                 "c = max(sum[k](f32(a) * f32(b)) + r, 0.0)\noutput c",
                                 1e-5),
            "");
  EXPECT_EQ(simulate_and_compare("dim m = 40, n = 40, k = 40\ninput a[m, k] : bf16\n"
                                 "input b[k, n] : i8\n"
                                 "c = sum[k](max(f32(a), 0.0) * f32(b))\noutput c",
                                 1e-5),
            "");
  EXPECT_EQ(simulate_and_compare("dim batch = 2, y = 7, x = 8, cin = 8, cout = 12, ky = 3, kx = 3\n"
                                 "dim oy = y, ox = x\ninput image[batch, y, x, cin] : bf16\n"
                                 "input filter[ky, kx, cin, cout] : bf16\nout = sum[ky, kx, cin]("
                                 "image[y: oy + ky - 1 pad 0, x: ox + kx - 1 pad 0] * filter)\n"
                                 "output out",
                                 1e-2),
            "");
}

// Squares of operands are read without two lines in the same banks, however they lie there.
TEST(GpuMatrices, ReadSharedMemoryWithoutConflicts) {
  for (const char* operands :
       {"input a[m, k] : bf16\ninput b[k, n] : bf16\n",
        "input a[k, m] : bf16\ninput b[n, k] : bf16\n", "input a[m, k] : i8\ninput b[k, n] : i8\n"})
    for (const char* dims : {"dim m = 128, n = 128, k = 64\n", "dim m = 32, n = 32, k = 64\n",
                             "dim m = 400, n = 16, k = 32\n"}) {
      const bool bytes = std::string(operands).find("i8") != std::string::npos;
      const std::vector<KernelGroup> groups =
          gpu_groups_of(std::string(dims) + operands +
                        (bytes ? "c = sum[k](i32(a) * i32(b))\noutput c"
                               : "c = sum[k](f32(a) * f32(b))\noutput c"));
      ASSERT_EQ(groups.size(), 1u);
      const GpuForm form = gpu_form(groups[0], {});
      ASSERT_TRUE(std::get<GpuTile>(form.steps.at(0)).narrow);
      std::vector<std::vector<std::max_align_t>> memory(3, std::vector<std::max_align_t>(1 << 14));
      std::vector<void*> arguments;
      for (auto& each : memory) arguments.push_back(each.data());
      GpuSimulator simulator;
      simulator.run(build_gpu_kernel(groups[0], GpuMachine::simulated, {}), arguments);
      EXPECT_EQ(simulator.conflicts(), 0) << dims << operands;
    }
}

// Copies to shared memory that nobody waits for, and a barrier that is missing.
TEST(GpuSimulator, FindsWhatIsLeftOut) {
  const std::vector<KernelGroup> groups = gpu_groups_of(
      "dim m = 64, n = 64, k = 256\ninput a[m, k] : bf16\ninput b[k, n] : bf16\n"
      "c = sum[k](f32(a) * f32(b))\noutput c");
  ASSERT_EQ(groups.size(), 1u);
  const GpuForm form = gpu_form(groups[0], {});
  ASSERT_GE(std::get<GpuTile>(form.steps.at(0)).load_a.copied, 0);
  const GpuKernel kernel = build_gpu_kernel(groups[0], GpuMachine::simulated, {});
  alignas(16) static uint16_t a[64 * 256], b[256 * 64];
  for (int i = 0; i < 64 * 256; ++i) {
    a[i] = f32_to_bf16(static_cast<float>(i % 13 - 6));
    b[i] = f32_to_bf16(static_cast<float>(i % 7 - 3));
  }
  const auto run = [&](SimulatedBlock::Omissions omissions) {
    alignas(16) static float c[64 * 64];
    std::fill(std::begin(c), std::end(c), 0.0f);
    GpuSimulator simulator;
    simulator.omit(omissions);
    simulator.run(kernel, {a, b, c});
    return std::vector<float>(std::begin(c), std::end(c));
  };
  const std::vector<float> right = run({});
  float sum = 0;
  for (int k = 0; k < 256; ++k) sum += bf16_to_f32(a[k]) * bf16_to_f32(b[64 * k]);
  EXPECT_EQ(right[0], sum);
  EXPECT_THROW(run({.waits = true}), InternalError);
  // Threads that do not wait for each other read what is not there, or on its way.
  bool found = false;
  try {
    found = run({.barriers = true}) != right;
  } catch (const InternalError&) {
    found = true;
  }
  EXPECT_TRUE(found);
}

// Which of two chunks of 16 bytes share banks, by what the layout says.
TEST(SharedTiles, EightLinesLieInDifferentBanks) {
  for (const int width : {8, 16, 32, 64, 128}) {
    const SharedTile tile{
        .along_k = true, .lines = 16, .width = width, .element_bytes = 2, .turned = true};
    for (int chunk = 0; chunk < tile.chunks(); ++chunk)
      for (const int first : {0, 8}) {
        std::set<int> banks;
        for (int line = first; line < first + 8; ++line)
          banks.insert(tile.place(line, chunk * tile.chunk_elements()) / 16 % 8);
        EXPECT_EQ(banks.size(), 8u) << width << " " << chunk;
      }
  }
}

TEST(GpuTiles, OtherBodiesAndConvolutions) {
  EXPECT_EQ(simulate_and_compare("dim m = 40, n = 36, k = 24\ninput a[m, k]\ninput b[n, k]\n"
                                 "d = sum[k]((a - b) * (a - b))\nbest = min[k](a + b)\n"
                                 "output d\noutput best"),
            "");
  EXPECT_EQ(simulate_and_compare(
                "dim batch = 2, y = 9, x = 8, cin = 5, cout = 12, ky = 3, kx = 3\n"
                "dim oy = y, ox = x\ninput image[batch, y, x, cin]\n"
                "input filter[ky, kx, cin, cout]\n"
                "out = sum[ky, kx, cin](image[y: oy + ky - 1 pad 0, x: ox + kx - 1 pad 0] * "
                "filter)\nloss = sum[batch, oy, ox, cout](out * out)\n"
                "g = grad(loss, image)\nh = grad(loss, filter)\n"
                "output out\noutput g\noutput h",
                1e-4),
            "");
}

TEST(GpuNests, ReportFaultsOfData) {
  const std::vector<KernelGroup> groups = gpu_groups_of(
      "dim v = 5, t = 40\ninput table[v]\ninput token[t] : i32\ny = table[v: token]\noutput y");
  ASSERT_EQ(groups.size(), 1u);
  const GpuKernel kernel = build_gpu_kernel(groups[0], GpuMachine::simulated, {});
  alignas(16) float table[8] = {1, 2, 3, 4, 5}, y[40];
  alignas(16) int32_t token[40] = {};
  token[7] = 12;
  std::vector<void*> arguments;
  for (const Tensor& input : groups[0].inputs)
    arguments.push_back(input.name() == "table" ? static_cast<void*>(table) : token);
  arguments.push_back(y);
  GpuSimulator simulator;
  const int64_t fault = simulator.run(kernel, arguments);
  ASSERT_NE(fault, 0);
  EXPECT_NE(describe_fault(kernel.faults, fault).find("the index `token` is 12"),
            std::string::npos);
  EXPECT_EQ(y[6], 1);
}

// A barrier that only some threads reach is our mistake, and does not hang.
TEST(GpuSimulator, FindsThreadsThatWaitInDifferentPlaces) {
  SimulatedBlock block;
  const auto entry = +[](void* const* arguments) {
    auto* simulated = static_cast<SimulatedBlock*>(arguments[0]);
    if (simulated->thread() == 3)
      simulated->wait_for_warp(nullptr, [](const std::vector<void*>&) {});
    else
      simulated->wait_for_block();
  };
  void* arguments[] = {&block};
  EXPECT_THROW(block.run(entry, arguments, 0, 64), InternalError);
}

std::string schedule_of(const std::string& text) {
  std::string schedules;
  for (const KernelGroup& group : gpu_groups_of(text)) schedules += describe(gpu_form(group, {}));
  return schedules;
}

TEST(GpuSchedules, FollowFromHowIndicesAreUsed) {
  EXPECT_EQ(schedule_of("dim n = 1048576\ninput x[n]\ny = tanh(x)\noutput y"),
            "1024 blocks of 256 points, teams of 1; n by 4 lanes\n");
  EXPECT_EQ(schedule_of("dim n = 1048577\ninput x[n]\ny = tanh(x)\noutput y"),
            "4097 blocks of 256 points, teams of 1\n");
  EXPECT_EQ(schedule_of("dim row = 8192, col = 4096\ninput x[row, col]\ns = sum[col](x)\noutput s"),
            "1024 blocks of 8 points, teams of 32, neighbours in a team; col by 4 lanes\n");
  EXPECT_EQ(schedule_of("dim n = 1048576\ninput x[n] : bf16\ny = x + x\noutput y"),
            "512 blocks of 256 points, teams of 1; n by 8 lanes\n");
  EXPECT_EQ(schedule_of("dim m = 1024, n = 1024, k = 512\ninput a[m, k]\ninput b[k, n]\n"
                        "c = sum[k](a * b)\noutput c"),
            "128 tiles of 128 x 64, 16 of k at once; 8 x 4 a thread; a by 4 along k, b copied by 4 "
            "along n; result by 4\n");
  EXPECT_EQ(schedule_of("dim m = 2048, n = 2048, k = 512\ninput a[m, k] : bf16\n"
                        "input b[k, n] : bf16\nc = sum[k](f32(a) * f32(b))\noutput c"),
            "256 tiles of 128 x 128, 32 of k at once, 2 in flight; bf16 by bf16 on units for "
            "matrices, 64 x 64 a warp; a copied by 8 along k, b copied by 8 along n; result by "
            "2\n");
}

class GpuRandomNests : public testing::TestWithParam<int> {};

TEST_P(GpuRandomNests, AgreeWithTheInterpreter) {
  for (int number = GetParam(); number < 120; number += 10) {
    if (HasFailure()) break;
    const auto seed = static_cast<uint64_t>(number);
    const RandomNest nest = random_nest(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + nest.text);
    const Program program = parse(nest.text);
    Arrays inputs = random_inputs(program, seed);
    uint64_t each = seed;
    for (const Tensor& input : program.inputs())
      if (input.name().rfind("at_", 0) != 0) inputs[input.name()] = whole_numbers(input, each++);
    const double tolerance = nest.text.find("bf16") != std::string::npos ? 1e-2 : 1e-6;
    EXPECT_EQ(simulate_and_compare(program, inputs, seed % 3 != 0, tolerance), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, GpuRandomNests, testing::Range(0, 10));

}  // namespace
}  // namespace tessera

#include "codegen/tune.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/error.h"
#include "codegen/schedule_space.h"
#include "codegen/tuned_schedules.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

std::vector<KernelGroup> groups_of(const std::string& text) {
  const Program program = normalize(parse("program p\n" + text));
  std::set<Tensor> needed;
  for (const Output& output : program.outputs()) needed.insert(output.value);
  return {make_group(nests_of(program), needed)};
}

constexpr const char* kMatmul =
    "dim m = 24, n = 64, k = 40\ninput a[m, k]\ninput b[k, n]\n"
    "c = sum[k](a * b)\noutput c[m, n]\n";

class Tune : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / fmt::format("tessera-tune-{}-{}", getpid(), test->name());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  CompilerOptions compiler_options() const {
    return {.cache_dir = folder_.string(), .threads = 1, .worker_threads = 1};
  }

  // A measurement that only looks at the number of chunks: fewer are faster, by `step` each. The
  // clock moves on by a millisecond a measurement.
  TuneOptions fewer_chunks_are_faster(double step) {
    TuneOptions options;
    options.compiler = compiler_options();
    options.seconds = 1;
    options.measure = [this, step](const Kernel& kernel, const KernelGroup&) {
      now_ += 1e-3;
      ++measured_;
      return 1e-3 * (1 + step * static_cast<double>(kernel.chunks));
    };
    options.clock = [this] { return now_; };
    return options;
  }

  int64_t chunks(const std::vector<KernelGroup>& groups, int* tuned = nullptr) const {
    Compiler compiler(compiler_options());
    const Kernel kernel = compiler.compile(groups[0]);
    if (tuned != nullptr) *tuned = compiler.stats().tuned;
    return kernel.chunks;
  }

  fs::path only_tune_file() const {
    fs::path found;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (entry.path().extension() == ".tune") found = entry.path();
    return found;
  }

  fs::path folder_;
  double now_ = 100;
  int measured_ = 0;
};

// Rows of 4 KiB: the model makes many chunks.
constexpr const char* kManyChunks =
    "dim m = 512, n = 1024\ninput x[m, n]\ny = exp(x) + sin(x)\noutput y[m, n]\n";

TEST_F(Tune, TheBestIsKeptAndUsedFromThenOn) {
  const std::vector<KernelGroup> groups = groups_of(kManyChunks);
  const int64_t before = chunks(groups);
  const TuneReport report = tune(groups, fewer_chunks_are_faster(0.1));
  ASSERT_EQ(report.kernels.size(), 1u);
  EXPECT_TRUE(report.kernels[0].improved) << report.kernels[0].schedule;
  EXPECT_LT(report.kernels[0].after * 1.03, report.kernels[0].before);
  EXPECT_GT(report.tried, 3);
  EXPECT_EQ(report.tried, report.kernels[0].tried);
  int tuned = 0;
  EXPECT_LT(chunks(groups, &tuned), before);
  EXPECT_EQ(tuned, 1);
  // The object was built once and kept under its own key.
  Compiler again(compiler_options());
  again.compile(groups[0]);
  EXPECT_EQ(again.stats().built, 0);
  EXPECT_EQ(again.stats().cache_hits, 1);
}

TEST_F(Tune, TuningAgainStartsFromWhatWasFound) {
  const std::vector<KernelGroup> groups = groups_of(kManyChunks);
  const TuneReport first = tune(groups, fewer_chunks_are_faster(0.1));
  const TuneReport second = tune(groups, fewer_chunks_are_faster(0.1));
  EXPECT_DOUBLE_EQ(second.kernels[0].before, first.kernels[0].after);
  EXPECT_LE(second.kernels[0].after, first.kernels[0].after);
}

TEST_F(Tune, AGainWithinTheNoiseIsNone) {
  const std::vector<KernelGroup> groups = groups_of(kManyChunks);
  const int64_t before = chunks(groups);
  const TuneReport report = tune(groups, fewer_chunks_are_faster(1e-9));
  EXPECT_GT(report.tried, 3);
  EXPECT_FALSE(report.kernels[0].improved);
  EXPECT_EQ(report.kernels[0].after, report.kernels[0].before);
  EXPECT_EQ(only_tune_file(), fs::path());
  EXPECT_EQ(chunks(groups), before);
}

TEST_F(Tune, TheTimeIsSplitByWhatKernelsCostAndKept) {
  std::vector<KernelGroup> groups = groups_of(kManyChunks);
  groups.push_back(groups_of(kMatmul)[0]);
  groups.push_back(groups[0]);
  TuneOptions options = fewer_chunks_are_faster(0.1);
  options.seconds = 0.06;
  const TuneReport report = tune(groups, options);
  ASSERT_EQ(report.kernels.size(), 2u);
  EXPECT_EQ(report.kernels[0].uses, 2);
  EXPECT_EQ(report.kernels[0].name, "y");
  EXPECT_EQ(report.kernels[1].uses, 1);
  EXPECT_GE(report.kernels[0].before * report.kernels[0].uses, report.kernels[1].before);
  // One candidate and both verdicts may run over.
  EXPECT_LT(report.seconds, 0.06 + 1e-3 * 45);
}

TEST_F(Tune, AKernelThatCannotBeMeasuredIsLeftAlone) {
  TuneOptions options = fewer_chunks_are_faster(0.1);
  options.measure = [](const Kernel&, const KernelGroup&) -> double {
    throw UserError("no such luck");
  };
  const TuneReport report = tune(groups_of(kMatmul), options);
  ASSERT_EQ(report.kernels.size(), 1u);
  EXPECT_EQ(report.kernels[0].problem, "no such luck");
  EXPECT_EQ(report.tried, 0);
}

TEST_F(Tune, ADamagedStoreIsHarmless) {
  const std::vector<KernelGroup> groups = groups_of(kManyChunks);
  const int64_t before = chunks(groups);
  tune(groups, fewer_chunks_are_faster(0.1));
  const fs::path file = only_tune_file();
  ASSERT_NE(file, fs::path());
  std::string whole(fs::file_size(file), '\0');
  std::ifstream(file, std::ios::binary).read(whole.data(), static_cast<int>(whole.size()));
  for (size_t at = 0; at < whole.size(); at += 7) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(file, std::ios::binary) << damaged;
    EXPECT_EQ(chunks(groups), before) << "byte " << at;
  }
  for (const std::string& text : {std::string(), whole.substr(0, whole.size() / 2)}) {
    std::ofstream(file, std::ios::binary) << text;
    EXPECT_EQ(chunks(groups), before);
  }
  std::ofstream(file, std::ios::binary) << whole;
  EXPECT_NE(chunks(groups), before);
}

TEST_F(Tune, AScheduleOfAnotherKernelIsPassedOver) {
  const std::vector<KernelGroup> groups = groups_of(kManyChunks);
  const int64_t before = chunks(groups);
  const TunedSchedules store(folder_.string());
  const std::string key = key_of_kernel(groups[0], build_options(compiler_options()));
  LoopChoice elsewhere;
  elsewhere.shared = {5, 4, 3};
  for (const ScheduleChoice& choice :
       {ScheduleChoice(elsewhere), ScheduleChoice(TileChoice{.rows = 4, .vectors = 2})}) {
    store.write(key, {choice, 1, 2});
    EXPECT_EQ(chunks(groups), before) << print(choice);
  }
}

TEST(ScheduleChoice, PrintsAndParses) {
  for (const std::string text : {kMatmul, kManyChunks}) {
    const ScheduleSpace space(groups_of(text)[0], {2, false});
    std::vector<ScheduleChoice> all = space.seeds();
    all.push_back(space.model());
    for (const ScheduleChoice& choice : all) {
      const std::string line = print(choice);
      EXPECT_EQ(parse_schedule(line), choice) << line;
      for (size_t cut = 1; cut < line.size(); ++cut)
        if (const auto shorter = parse_schedule(line.substr(0, cut)))
          EXPECT_NE(*shorter, choice) << line.substr(0, cut);
      EXPECT_EQ(parse_schedule(line + " 1"), std::nullopt);
      EXPECT_EQ(parse_schedule("x" + line), std::nullopt);
      EXPECT_FALSE(space.describe(choice).empty());
    }
  }
  EXPECT_EQ(parse_schedule(""), std::nullopt);
  EXPECT_EQ(parse_schedule("tile 2 8 3 192 1024 384 0 0"), std::nullopt);
  EXPECT_EQ(parse_schedule("loops 0 -1 1 99999999999 0"), std::nullopt);
}

// Every schedule in reach of two steps computes what the interpreter does.
void expect_all_schedules_agree(const std::string& text, bool always_tile = false) {
  SCOPED_TRACE(text);
  const Program program = normalize(parse("program p\n" + text));
  Arrays inputs;
  std::map<Tensor, Array> given;
  for (const Tensor& tensor : program.inputs()) {
    inputs[tensor.name()] = whole_numbers(tensor, inputs.size() + 1);
    given.emplace(tensor, inputs[tensor.name()]);
  }
  const Arrays wanted = interpret_all(program, inputs, {});
  std::set<Tensor> needed;
  for (const Output& output : program.outputs()) needed.insert(output.value);
  const KernelGroup group = make_group(nests_of(program), needed);
  for (const CpuLevel level : test_levels())
    EXPECT_EQ(compare_schedules(group, given, wanted, {2, always_tile, level}, 2e-5,
                                level == CpuLevel::host ? 4 : 16),
              "")
        << name_of(level);
}

TEST(Schedules, OfMapsAllAgree) {
  expect_all_schedules_agree(
      "dim m = 5, n = 37, p = 3\ninput x[m, n]\ninput y[n, p]\n"
      "z = max(x * y, 0) + f32(n)\noutput z[n, p, m]\n");
}

TEST(Schedules, OfReductionsAllAgree) {
  expect_all_schedules_agree(
      "dim m = 5, n = 19, k = 23\ninput x[m, n, k]\ns = sum[k](x)\noutput s[m, n]\n");
  expect_all_schedules_agree(
      "dim m = 5, n = 19, k = 23\ninput x[m, n, k] : i32\ns = max[m, k](x)\noutput s[n]\n");
}

TEST(Schedules, OfSoftmaxAllAgree) {
  expect_all_schedules_agree(
      "dim m = 6, n = 21\ninput x[m, n]\nt = max[n](x)\ne = exp(x - t)\ns = sum[n](e)\n"
      "p = e / s\noutput p[m, n]\n");
}

TEST(Schedules, OfGathersAndTheirAdjointsAllAgree) {
  expect_all_schedules_agree(
      "dim v = 9, t = 21, d = 19\ninput g[t, d]\ninput token[t] : i32\n"
      "dtable = sum[t](where(token == v, g, 0))\noutput dtable[v, d]\n");
}

TEST(Schedules, OfMatrixProductsAllAgree) {
  expect_all_schedules_agree(
      "dim m = 13, n = 35, k = 18\ninput a[m, k]\ninput b[k, n]\ninput bias[n]\n"
      "s = sum[k](a * b)\nc = max(s + bias, 0)\noutput c[m, n]\n",
      true);
}

TEST(Schedules, OfConvolutionsAllAgree) {
  expect_all_schedules_agree(
      "dim batch = 2, y = 9, oy = 4, ky = 3, cin = 5, cout = 17\n"
      "input image[batch, y, cin]\ninput w[ky, cin, cout]\n"
      "c = sum[ky, cin](image[y: 2*oy + ky] * w)\noutput c[batch, oy, cout]\n",
      true);
}

}  // namespace
}  // namespace tessera

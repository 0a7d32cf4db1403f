#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "codegen/contraction_schedule.h"
#include "codegen/fuse.h"
#include "codegen/machine.h"
#include "codegen/padded_copies.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

Arrays inputs_of(const Program& program, uint64_t seed) {
  Arrays inputs;
  for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, seed);
  return inputs;
}

std::optional<ContractionGroup> group_of(const Program& program) {
  return find_contraction(make_group(nests_of(program), needed_of(program)));
}

// A strided window's gradient by phase: of three taps, the phase 1 has one and the phase 0 two.
std::string phases(int co, int ci, const std::string& type = "f32", int b = 3) {
  return fmt::format(
      "program phases\ndim b = {}, u = 9, p = 2, s = 2, ky = 3, o = 8, co = {}, ci = {}\n"
      "input g[b, o, co] : {}\ninput w[ky, ci, co] : {}\n"
      "t = sum[s, co](g[o: u - s pad 0] * w[ky: p + 2 * s pad 0])\noutput t[b, u, p, ci]\n",
      b, co, ci, type, type);
}

TEST(PadRuns, SayWhichRunsOfAPanelArePad) {
  const std::optional<ContractionGroup> group = group_of(normalize(parse(phases(16, 32))));
  ASSERT_TRUE(group);
  const ContractionGroup filter_is_b =
      volume(group->contraction.n) == 64 ? *group : swapped(*group);
  const ContractionLayout layout = layout_of(filter_is_b);
  const PadRuns pads = pad_runs(*affine_read(filter_is_b.contraction.b), layout, 16);
  EXPECT_EQ(pads.run, 16);
  ASSERT_EQ(pads.runs, 2);
  EXPECT_EQ(pads.live(0, 32), 3U);   // phase 0: both
  EXPECT_EQ(pads.live(32, 32), 1U);  // phase 1: the first
  EXPECT_EQ(pads.live(16, 32), 3U);  // some of both
  EXPECT_DOUBLE_EQ(pads.live_share(32), 0.75);
  EXPECT_EQ(pad_runs(*affine_read(filter_is_b.contraction.b), layout, 17).run, 0);
}

TEST(PadRuns, AreLeftOutOfProducts) {
  const std::optional<ContractionGroup> group = group_of(normalize(parse(phases(64, 128))));
  ASSERT_TRUE(group);
  const ContractionPlan plan = plan_contraction(*group, VectorTarget{});
  EXPECT_TRUE(plan.schedule.skips_pads);
}

TEST(PadRuns, EveryScheduleComputesWhatTheInterpreterDoes) {
  const Program program = parse(phases(20, 50));
  EXPECT_EQ(compare_all_schedules(program, inputs_of(program, 3), 2e-5, CpuLevel::host), "");
}

TEST(PadRuns, OfAllTypesAtEveryLevel) {
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    for (const char* type : {"f32", "f64", "i32"}) {
      const Program program = parse(phases(67, 33, type));
      EXPECT_EQ(run_and_compare(program, inputs_of(program, 3), compiler), "")
          << name_of(level) << " " << type;
    }
  }
}

// Of one thread, blocks of k go through all of m; many of them are added up with what they lose.
TEST(PadRuns, OfOneThreadInManyBlocks) {
  for (const CpuLevel level : test_levels()) {
    CompilerOptions options;
    options.use_cache = false;
    options.worker_threads = 1;
    options.level = level;
    Compiler compiler(options);
    for (const auto& [co, ci] : {std::pair{700, 20}, {3500, 17}}) {
      const Program program = parse(phases(co, ci, "f32", 1));
      EXPECT_EQ(run_and_compare(program, inputs_of(program, 3), compiler), "") << name_of(level);
    }
  }
}

// 0 times an infinity is no number, so what is pad counts where the other operand is not finite.
TEST(PadRuns, AreMultipliedWhereTheOtherOperandIsNotFinite) {
  const Program program = parse(phases(64, 128));
  Arrays inputs = inputs_of(program, 5);
  inputs["g"].set(70, std::numeric_limits<double>::infinity());
  inputs["g"].set(700, std::numeric_limits<double>::quiet_NaN());
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << name_of(level);
  }
}

std::string convolution(int y, int ci, int co, int stride, const std::string& pad = "0") {
  return fmt::format(
      "program convolution\ndim b = 2, y = {}, x = {}, oy = (y - 1) // {} + 1, "
      "ox = (x - 1) // {} + 1\ndim ky = 3, kx = 3, ci = {}, co = {}\n"
      "input image[b, y, x, ci]\ninput w[ky, kx, ci, co]\ninput g[b, oy, ox, co]\n"
      "out = sum[ky, kx, ci](image[y: {} * oy + ky - 1 pad {}, x: {} * ox + kx - 1 pad {}] * w)\n"
      "loss = sum[b, oy, ox, co](out * g)\ndi = grad(loss, image)\ndw = grad(loss, w)\n"
      "output out\noutput di\noutput dw\n",
      y, y + 1, stride, stride, ci, co, stride, pad, stride, pad);
}

TEST(PaddedCopies, ServeAllThatReadAlike) {
  const Program program = normalize(parse(convolution(7, 32, 32, 1)));
  const std::vector<Nest> nests = with_padded_copies(nests_of(program));
  int copies = 0, padded = 0;
  for (const Nest& nest : nests) {
    copies += !nest.op && nest.out.name() == "image_padded" ? 1 : 0;
    if (!nest.op) continue;
    for (const Expr& node : reads_of(nest)) padded += as<Read>(node)->pad ? 1 : 0;
  }
  EXPECT_EQ(copies, 1);  // for the convolution and the filter's gradient
  EXPECT_EQ(padded, 0);
}

TEST(PaddedCopies, AreLeftOutWhereFewRowsMeetThePad) {
  const Program program =
      normalize(parse("program wide\ndim y = 300, x = 300, ky = 3, kx = 3, ci = 16, co = 16\n"
                      "input image[y, x, ci]\ninput w[ky, kx, ci, co]\n"
                      "out = sum[ky, kx, ci](image[y: y + ky - 1 pad 0, x: x + kx - 1 pad 0] * w)\n"
                      "output out[y, x, co]\n"));
  EXPECT_EQ(with_padded_copies(nests_of(program)).size(), nests_of(program).size());
}

TEST(PaddedCopies, ComputeWhatTheInterpreterDoes) {
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    for (const std::string& text :
         {convolution(7, 32, 32, 1), convolution(8, 3, 20, 2, "2"), convolution(17, 17, 5, 2)}) {
      const Program program = parse(text);
      EXPECT_EQ(run_and_compare(program, inputs_of(program, 9), compiler), "")
          << name_of(level) << "\n"
          << text;
    }
  }
}

// Rows side by side are read where they lie, a step of k being as far from the next as it likes.
TEST(RowsInPlace, SideBySide) {
  const Program program = parse(
      "program products\ndim i = 13, j = 40, k = 70\ninput a[k, i]\ninput b[k, j]\n"
      "c = sum[k](a * b)\noutput c[i, j]\n");
  const Arrays inputs = inputs_of(program, 3);
  const Program normal = normalize(program);
  const KernelGroup group = make_group(nests_of(normal), needed_of(normal));
  std::map<Tensor, Array> given;
  for (const Tensor& input : group.inputs) given.emplace(input, inputs.at(input.name()));
  TileChoice choice{.rows = 2, .vectors = 1, .m_block = 4, .n_block = 48, .k_block = 32};
  choice.a = Feed::direct;
  for (const CpuLevel level : test_levels()) {
    choice.vectors = std::min(4, 64 / vectors_of(level).vector_bytes);
    ASSERT_TRUE(plan_contraction(*find_contraction(group), vectors_of(level), choice));
    Compiler compiler = plain_compiler(level);
    const Kernel kernel = compiler.compile(group, choice);
    KernelRunner runner(given);
    EXPECT_EQ(runner.run(kernel, group), 0);
    EXPECT_EQ(
        difference("c", runner[group.outputs[0]], interpret_all(normal, inputs, {}).at("c"), 0), "")
        << name_of(level);
  }
}

}  // namespace
}  // namespace tessera

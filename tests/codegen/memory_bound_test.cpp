// Kernels that are bound by memory: what they do to move fewer bytes and to wait for fewer.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codegen/build_kernel.h"
#include "codegen/fuse.h"
#include "codegen/lower.h"
#include "codegen/read_ahead.h"
#include "codegen/schedule.h"
#include "codegen/share_work.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

LoopNest scheduled(const KernelGroup& group, int workers = 1) {
  LoopNest nest = lower(group);
  schedule(nest, {.vectors = {.vector_bytes = 32}, .workers = workers});
  return nest;
}

// --- Strips ---

const char* const kColumnSums =
    "dim n = {}, c = {}\ninput x[n, c]\ninput g[n, c]\nd = sum[n](x * g)\nm = max[n](g)\n"
    "output d[c]\noutput m[c]\n";

TEST(Strips, NeighbouringColumnsAreReadTogether) {
  const LoopNest nest = scheduled(fused(fmt::format(fmt::runtime(kColumnSums), 997, 1031))[0]);
  EXPECT_EQ(nest.strip, 8) << describe(nest);
  EXPECT_EQ(nest.chunks, 1) << describe(nest);
  EXPECT_GT(scheduled(fused(fmt::format(fmt::runtime(kColumnSums), 997, 1031))[0], 4).chunks, 3);
}

TEST(Strips, AreLeftOutWhereColumnsFillWholeLinesOrCachesHoldAll) {
  EXPECT_EQ(scheduled(fused(fmt::format(fmt::runtime(kColumnSums), 200000, 16))[0]).strip, 0);
  EXPECT_EQ(scheduled(fused(fmt::format(fmt::runtime(kColumnSums), 50, 1031))[0]).strip, 0);
}

TEST(Strips, ComputeWhatTheInterpreterDoes) {
  for (const auto& [n, c] : {std::pair{997, 1031}, {1024, 512}, {17, 70001}, {16, 65536}})
    for (const int parts : {1, 3})
      EXPECT_EQ(run_and_compare(fmt::format(fmt::runtime(kColumnSums), n, c), parts), "")
          << n << " " << c;
}

TEST(Strips, ComputeOtherTypesAndSeveralDims) {
  EXPECT_EQ(run_and_compare(
                "dim n = 331, a = 3, c = 1031\ninput x[n, a, c] : i32\ninput p[n, a, c] : bool\n"
                "s = sum[n, a](x)\nsome = any[n, a](p)\noutput s[c]\noutput some[c]\n"),
            "");
  EXPECT_EQ(run_and_compare(
                "dim b = 3, n = 331, c = 517\ninput x[b, n, c] : f64\ninput h[b, n, c] : bf16\n"
                "s = sum[n](x)\nt = sum[n](f32(h))\noutput s[b, c]\noutput t[b, c]\n"),
            "");
}

// --- Shared work ---

const char* const kSoftmaxGradient =
    "dim b = 300, k = 100\ninput x[b, k]\ninput g[b, k]\ne = exp(x - max[k](x))\n"
    "p = e / sum[k](e)\nd = grad(sum[b, k](p * g), x)\noutput d[b, k]\n";

int times(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(SharedWork, AGradientOfSoftmaxComputesEachExponentialOnce) {
  const std::vector<KernelGroup> groups = fused(kSoftmaxGradient);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_EQ(times(describe(groups[0]), "exp("), 1) << describe(groups[0]);
  EXPECT_EQ(run_and_compare(kSoftmaxGradient), "");
}

TEST(SharedWork, RowsTooLargeForCachesAreComputedAgain) {
  const Program program =
      normalize(parse("program p\ndim b = 4, k = 30000\ninput x[b, k]\nm = max[k](x)\n"
                      "s = sum[k](exp(x - m))\nr = exp(x - m) * s\noutput r[b, k]\n"));
  const std::vector<Nest> nests = nests_of(program);
  EXPECT_EQ(share_work(nests).size(), nests.size());
}

// The first value of a carried tensor repeats a formula along a dim that its reader does not have.
TEST(SharedWork, AMapThatRepeatsItsFormulaIsNotReadForIt) {
  const Program program = normalize(
      parse("program p\ndim a = 6, b = 5, c = 5\ninput x[a]\ninput y[a, b]\ninput one[c]\n"
            "z = 0.5 * tanh(tanh(x) * 0.8) * one + y[a: a // 2, b: 0]\n"
            "heavy = tanh(tanh(x) * 0.8)\noutput z[a, c]\noutput heavy[a]\n"));
  const std::vector<Nest> nests = {
      {program.get("y"), {}, {}, program.get("heavy").value()},
      {program.get("z"), {}, {}, program.get("z").value()},
  };
  for (const Nest& nest : share_work(nests))
    EXPECT_EQ(subtract(sorted(nest.body.dims()), nest.loops()), Dims{}) << nest.out.name();
}

TEST(SharedWork, PartsWithoutANameGetOne) {
  const std::string text =
      "dim b = 300, k = 100\ninput x[b, k]\ns = sum[k](tanh(x) * x)\n"
      "r = tanh(x) + s\noutput r[b, k]\n";
  const std::vector<KernelGroup> groups = fused(text);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_EQ(times(describe(groups[0]), "tanh("), 1) << describe(groups[0]);
  EXPECT_EQ(run_and_compare(text), "");
}

// Where the condition does not hold, the position lies outside, and nobody may look there.
TEST(SharedWork, WhatAConditionGuardsStaysBehindIt) {
  const Program program = parse(
      "program p\ndim b = 300, k = 100\ninput x[b, k]\ninput at[b, k] : i32\n"
      "e = where(at >= 0, exp(x[k: at]), 0.0)\ns = sum[k](where(at >= 0, exp(x[k: at]), 0.0) * x)\n"
      "r = where(at >= 0, exp(x[k: at]), 1.0) + s\noutput r[b, k]\n");
  Arrays inputs = random_inputs(program, 3);
  auto* at = reinterpret_cast<int32_t*>(inputs.at("at").data.data());
  for (size_t i = 0; i < inputs.at("at").size(); ++i) at[i] = i % 3 == 0 ? -1 : int32_t(i % 100);
  Compiler compiler = plain_compiler();
  EXPECT_EQ(run_and_compare(program, inputs, compiler), "");
}

// --- Maps that cost nothing to compute again ---

TEST(InlinedMaps, ACentredTensorIsNotWritten) {
  const std::string text =
      "dim n = 3000, c = 64\ninput x[n, c]\ncentred = x - mean[n](x)\n"
      "y = centred / sqrt(mean[n](centred * centred) + 0.00001)\noutput y[n, c]\n";
  for (const KernelGroup& group : fused(text))
    for (const Tensor& tensor : group.outputs) EXPECT_NE(tensor.name(), "centred");
  EXPECT_EQ(run_and_compare(text), "");
}

// --- Reading ahead ---

std::string normalized_rows(int64_t rows, int64_t columns) {
  return fmt::format(
      "dim b = {}, k = {}\ninput x[b, k]\nc = x - mean[k](x)\ny = c / sqrt(mean[k](c * c) + 1)\n"
      "output y[b, k]\n",
      rows, columns);
}

TEST(ReadAhead, TheNextRowComesWhileTheLastStageComputes) {
  const std::vector<KernelGroup> groups = fused(normalized_rows(4096, 512));
  ASSERT_THAT(groups, SizeIs(1));
  const std::vector<Address> found = read_ahead(scheduled(groups[0]), 1 << 20);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].affine.constant, 512);
  EXPECT_THAT(text_of_kernel(groups[0], {}, false), HasSubstr("llvm.prefetch"));
}

TEST(ReadAhead, NothingComesEarlyThatCachesHoldOrCannotHold) {
  for (const auto& [rows, columns] : {std::pair{64, 512}, {64, 100000}})
    for (const KernelGroup& group : fused(normalized_rows(rows, columns)))
      EXPECT_THAT(read_ahead(scheduled(group), 1 << 20), SizeIs(0)) << rows << " " << columns;
}

TEST(ReadAhead, RowsOfAnyLengthComputeWhatTheInterpreterDoes) {
  for (const int64_t columns : {511, 512, 513, 1009})
    EXPECT_EQ(run_and_compare(normalized_rows(1500, columns), 3), "") << columns;
}

// --- Past the caches ---

TEST(PastCaches, WholeLinesAreStoredPastThem) {
  KernelGroup group = fused("dim n = 8, c = 1024\ninput x[n, c]\ny = 2 * x\noutput y[n, c]\n")[0];
  EXPECT_THAT(text_of_kernel(group, {}, false), Not(HasSubstr("!nontemporal")));
  const std::string before = key_of_kernel(group, {});
  group.past_caches.insert(group.outputs[0]);
  EXPECT_THAT(text_of_kernel(group, {}, false), HasSubstr("!nontemporal"));
  EXPECT_NE(key_of_kernel(group, {}), before);
}

TEST(PastCaches, PartsOfLinesAreNot) {
  KernelGroup group =
      fused("dim n = 8, c = 1023\ninput x[n, c]\ny = x + sum[c](x)\noutput y[n, c]\n")[0];
  group.past_caches.insert(group.outputs[0]);
  EXPECT_THAT(text_of_kernel(group, {}, false), Not(HasSubstr("!nontemporal")));
}

TEST(PastCaches, ValuesAreTheSameAtEveryLevel) {
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    for (const char* type : {"f32", "f64", "bf16", "i32", "u8"}) {
      const Program program = normalize(parse(
          fmt::format("program p\ndim n = 24, c = 512\ninput x[n, c] : {}\ny = max(x, 1 - 1 * x)\n"
                      "output y[n, c]\n",
                      type)));
      const Arrays inputs = random_inputs(program, 5);
      std::vector<KernelGroup> groups = fuse(nests_of(program), needed_of(program));
      ASSERT_THAT(groups, SizeIs(1));
      std::map<Tensor, Array> given;
      for (const Tensor& input : program.inputs()) given.emplace(input, inputs.at(input.name()));
      KernelRunner plain(given), past(given);
      plain.run(compiler.compile(groups[0]), groups[0]);
      groups[0].past_caches.insert(groups[0].outputs[0]);
      past.run(compiler.compile(groups[0]), groups[0], 3);
      EXPECT_EQ(past[groups[0].outputs[0]].data, plain[groups[0].outputs[0]].data) << type;
    }
  }
}

}  // namespace
}  // namespace tessera

#include "codegen/blocked_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codegen/fuse.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<KernelGroup> groups_of(const std::string& text, const BlockLimits& limits = {}) {
  const Program program = normalize(parse(text));
  return fuse(nests_of(program), needed_of(program), limits);
}

std::string walks_of(const KernelGroup& group, const BlockLimits& limits = {}) {
  const std::optional<std::vector<BlockWalk>> walks = plan_walks(group, limits);
  return walks ? describe(*walks) : "none";
}

std::string attention(const std::string& dims, const std::string& more = "") {
  return "program attention\ndim " + dims +
         "\ninput q[h, s, e]\ninput k[h, t, e]\ninput v[h, t, e]\n"
         "z = sum[e](q * k) * 0.125\nw = exp(z - max[t](z))\no = sum[t](w * v) / sum[t](w)\n" +
         more;
}

const char* const kGradients =
    "input r[h, s, e]\nloss = sum[h, s, e](o * r)\ndq = grad(loss, q)\ndk = grad(loss, k)\n"
    "dv = grad(loss, v)\noutput dq\noutput dk\noutput dv\n";

// What differs from the interpreter at any level of processors, with blocks of a few hundred bytes.
std::string differences(const std::string& text, double tolerance = 2e-5, int parts = 1) {
  const Program program = parse(text);
  const Arrays inputs = random_inputs(program, 7);
  std::string all;
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level, kSmallBlocks);
    RunOptions options;
    options.blocks = kSmallBlocks;
    options.tolerance = tolerance;
    options.parts = parts;
    all += run_and_compare(program, inputs, compiler, options);
  }
  return all;
}

TEST(BlockedGroup, AttentionKeepsNoScores) {
  const std::vector<KernelGroup> groups =
      groups_of(attention("h = 8, s = 4096, t = 4096, e = 64", "output o\n"));
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].outputs.size(), 1u);
  EXPECT_EQ(walks_of(groups[0]), "h by 1, s by 64");
}

// Heads lie inside of tokens here, and are walked first all the same: rows of a tile are tokens.
TEST(BlockedGroup, WalksWhatGivesNoReuseFirst) {
  const std::vector<KernelGroup> groups = groups_of(
      "program p\ndim s = 4096, t = 4096, h = 8, e = 64\ninput q[s, h, e]\ninput k[t, h, e]\n"
      "input v[t, h, e]\nz = sum[e](q * k) * 0.125\nw = exp(z - max[t](z))\n"
      "o = sum[t](w * v) / sum[t](w)\noutput o[s, h, e]\n");
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(walks_of(groups[0]), "h by 1, s by 64");
}

// dk and dv add up over blocks of s.
TEST(BlockedGroup, ItsGradientsKeepNoneEither) {
  const std::vector<KernelGroup> groups =
      groups_of(attention("h = 8, s = 2048, t = 2048, e = 64", kGradients));
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].outputs.size(), 3u);
  const auto walks = plan_walks(groups[0]);
  ASSERT_TRUE(walks);
  EXPECT_FALSE((*walks)[0].serial);
  EXPECT_TRUE((*walks)[1].serial);
  EXPECT_LE((*walks)[1].trips(), 128);
}

TEST(BlockedGroup, PartsPassOnlyBlocksAndReplaceThem) {
  const KernelGroup group =
      groups_of(attention("h = 8, s = 4096, t = 4096, e = 64", "output o\n"))[0];
  const BlockedGroup blocked = make_blocks(group, *plan_walks(group));
  EXPECT_EQ(blocked.points(), 8 * 64);
  ASSERT_EQ(blocked.variants.size(), 1u);
  EXPECT_EQ(blocked.variants[0].parts.size(), 3u);
  // w lies where z lay; beside them, the sums of w.
  EXPECT_THAT(blocked.scratch, ElementsAre(64 * 4096 * 4, 64 * 4));
}

TEST(BlockedGroup, AnOperandThatStaysIsPackedOnce) {
  const KernelGroup group =
      groups_of(attention("h = 8, s = 4096, t = 4096, e = 64", "output o\n"))[0];
  const BlockedGroup blocked = make_blocks(group, *plan_walks(group));
  const BlockPart& scores = blocked.variants[0].parts[0];
  std::optional<ContractionGroup> contraction = find_contraction(scores.group);
  ASSERT_TRUE(contraction);
  set_stays(*contraction, blocked, scores, true);
  EXPECT_FALSE(contraction->stays_a);                                       // q
  EXPECT_TRUE(contraction->stays_b);                                        // k
  EXPECT_EQ(last_walk_of(scores, contraction->contraction.b, blocked), 0);  // until h moves on
  set_stays(*contraction, blocked, scores, false);
  EXPECT_FALSE(contraction->stays_b);
}

TEST(BlockedGroup, SmallTensorsNeedNoBlocks) {
  for (const KernelGroup& group :
       groups_of(attention("h = 2, s = 32, t = 32, e = 16", "output o\n")))
    EXPECT_EQ(walks_of(group), "none");
}

// A row of w needs all of z: nothing can be walked.
TEST(BlockedGroup, WhatIsReadElsewhereIsNotWalked) {
  const std::vector<KernelGroup> groups = groups_of(
      "program p\ndim a = 16, b = 16, k = 32\ninput x[a, k]\ninput y[b, k]\ninput v[b, k]\n"
      "z = sum[k](x * y)\nw = z[a: 15 - a, b: 15 - b]\no = sum[b](w * v)\noutput o\n",
      kSmallBlocks);
  for (const KernelGroup& group : groups) EXPECT_EQ(walks_of(group, kSmallBlocks), "none");
}

TEST(BlockedGroup, TheSumOfManyBlocksIsNotAddedUp) {
  const std::string text =
      "program p\ndim a = 100000, b = 64, k = 64\ninput x[a, k]\n"
      "input y[b, k]\ninput v[a, k]\nz = exp(sum[k](x * y))\n"
      "o = sum[a](z * v)\noutput o\n";
  const BlockLimits tiny{.least = 0, .room = 1024, .most_room = 4096, .always = true};
  for (const KernelGroup& group : groups_of(text, tiny)) EXPECT_EQ(walks_of(group, tiny), "none");
}

TEST(BlockedGroup, ComputesWhatTheInterpreterDoes) {
  for (const char* dims : {"h = 3, s = 32, t = 24, e = 16", "h = 1, s = 17, t = 33, e = 5",
                           "h = 2, s = 7, t = 64, e = 8"}) {
    SCOPED_TRACE(dims);
    EXPECT_EQ(differences(attention(dims, "output o\n")), "");
    EXPECT_EQ(differences(attention(dims, kGradients), 1e-4), "");
    EXPECT_EQ(differences(attention(dims, kGradients), 1e-4, 3), "");
  }
}

// An index that is used as a number is counted from the block's first one on.
TEST(BlockedGroup, CausalMasksSeeTheWholeIndex) {
  EXPECT_EQ(differences("program p\ndim s = 21, t = 21, e = 8\ninput q[s, e]\ninput k[t, e]\n"
                        "z = where(t <= s, sum[e](q * k), -1e30)\nw = exp(z - max[t](z))\n"
                        "o = sum[t](w * k) / sum[t](w)\noutput o\n"),
            "");
}

TEST(BlockedGroup, OtherReductionsAddUpAsWell) {
  for (const char* op : {"max", "min", "prod"}) {
    SCOPED_TRACE(op);
    EXPECT_EQ(differences("program p\ndim a = 29, b = 12, k = 8\ninput x[a, k]\ninput y[b, k]\n"
                          "z = tanh(sum[k](x * y))\no = sum[b](z * y)\nm = " +
                          std::string(op) + "[a](z)\noutput o\noutput m\n"),
              "");
  }
}

TEST(BlockedGroup, TypesAreKept) {
  for (const char* type : {"f64", "i32", "bf16"}) {
    SCOPED_TRACE(type);
    EXPECT_EQ(differences("program p\ndim a = 26, b = 18, k = 8\ninput x[a, k] : " +
                              std::string(type) + "\ninput y[b, k] : " + type +
                              "\nz = sum[k](x * y)\nw = max(z, -z)\no = sum[b](w * y)\n"
                              "output o\n",
                          std::string(type) == "bf16" ? 2e-2 : 2e-5),
              "");
  }
}

TEST(BlockedGroup, AnOutputThatPartsReadIsWrittenWhole) {
  EXPECT_EQ(differences("program p\ndim a = 26, b = 18, k = 8\ninput x[a, k]\ninput y[b, k]\n"
                        "z = sum[k](x * y)\nw = exp(z - max[b](z))\no = sum[b](w * y)\n"
                        "output o\noutput z\noutput w\n"),
            "");
}

TEST(BlockedGroup, GathersReadAlongWalkedDims) {
  EXPECT_EQ(differences("program p\ndim a = 26, b = 18, k = 8, v = 11\ninput at[a] : i32\n"
                        "input x[v, k]\ninput y[b, k]\nz = sum[k](x[v: at] * y)\n"
                        "w = exp(z - max[b](z))\no = sum[b](w * y)\noutput o\n"),
            "");
}

// Votes of a window's capsules, weighted by how near they are to their mean: no contraction is left
// at one position, and yet nothing of the size of the votes is kept.
const std::string kRouting =
    "program routing\ndim b = 3, y = 9, x = 9, oy = 4, ox = 4, ky = 3, kx = 3, i = 5, o = 6, m = "
    "4, "
    "c = 4\ninput pose[b, y, x, i, m]\ninput w[ky, kx, i, o, m, c]\n"
    "v = sum[m](pose[y: 2*oy + ky, x: 2*ox + kx] * w)\nmu = mean[ky, kx, i](v)\n"
    "near = exp(-sum[c]((v - mu) ** 2.0))\nr = near / sum[o](near)\n"
    "out = sum[ky, kx, i](r * v) / sum[ky, kx, i](r)\n";

TEST(BlockedGroup, WindowsMoveWithTheBlock) {
  EXPECT_EQ(differences(kRouting + "output out\n", 1e-4), "");
  EXPECT_EQ(differences(kRouting + "loss = sum[b, oy, ox, o, c](out * out)\ndw = grad(loss, w)\n"
                                   "dp = grad(loss, pose)\noutput dw\noutput dp\n",
                        1e-4, 3),
            "");
  EXPECT_EQ(differences("program p\ndim a = 23, b = 12, k = 8\ninput x[a, k]\ninput y[b, k]\n"
                        "z = sum[k](x[a: 22 - a] * y)\nw = exp(z - max[b](z))\n"
                        "o = sum[b](w * y)\noutput o\n"),
            "");
}

TEST(BlockedGroup, RoutingKeepsNoVotes) {
  std::string large = kRouting + "output out\n";
  for (const auto& [from, to] : std::map<std::string, std::string>{
           {"b = 3", "b = 16"}, {"i = 5", "i = 32"}, {"o = 6", "o = 32"}})
    large.replace(large.find(from), from.size(), to);
  const std::vector<KernelGroup> groups = groups_of(large);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_THAT(walks_of(groups[0]), HasSubstr("b by 1, oy by 1"));
}

// A guard would have to know how far the block has moved; also where the index is the dim itself,
// and what is read is shorter.
TEST(BlockedGroup, WhatNeedsAGuardIsNotWalked) {
  for (const char* index : {"a - 1", "a"}) {
    SCOPED_TRACE(index);
    const std::string text =
        "program p\ndim a = 23, c = 9, b = 12, k = 8\ninput x[c, k]\ninput y[b, k]\n"
        "z = sum[k](x[c: " +
        std::string(index) +
        " pad 0] * y)\nw = exp(z - max[b](z))\n"
        "o = sum[b](w * y)\noutput o\n";
    int readers = 0;
    for (const KernelGroup& group : groups_of(text, kSmallBlocks)) {
      if (group.inputs[0].name() != "x") continue;
      ++readers;
      EXPECT_EQ(walks_of(group, kSmallBlocks), "none");
    }
    EXPECT_EQ(readers, 1);
    EXPECT_EQ(differences(text), "");
  }
}

// The loss picks one of each row's logits: a map beside their writer, and a sum of its values.
TEST(BlockedGroup, ALossOverALargeVocabularyKeepsNoLogits) {
  const std::string formulas =
      "input h[t, d]\ninput w[v, d]\ninput y[t] : i32\nz = sum[d](h * w)\nl = z - max[v](z)\n"
      "loss = mean[t](log(sum[v](exp(l))) - l[v: y])\n";
  for (const KernelGroup& group :
       groups_of("program p\ndim t = 1024, d = 256, v = 8192\n" + formulas + "output loss\n"))
    for (const Tensor& tensor : group.outputs) EXPECT_LE(volume(tensor.dims()), 1024);
  const std::vector<KernelGroup> split =
      groups_of("program p\ndim t = 1024, d = 256, v = 8192\n" + formulas + "output loss\n");
  EXPECT_THAT(describe(split[0]), HasSubstr("_terms[t] = log("));
  EXPECT_THAT(describe(split[1]), HasSubstr("_terms)\n"));
  double written = 0;
  for (const KernelGroup& group :
       groups_of("program p\ndim t = 1024, d = 256, v = 8192\n" + formulas +
                 "dh = grad(loss, h)\ndw = grad(loss, w)\noutput dh\noutput dw\n"))
    for (const Tensor& tensor : group.outputs)
      written += volume(tensor.dims()) == 1024 * 8192 ? 1 : 0;
  EXPECT_EQ(written, 1);  // the gradient of the logits, of which dw is a sum over t
  EXPECT_EQ(differences("program p\ndim t = 21, d = 9, v = 40\n" + formulas +
                            "dh = grad(loss, h)\ndw = grad(loss, w)\noutput dh\noutput dw\n"
                            "output loss\n",
                        1e-4),
            "");
}

// Rows of `in` are 128 bytes apart from each other in memory when ky is walked.
TEST(BlockedGroup, ShortPiecesOfMemoryAreNotWorthIt) {
  const std::vector<KernelGroup> groups = groups_of(
      "program p\ndim b = 16384, j = 64, o = 32, m = 64, n = 64\ninput in[b, j, o]\n"
      "input to[b, j, o]\ninput w[j, o, m]\ninput u[b, n]\nd = exp(in) * to\n"
      "p = sum[o](d * w)\nq = sum[b](d * u)\noutput p\noutput q\n");
  EXPECT_GT(groups.size(), 1u);
}

// All of it would run on one thread, walking b in order.
TEST(BlockedGroup, WhatCannotBeSharedByThreadsIsNotJoined) {
  const std::vector<KernelGroup> groups = groups_of(
      "program p\ndim b = 4096, i = 64, j = 64\ninput x[b, i]\ninput w[i, j]\n"
      "a = tanh(sum[i](x * w))\ndw = sum[b](a * x)\ns = sum[j](a * w)\noutput dw\noutput s\n");
  EXPECT_GT(groups.size(), 1u);
}

// Parts are compiled each on its own; the codes of their faults are those of the whole kernel.
TEST(BlockedGroup, FaultsInAnyPartAreTold) {
  const std::string text =
      "program p\ndim a = 26, b = 18, k = 8, v = 11\ninput at[a] : i32\ninput to[b] : i32\n"
      "input x[v, k]\ninput y[b, k]\nz = sum[k](x[v: at] * y)\nw = exp(z - max[b](z))\n"
      "o = sum[b](w * y[b: to])\noutput o\n";
  const Program program = normalize(parse(text));
  const std::vector<KernelGroup> groups = fuse(nests_of(program), needed_of(program), kSmallBlocks);
  ASSERT_EQ(groups.size(), 1u);
  for (const std::string wrong : {"at", "to"}) {
    Arrays inputs = random_inputs(program, 7);
    inputs.at(wrong).set(9, 77);
    std::map<Tensor, Array> given;
    for (const Tensor& input : groups[0].inputs) given.emplace(input, inputs.at(input.name()));
    Compiler compiler = plain_compiler(CpuLevel::host, kSmallBlocks);
    const Kernel kernel = compiler.compile(groups[0]);
    KernelRunner runner(std::move(given));
    EXPECT_THAT(describe_fault(kernel, runner.run(kernel, groups[0])),
                HasSubstr("the index `" + wrong + "` is 77"));
  }
}

TEST(BlockedGroup, EveryChoiceOfBlocksIsRight) {
  const Program program =
      normalize(parse(attention("h = 3, s = 20, t = 24, e = 16", "output o\n")));
  const Arrays inputs = random_inputs(program, 3);
  const Arrays values = interpret_all(program, inputs, {});
  int blocked = 0;
  for (const KernelGroup& group : fuse(nests_of(program), needed_of(program), kSmallBlocks)) {
    std::map<Tensor, Array> given;
    for (const Tensor& input : group.inputs)
      given.emplace(
          input, input.role() == Role::input ? inputs.at(input.name()) : values.at(input.name()));
    blocked += plan_walks(group, kSmallBlocks) ? 1 : 0;
    EXPECT_EQ(
        compare_schedules(group, given, values, {2, false, CpuLevel::host, kSmallBlocks}, 2e-5, 1),
        "");
  }
  EXPECT_EQ(blocked, 1);
}

TEST(BlockedGroup, ChoicesThatDoNotFitAreRefused) {
  const KernelGroup group =
      groups_of(attention("h = 3, s = 20, t = 24, e = 16", "output o\n"), kSmallBlocks)[0];
  EXPECT_TRUE(plan_walks(group, kSmallBlocks, BlockChoice{{1, 5}}));
  EXPECT_FALSE(plan_walks(group, kSmallBlocks, BlockChoice{{}}));
  EXPECT_FALSE(plan_walks(group, kSmallBlocks, BlockChoice{{2, 5}}));
  EXPECT_FALSE(plan_walks(group, kSmallBlocks, BlockChoice{{1, 20}}));
  EXPECT_FALSE(plan_walks(group, kSmallBlocks, BlockChoice{{1, 1, 1, 1, 1}}));
}

}  // namespace
}  // namespace tessera

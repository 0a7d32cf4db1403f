#include "codegen/cut_groups.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/fuse.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

Program program_of(const std::string& text) {
  return parse(fmt::format("program p\n{}", text));
}

KernelGroup group_of(const std::string& text) {
  const Program program = normalize(program_of(text), {.gain = 0});
  return make_group(nests_of(program), needed_of(program));
}

VectorTarget some_vectors() {
  return {.vector_bytes = 64, .registers = 32};
}

std::vector<std::string> outputs_of(const std::vector<KernelGroup>& groups) {
  std::vector<std::string> names;
  for (const KernelGroup& group : groups)
    for (const Tensor& output : group.outputs) names.push_back(output.name());
  return names;
}

// The first sum has all of i, k side by side; under one loop over i, what it shares with the
// second, it has only the eight of k.
constexpr const char* kAtOdds =
    "dim i = 100, j = 96, k = 8, l = 24\ninput x[j, i, k]\ninput w[l, i, k]\n"
    "s[i, k] = sum[j](x * sigmoid(x))\ny[l, i] = sum[k](s * w)\noutput y\n";

TEST(CutGroups, LeavesWhatIsBestTogether) {
  // A softmax: three passes over a row that stays in the first cache.
  const KernelGroup softmax = group_of(
      "dim b = 512, k = 512\ninput x[b, k]\nm = max[k](x)\ne = exp(x - m)\ns = sum[k](e)\n"
      "y = e / s\noutput y\n");
  EXPECT_EQ(cut_groups({softmax}, some_vectors()), std::vector<KernelGroup>{softmax});
  // Too small to be worth the launch of another kernel.
  const KernelGroup small = group_of(
      "dim i = 8, j = 8\ninput a[i, j]\ny = sum[j](a)\nz = sum[i](a)\noutput y\noutput z\n");
  EXPECT_EQ(cut_groups({small}, some_vectors()), std::vector<KernelGroup>{small});
}

TEST(CutGroups, CutsWhatForcesLanesOnItsParts) {
  const KernelGroup group = group_of(kAtOdds);
  const std::vector<KernelGroup> parts = cut_groups({group}, some_vectors());
  ASSERT_GT(parts.size(), 1u);
  size_t nests = 0;
  for (const KernelGroup& part : parts) nests += part.nests.size();
  EXPECT_EQ(nests, group.nests.size());
  // What later parts read leaves the earlier one.
  EXPECT_EQ(outputs_of(parts), (std::vector<std::string>{"s", "y"}));
}

TEST(CutGroups, ComputesTheSame) {
  const Program program = program_of(kAtOdds);
  Compiler compiler = plain_compiler();
  EXPECT_EQ(run_and_compare(program, random_inputs(program, 3), compiler, {}), "");
}

}  // namespace
}  // namespace tessera

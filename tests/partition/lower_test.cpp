#include "partition/lower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "partition/manual_plan.h"
#include "tests/partition/cases.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

const char kMlp[] = R"(program mlp
dim batch = 64, pixel = 12, hidden = 10, label = 3
input image[batch, pixel]
input truth[batch, label]
param w1[pixel, hidden] = normal(0, 0.5)
param w2[hidden, label] = normal(0, 0.5)
h = max(sum[pixel](image * w1), 0)
score = sum[hidden](h * w2)
wrong = score - truth
loss = mean[batch](sum[label](wrong * wrong))
update w1 = w1 - 0.1 * grad(loss, w1)
update w2 = w2 - 0.1 * grad(loss, w2)
output loss
)";

const std::vector<Pin> kData{{"image", "batch", "data", {}}, {"truth", "batch", "data", {}}};
const std::vector<Pin> kTensor{{"w1", "hidden", "model", {}}, {"w2", "hidden", "model", {}}};

std::vector<Pin> operator+(std::vector<Pin> a, const std::vector<Pin>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Compares with tests/partition/golden/NAME; TESSERA_UPDATE_GOLDEN=1 writes it instead.
void expect_golden(const std::string& name, const std::string& found) {
  const std::string path = std::string(TESSERA_SOURCE_DIR) + "/tests/partition/golden/" + name;
  if (std::getenv("TESSERA_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << found;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << path << " is missing; TESSERA_UPDATE_GOLDEN=1 writes it";
  std::ostringstream wanted;
  wanted << file.rdbuf();
  EXPECT_EQ(found, wanted.str()) << "TESSERA_UPDATE_GOLDEN=1 accepts the change";
}

TEST(ManualPlan, DataParallelReducesOnlyGradientsAndLoss) {
  const Case one = case_of(kMlp);
  const Plan plan = manual_plan(one.program, parse_mesh("data=4"), kData);
  one.check(plan);
  // Two gradients of 12*10 and 10*3 elements and the loss; 2 * 3/4 of each.
  EXPECT_THAT(bytes_by_collective(lower(one.program, plan, 0)),
              ElementsAre(Pair("all-reduce", (Traffic{3, 2 * (360 + 92 + 4)}))));
}

TEST(ManualPlan, TensorParallelReducesOneActivation) {
  const Case one = case_of(kMlp);
  const Plan plan = manual_plan(one.program, parse_mesh("model=2"), kTensor);
  one.check(plan);
  // score[batch, label] is the only sum over hidden.
  EXPECT_THAT(bytes_by_collective(lower(one.program, plan, 0)),
              ElementsAre(Pair("all-reduce", (Traffic{1, 64 * 3 * 4}))));
}

TEST(ManualPlan, ZeroGathersParametersAndScattersGradients) {
  const Case one = case_of(kMlp);
  const Plan plan = manual_plan(
      one.program, parse_mesh("data=2"),
      kData + std::vector<Pin>{{"w1", "pixel", "data", {}}, {"w2", "hidden", "data", {}}});
  one.check(plan);
  const auto traffic = bytes_by_collective(lower(one.program, plan, 0));
  EXPECT_EQ(traffic.at("all-gather"), (Traffic{2, (6 * 10 + 5 * 3) * 4}));
  EXPECT_EQ(traffic.at("reduce-scatter"), (Traffic{2, (6 * 10 + 5 * 3) * 4}));
  const ShardedProgram local = lower(one.program, plan, 1);
  EXPECT_EQ(local.stored[0].box, (Box{{6, 0}, {12, 10}}));
}

TEST(ManualPlan, MixedParallelism) {
  const Case one = case_of(kMlp);
  for (const char* mesh : {"data=2,model=2", "data=3,model=2", "model=5,data=2"})
    one.check(manual_plan(one.program, parse_mesh(mesh), kData + kTensor));
}

TEST(Lower, BringsATensorOnceToTheFormInWhichItIsHeld) {
  const Case one = case_of(R"(program p
dim i = 8, j = 8
input x[i]
a = x + 1
b = sum[i](x * x)
c = x[i: j] + x
output a[i]
output b
output c[i, j]
)");
  Plan plan = manual_plan(one.program, parse_mesh("a=2"), {{"x", "i", "a", {}}});
  for (NestDecision& nest : plan.nests) nest.assignment.axes[0] = {};
  // As it is stored: each nest gathers it, though two of its operands need it whole.
  plan.held.clear();
  one.check(plan);
  EXPECT_EQ(bytes_by_collective(lower(one.program, plan, 0)).at("all-gather").count, 3);
  plan.held = {{"x", {"i"}, replicated(1), 0}};
  verify(plan, one.program);
  one.check(plan);
  EXPECT_EQ(bytes_by_collective(lower(one.program, plan, 0)).at("all-gather").count, 1);
}

TEST(Lower, HoldsAGradientAsPinsAlonePutIt) {
  const Case one = case_of(R"(program p
dim i = 8, k = 4
input x[i, k]
g = sum[i](x)
a = exp(g)
b = g * g
output a[k]
output b[k]
)");
  const Plan plan = manual_plan(one.program, parse_mesh("a=2"), {{"x", "i", "a", {}}});
  ASSERT_EQ(plan.held.size(), 1u);
  EXPECT_EQ(plan.held[0].tensor, "g");
  one.check(plan);
  EXPECT_EQ(bytes_by_collective(lower(one.program, plan, 0)).at("all-reduce").count, 1);
}

TEST(Lower, SlicesForAReaderCostNoStep) {
  const Case one = case_of(R"(program p
dim i = 9
input x[i]
y = 2 * x + f32(i)
output y[i]
)");
  Plan plan = default_plan(one.program, parse_mesh("a=2"));
  plan.nests[0].assignment.axes[0] = parse_choice("i");
  plan.outputs[0].stored.split = {{0}};
  one.check(plan);
  const ShardedProgram local = lower(one.program, plan, 1);
  ASSERT_EQ(local.steps.size(), 1U);
  EXPECT_EQ(describe(std::get<ComputeStep>(local.steps[0]).nest),
            "y[i.a] = 2.0 * x[i: i.a + 5] + f32(i.a + 5)");
}

TEST(Lower, GathersWaitUntilShortlyBeforeUse) {
  std::string text = "program p\ndim i = 8\nparam w[i] = 1\nparam v[i] = 2\nx0 = v + 1\n";
  for (int k = 1; k <= 9; ++k)
    text += "x" + std::to_string(k) + " = exp(x" + std::to_string(k - 1) + " * 0.1)\n";
  text += "y = x9 + w\noutput y[i]\n";
  const Case one = case_of(text);
  Plan plan = default_plan(one.program, parse_mesh("a=2"));
  for (StorageDecision& storage : plan.stored)
    if (storage.tensor == "w") storage.stored.split = {{0}};
  one.check(plan);
  for (const int prefetch : {0, 2, 100}) {
    LowerOptions options;
    options.prefetch = prefetch;
    const ShardedProgram local = lower(one.program, plan, 0, options);
    int at = 0;
    while (!std::holds_alternative<CommStep>(local.steps[static_cast<size_t>(at)])) ++at;
    const int use = static_cast<int>(local.steps.size()) - 2;  // nests before it
    EXPECT_EQ(at, std::max(0, use - prefetch));
  }
}

TEST(Lower, AxesOfSizeOneCommunicateNothing) {
  const Case one = case_of(kMlp);
  const Plan plan = manual_plan(one.program, parse_mesh("data=1,model=1"), kData + kTensor);
  one.check(plan);
  const ShardedProgram local = lower(one.program, plan, 0);
  EXPECT_TRUE(bytes_by_collective(local).empty());
  EXPECT_EQ(local.steps.size(), nests_of(one.program).size());
}

TEST(Lower, FirstCopiesCoverEveryTensorOnce) {
  const Case one = case_of(kMlp);
  const Plan plan = manual_plan(one.program, parse_mesh("data=2,model=3"), kData + kTensor);
  std::map<std::string, int64_t> covered;
  for (const ShardedProgram& local : lower_all(one.program, plan))
    for (const Border& border : local.stored)
      if (border.first_copy) covered[border.name] += volume(border.box);
  for (const Tensor& tensor : one.program.parameters())
    EXPECT_EQ(covered[tensor.name()], volume(tensor.dims())) << tensor.name();
}

TEST(Lower, AllRanksHaveOneStructure) {
  const Case one = case_of(kMlp);
  const auto ranks = lower_all(
      one.program, manual_plan(one.program, parse_mesh("data=5,model=3"), kData + kTensor));
  for (const ShardedProgram& local : ranks)
    EXPECT_EQ(structure_hash(local), structure_hash(ranks[0]));
  const ShardedProgram other =
      lower(one.program, manual_plan(one.program, parse_mesh("data=15"), kData), 0);
  EXPECT_NE(structure_hash(other), structure_hash(ranks[0]));
  EXPECT_THROW(check_same_structure(ranks[0], other), InternalError);
}

TEST(Lower, VerifyFindsUseBeforeDefinition) {
  const Case one = case_of(kMlp);
  ShardedProgram local =
      lower(one.program, manual_plan(one.program, parse_mesh("data=2"), kData), 0);
  std::swap(local.steps.front(), local.steps.back());
  EXPECT_THROW(verify(local), InternalError);
}

TEST(Lower, AnUpdateMayHaveItsDimsInAnotherOrder) {
  const Case one = case_of(R"(program p
dim i = 4, j = 3
input x[j, i]
param w[i, j] = normal(0, 1)
y = x * 2
update w = y + w
output y[j, i]
)");
  RandomSource random(2);
  for (int trial = 0; trial < 20; ++trial)
    one.check(random_plan(one.program, parse_mesh("a=2,b=2"), random));
}

TEST(Golden, SmallMlp) {
  const Case one = case_of(kMlp);
  const Plan plan = manual_plan(one.program, parse_mesh("data=2,model=2"), kData + kTensor);
  expect_golden("mlp_plan.txt", print(plan));
  expect_golden("mlp_plan.json", to_text(plan));
  expect_golden("mlp_rank3.txt", print(lower(one.program, plan, 3)));
}

}  // namespace
}  // namespace tessera

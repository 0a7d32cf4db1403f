#include "ir/recompute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "ir/early_order.h"
#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

TEST(Recompute, PutsACopyBeforeItsFirstReader) {
  const Program program = normalize(parse(R"(program p
dim b = 4, k = 3
input a[b, k]
input v[k]
h = tanh(a)
y = sum[k](h * v)
z = sum[b](h * y)
output z
)"));
  const RecomputingProgram again = recomputing(program, {{"h", "z"}});
  EXPECT_EQ(again.copies, (std::map<std::string, std::string>{{"h_again", "h"}}));
  std::vector<std::string> names;
  for (const Tensor& tensor : again.program.definitions()) names.push_back(tensor.name());
  EXPECT_EQ(names, (std::vector<std::string>{"h", "y", "h_again", "z"}));
  EXPECT_THAT(print(again.program), ::testing::HasSubstr("h_again = checkpoint(tanh(a))"));
  // The copy is not merged with the first.
  EXPECT_EQ(normalize(again.program).definitions().size(), 4u);
}

// d is wanted last and frees h, so it comes before e, which only adds to what is held.
TEST(Recompute, ComputesEarlyWhatFreesMemory) {
  const Program program = normalize(parse(R"(program p
dim b = 4, k = 3
input a[b, k]
h = tanh(a)
g = exp(a)
e = sum[b](g * g) + sum[b](a)
d = sum[b, k](h)
y = e * d
output y
)"));
  std::map<std::string, size_t> at;
  const std::vector<Tensor> order = early_order(program);
  EXPECT_EQ(order.size(), program.tensors().size());
  for (size_t i = 0; i < order.size(); ++i) {
    for (const Tensor& read : program.sources_of(order[i])) EXPECT_LT(at.at(read.name()), i);
    at[order[i].name()] = i;
  }
  EXPECT_LT(at.at("d"), at.at("g"));
  EXPECT_GT(at.at("d"), at.at("h"));
}

TEST(Recompute, RefusesWhatItDoesNotKnow) {
  const Program program =
      normalize(parse("program p\ndim b = 4\ninput a[b]\nh = tanh(a)\noutput h\n"));
  EXPECT_THROW(recomputing(program, {{"a", "h"}}), UserError);
  EXPECT_THROW(recomputing(program, {{"h", "none"}}), UserError);
  EXPECT_THROW(recomputing(program, {{"h", "h"}, {"h", "h"}}), UserError);
}

// Random programs with random recomputations compute the same, to the bit.
TEST(Recompute, ChangesNoBit) {
  int tried = 0;
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    const Program program = normalize(random_program(seed));
    if (!program.carries().empty()) continue;
    const std::vector<Tensor> definitions = program.definitions();
    if (definitions.size() < 2) continue;
    std::mt19937 random(seed);
    std::vector<Recomputation> which;
    for (size_t i = 0; i + 1 < definitions.size(); ++i)
      if (random() % 2 == 0)
        which.push_back({definitions[i].name(),
                         definitions[i + 1 + random() % (definitions.size() - i - 1)].name()});
    const RecomputingProgram again = recomputing(program, which);
    tried += !again.copies.empty();
    const Arrays inputs = random_inputs(program, seed);
    Arrays state = initial_state(program, seed), other = state;
    const Arrays expected = interpret(program, inputs, state);
    const Arrays found = interpret(again.program, inputs, other);
    for (const auto& [name, array] : expected) EXPECT_EQ(found.at(name), array) << seed << name;
    for (const auto& [name, array] : state) EXPECT_EQ(other.at(name), array) << seed << name;
  }
  EXPECT_GT(tried, 50);
}

}  // namespace
}  // namespace tessera

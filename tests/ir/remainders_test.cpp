#include "ir/remainders.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

// The conditions of `y`, as they are split.
std::vector<std::string> conditions(const std::string& condition) {
  const Program program = parse(
      "program p\ndim o = 11, k = 3, q = 6\ninput x[q]\ninput w[k]\n"
      "y = sum[q, k](where(" +
      condition + ", x * w, 0))\noutput y\n");
  std::vector<std::string> printed;
  const Reduce* sum = as<Reduce>(program.get("y").value());
  for (const Expr& each : split_guards(sum->body).conditions) printed.push_back(print(each));
  return printed;
}

using Printed = std::vector<std::string>;

TEST(Remainders, AndQuotientsAreOneEquation) {
  EXPECT_EQ(conditions("(o - k) // 2 == q and (o - k) % 2 == 0"), Printed{"o + -1 * k == 2 * q"});
  EXPECT_EQ(conditions("1 == (o - k) % 3 and q == (o - k) // 3"),
            Printed{"o + -1 * k - 1 == 3 * q"});
  // The dividends differ by a constant.
  EXPECT_EQ(conditions("(o + k + 1) // 2 == q and (o + k) % 2 == 1 and o > k"),
            (Printed{"o + k + 1 == 2 * q", "o > k"}));
}

TEST(Remainders, OfSomethingElseStay) {
  for (const char* text :
       {"(o - k) // 2 == q and (o + k) % 2 == 0", "(o - k) // 2 == q and (o - k) % 3 == 0",
        "(o - k) // 2 > q and (o - k) % 2 == 0", "(o - k) // 2 == q"}) {
    const size_t parts = std::string(text).find(" and ") == std::string::npos ? 1 : 2;
    EXPECT_EQ(conditions(text).size(), parts) << text;
    EXPECT_EQ(conditions(text)[0].find("2 * q"), std::string::npos) << text;
  }
}

bool has_dim(const Program& program, const std::string& name) {
  for (const Tensor& tensor : program.definitions())
    for (const Dim& dim : tensor.dims())
      if (dim.name() == name) return true;
  return false;
}

// Is `y` right in normal form, and is it taken apart by phase?
void expect_phases(bool split, const std::string& formula, const std::string& sums) {
  for (const int64_t places : {9, 16}) {
    const std::string text = "program p\ndim o = " + std::to_string(places) +
                             ", k = 3, q = 6, z = 4, c = 2\ninput x[q, c]\ninput w[k]\n"
                             "input v[z]\ny = sum[" +
                             sums + "](" + formula + ")\noutput y\n";
    SCOPED_TRACE(text);
    const Program program = parse(text);
    const Program normal = normalize(program);
    EXPECT_EQ(has_dim(normal, "o_phase"), split) << print(normal);
    const Arrays inputs = random_inputs(program, 7);
    Arrays none;
    const Array written = interpret(program, inputs, none).at("y");
    const Array found = interpret(normal, inputs, none).at("y");
    ASSERT_EQ(found.shape, written.shape);
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(found.get(i), written.get(i), 1e-5) << "element " << i << "\n" << print(normal);
  }
}

TEST(Remainders, TakeGathersApartByPhase) {
  expect_phases(true, "where((o - k) % 2 == 0, x[q: (o - k) // 2 pad 0] * w, 0)", "k");
  expect_phases(true, "where((o + k) % 3 == 2, x[q: (o + k - 3) // 3 pad 0] * w, 0)", "k");
  expect_phases(true, "where((o - k) % 2 == 1, x[q: (o - k + 3) // 2 pad 0] * w, 0)", "k");
  // Two reads, a place apart; where the one is outside of x, nothing is added.
  expect_phases(true,
                "where((o - k) % 2 == 0, x[q: (o - k) // 2 pad 0] * "
                "x[q: (o - k + 2) // 2 pad 0] * w, 0)",
                "k");
}

TEST(Remainders, LeaveGathersThatAddOutsideOfWhatTheyRead) {
  // A pad of 1 is added where the quotient is outside of x.
  expect_phases(false, "where((o - k) % 2 == 0, x[q: (o - k) // 2 pad 1] * w, 0)", "k");
  // The quotient is no index alone.
  expect_phases(false, "where((o - k) % 2 == 0, x[q: 5 - (o - k) // 2 pad 0] * w, 0)", "k");
  // Another tensor is read at the same quotient, within fewer elements.
  expect_phases(false,
                "where((o + k) % 4 == 0, x[q: (o + k) // 4] * v[z: (o + k + 1) // 5] * w, 0)", "k");
}

}  // namespace
}  // namespace tessera

#include "codegen/nest_work.h"

#include <gtest/gtest.h>

#include <set>

#include "codegen/kernel_model.h"
#include "codegen/work_prices.h"
#include "ir/normalize.h"
#include "ir/parse.h"

namespace tessera {
namespace {

// A host whose figures do not depend on where the test runs: registers of 16 f32.
Machine some_machine() {
  return {.vectors = {64, 32, 32 << 10, 1 << 20, 32 << 20},
          .cores = 1,
          .peak_gflops = 120,
          .bandwidth = 20,
          .bandwidth_all = 20,
          .cache_bandwidth = 100};
}

// Of the nest as it is written.
WorkAmounts work_of_text(const std::string& text) {
  const Program program = normalize(parse("program p\n" + text), {.gain = 0});
  return work_of(nests_of(program)[0], some_machine());
}

double at(const WorkAmounts& amounts, WorkKind work) {
  return amounts[static_cast<size_t>(work)];
}

TEST(NestWork, CountsRegistersOfLanes) {
  const WorkAmounts work = work_of_text(
      "dim i = 50, j = 1000\ninput x[i, j]\ninput w[j]\ny = max[j](x - w)\noutput y\n");
  EXPECT_EQ(at(work, WorkKind::load), 2 * 50 * 63);  // 63 registers hold 1000 numbers
  EXPECT_EQ(at(work, WorkKind::simple), 50 * 63);
  EXPECT_EQ(at(work, WorkKind::extreme), 50 * 63);
  EXPECT_EQ(at(work, WorkKind::fold), 50);
  EXPECT_EQ(at(work, WorkKind::load_apart), 0);
}

TEST(NestWork, SaysHowLanesLie) {
  const std::string dims = "dim i = 4096, j = 4096, k = 8192\n";
  EXPECT_GT(
      at(work_of_text(dims + "input x[k]\ny[i] = x[k: 2*i]\noutput y\n"), WorkKind::load_near), 0);
  EXPECT_GT(
      at(work_of_text(dims + "input x[j, i]\ninput v[i, j]\ny = exp(x) + v\noutput y[i, j]\n"),
         WorkKind::load_transposed),
      0);
  EXPECT_EQ(at(work_of_text(dims + "input x[k]\ninput at[i] : i32\ny = x[k: at]\noutput y\n"),
               WorkKind::load_through),
            4096);
}

// Two functions of the same kind are twice the work; what all lanes share is done once for them.
TEST(NestWork, CountsFunctionsWhereTheyVary) {
  const WorkAmounts work = work_of_text(
      "dim i = 100, j = 160\ninput x[i, j]\ninput v[i]\ny = exp(x) * exp(2.0 * x) * exp(v)\noutput "
      "y\n");
  EXPECT_EQ(at(work, WorkKind::exponential), 2 * 100 * 10 + 100);
}

TEST(NestLines, NothingComesAgainIntoACacheThatHoldsIt) {
  const WorkAmounts small = work_of_text("dim i = 1000\ninput x[i]\ny = x + 1.0\noutput y\n");
  for (size_t i = kFirstLine; i < kWorks; ++i) EXPECT_EQ(small[i], 0) << i;
  const WorkAmounts middle = work_of_text("dim i = 100000\ninput x[i]\ny = x + 1.0\noutput y\n");
  EXPECT_NEAR(at(middle, WorkKind::line_l2), 2 * 100000 * 4 / 64, 2);
  EXPECT_EQ(at(middle, WorkKind::line_l3), 0);
  const WorkAmounts large = work_of_text("dim i = 8000000\ninput x[i]\ny = x + 1.0\noutput y\n");
  EXPECT_NEAR(at(large, WorkKind::line_memory), 8e6 * 4 / 64, 2);
  EXPECT_NEAR(at(large, WorkKind::line_written), 8e6 * 4 / 64, 2);
}

// Rows of w come again for each row of x where all of w is larger than a cache.
TEST(NestLines, ComeAgainForEachStepAroundWhatDoesNotFit) {
  const WorkAmounts fits = work_of_text(
      "dim i = 64, j = 64, k = 64\ninput x[i, k]\ninput w[j, k]\ny = max[k](x + w)\noutput y\n");
  const double once = 2 * 64 * 64 * 4 / 64;
  EXPECT_LE(at(fits, WorkKind::line_l2) + at(fits, WorkKind::line_l2_apart), 2 * once);
  EXPECT_EQ(at(fits, WorkKind::line_l3), 0);
}

TEST(WorkPrices, ArePositiveAndNamed) {
  std::set<std::string> names;
  for (const int bytes : {16, 32, 64}) {
    VectorTarget target;
    target.vector_bytes = bytes;
    for (const double price : prices_of(target)) EXPECT_GT(price, 0);
  }
  for (size_t i = 0; i < kWorks; ++i) names.insert(name_of(static_cast<WorkKind>(i)));
  EXPECT_EQ(names.size(), kWorks);
}

}  // namespace
}  // namespace tessera

#include "launcher/bench/plan_timing.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace tessera {
namespace {

using ::testing::HasSubstr;

PlanRow row_of(const std::vector<std::pair<double, double>>& predicted_and_measured) {
  PlanRow row;
  row.name = "made";
  for (const auto& [predicted, measured] : predicted_and_measured)
    row.others.push_back({"data=2", "0", predicted, measured, 1030, 1000});
  row.ours = row.others.front();
  row.others.erase(row.others.begin());
  return row;
}

TEST(PlanTiming, RankCorrelationIsOfTheOrderAlone) {
  EXPECT_DOUBLE_EQ(row_of({{1, 10}, {2, 11}, {3, 500}}).rank_correlation(), 1);
  EXPECT_DOUBLE_EQ(row_of({{1, 500}, {2, 11}, {3, 10}}).rank_correlation(), -1);
  // Ranks 0 1 2 3 and 1 0 2 3: 1 - 6 * 2 / (4 * 15).
  EXPECT_DOUBLE_EQ(row_of({{1, 2}, {2, 1}, {3, 3}, {4, 4}}).rank_correlation(), 0.8);
  // Equal predictions share their places: 0.5 0.5 2 and 0 1 2.
  EXPECT_NEAR(row_of({{1, 1}, {1, 2}, {3, 3}}).rank_correlation(), 0.866, 1e-3);
  EXPECT_EQ(row_of({{1, 1}}).rank_correlation(), 1);
}

TEST(PlanTiming, ReportsSayHowFarOffPredictionsAre) {
  std::vector<PlanRow> rows = {row_of({{1e-3, 1.1e-3}, {2e-3, 1.0e-3}}),
                               row_of({{4e-3, 1e-3}, {5e-3, 2e-3}}), PlanRow()};
  rows[2].name = "broken";
  rows[2].problem = "no such dim";
  EXPECT_DOUBLE_EQ(rows[1].ours.factor(), 4);
  EXPECT_DOUBLE_EQ(rows[0].over_fastest(), 1.0 / 1.1);
  const std::string text = text_of(rows);
  EXPECT_THAT(text,
              HasSubstr("off by a factor of 4.00 in the median of 2 programs; 1 are within 15 "
                        "%, 1 within two times"));
  EXPECT_THAT(text,
              HasSubstr("planned memory is off by 3.0 % in the median, and within 3 % for 2"));
  EXPECT_THAT(text, HasSubstr("within 5 % of the fastest for 1 of 2 programs"));
  EXPECT_THAT(text, HasSubstr("broken: no such dim\n"));
  const nlohmann::json json = json_of(rows);
  EXPECT_EQ(json["summary"]["within_two"], 1);
  EXPECT_EQ(json["rows"][1]["others"][0]["measured_ms"], 2);
  EXPECT_EQ(json["rows"][2]["problem"], "no such dim");
}

}  // namespace
}  // namespace tessera

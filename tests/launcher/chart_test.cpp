#include "launcher/report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "launcher/report/html.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Chart, DividesARangeByRoundNumbers) {
  EXPECT_THAT(round_ticks(0, 7.3, 4), ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(round_ticks(-1, 1, 4), ElementsAre(-1, -0.5, 0, 0.5, 1));
  EXPECT_THAT(round_ticks(3, 3, 4), ElementsAre(3));
}

TEST(Chart, DrawsALineWithGapsWhereThereIsNoNumber) {
  const std::string text = svg({"step", "loss", {{"a", {1, 2, 3, 4, 5}, {1, 2, NAN, 2, 1}}}});
  EXPECT_THAT(text, HasSubstr("<path d=\" M"));
  const std::string path = text.substr(text.find("<path d="));
  EXPECT_EQ(std::count(path.begin(), path.end(), 'M'), 2) << text;
  EXPECT_EQ(std::count(path.begin(), path.end(), 'L'), 2) << text;
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(svg({"step", "loss", {{"a", {1}, {NAN}}}}), "<p>No numbers to draw.</p>\n");
}

TEST(Chart, OfManyPointsShowsMeansAndTheirSpread) {
  ChartLine line{"a", {}, {}};
  for (int i = 0; i < 100000; ++i) {
    line.x.push_back(i);
    line.y.push_back(i % 2);
  }
  const std::string text = svg({"step", "y", {line}});
  EXPECT_LT(text.size(), 30000u);
  EXPECT_THAT(text, HasSubstr("class=band"));
}

TEST(Html, KeepsMarkupAndOddBytesOut) {
  EXPECT_EQ(html("a < b & \"c\" > \xff"), "a &lt; b &amp; &quot;c&quot; &gt; \xef\xbf\xbd");
}

}  // namespace
}  // namespace tessera

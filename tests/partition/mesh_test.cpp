#include "partition/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "partition/sharding.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

std::string error_of(const std::string& text) {
  try {
    parse_mesh(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Mesh, CountsRanksRowMajor) {
  const Mesh mesh = parse_mesh("data=2, model=3");
  EXPECT_EQ(mesh.ranks(), 6);
  EXPECT_THAT(mesh.coordinates(4), ElementsAre(1, 1));
  for (int rank = 0; rank < 6; ++rank) EXPECT_EQ(mesh.rank(mesh.coordinates(rank)), rank);
  EXPECT_EQ(mesh.find("model"), 1);
  EXPECT_EQ(mesh.find("Model"), -1);
}

TEST(Mesh, GroupsFollowTheOrderOfTheAxesAsked) {
  const Mesh mesh = parse_mesh("data=2,model=3");
  EXPECT_THAT(mesh.group(4, {0}), ElementsAre(1, 4));
  EXPECT_THAT(mesh.group(4, {1}), ElementsAre(3, 4, 5));
  EXPECT_THAT(mesh.group(4, {0, 1}), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(mesh.group(4, {1, 0}), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(mesh.group(4, {}), ElementsAre(4));
  for (const Axes& axes : {Axes{}, Axes{0}, Axes{1}, Axes{0, 1}, Axes{1, 0}})
    for (int rank = 0; rank < 6; ++rank)
      EXPECT_EQ(mesh.group(rank, axes)[static_cast<size_t>(mesh.position_in_group(rank, axes))],
                rank);
}

TEST(Mesh, TextRoundTrip) {
  for (const char* text : {"", "data=1", "data=2,model=4", "a=3,b=5,c=7"})
    EXPECT_EQ(print(parse_mesh(text)), text);
}

TEST(Mesh, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(error_of("data"),
            "mesh `data`: `data` has no size; write axes with sizes, as in data=2,model=4");
  EXPECT_EQ(error_of("data=0"),
            "mesh `data=0`: an axis has at least 1 rank, not 0; write axes with sizes, as in "
            "data=2,model=4");
  EXPECT_EQ(error_of("a=2,a=2"),
            "mesh `a=2,a=2`: there are two axes `a`; write axes with sizes, as in data=2,model=4");
  EXPECT_EQ(error_of("a=x"),
            "mesh `a=x`: `x` is not a size; write axes with sizes, as in data=2,model=4");
  EXPECT_EQ(error_of("a=2000,b=2000"),
            "mesh `a=2000,b=2000`: more than 1048576 ranks; write axes with sizes, as in "
            "data=2,model=4");
}

TEST(Sharding, BlocksTileTheExtentAndNeverGrow) {
  for (int64_t extent = 0; extent < 40; ++extent)
    for (const auto& sizes : {std::vector<int>{1}, {2}, {3}, {5}, {7}, {2, 2}, {2, 3}, {3, 2, 2}}) {
      Mesh mesh;
      Axes axes;
      for (const int size : sizes) {
        axes.push_back(mesh.count());
        mesh.axes.push_back({"a" + std::to_string(mesh.count()), size});
      }
      int64_t at = 0;
      for (int rank = 0; rank < mesh.ranks(); ++rank) {
        const Interval range = block(extent, axes, mesh, rank);
        EXPECT_EQ(range.begin, at);
        EXPECT_EQ(range, block(extent, sizes, mesh.coordinates(rank)));
        EXPECT_LE(range.size(), block(extent, axes, mesh, 0).size());
        at = range.end;
      }
      EXPECT_EQ(at, extent);
    }
}

TEST(Sharding, UndoingTheInnermostSplitJoinsNeighbours) {
  const Mesh mesh = parse_mesh("a=3,b=4");
  for (int64_t extent = 0; extent < 30; ++extent)
    for (int rank = 0; rank < mesh.ranks(); ++rank) {
      const Interval outer = block(extent, {0}, mesh, rank);
      int64_t at = outer.begin;
      for (const int member : mesh.group(rank, {1})) {
        EXPECT_EQ(block(extent, {0, 1}, mesh, member).begin, at);
        at = block(extent, {0, 1}, mesh, member).end;
      }
      EXPECT_EQ(at, outer.end);
    }
}

TEST(Sharding, Text) {
  const Mesh mesh = parse_mesh("data=2,model=2");
  EXPECT_EQ(describe(Sharding{{{}, {1}}, {}, ReduceOp::sum}, {"pixel", "hidden"}, mesh),
            "[pixel, hidden: model]");
  EXPECT_EQ(describe(Sharding{{{1, 0}}, {}, ReduceOp::sum}, {"v"}, mesh), "[v: model data]");
  EXPECT_EQ(describe(Sharding{{{0}}, {1}, ReduceOp::max}, {"v"}, mesh),
            "[v: data] partial(max: model)");
  EXPECT_EQ(describe(replicated(0), std::vector<std::string>{}, mesh), "[]");
}

TEST(Sharding, UnitAxesDisappear) {
  const Mesh mesh = parse_mesh("one=1,two=2");
  const Sharding sharding{{{0, 1}, {}}, {}, ReduceOp::sum};
  EXPECT_EQ(without_unit_axes(sharding, mesh), (Sharding{{{1}, {}}, {}, ReduceOp::sum}));
  EXPECT_TRUE(well_formed(sharding, 2, mesh));
  EXPECT_FALSE(well_formed(sharding, 1, mesh));
  EXPECT_FALSE(well_formed({{{0}, {0}}, {}, ReduceOp::sum}, 2, mesh));
  EXPECT_FALSE(well_formed({{{0}}, {2}, ReduceOp::sum}, 1, mesh));
}

}  // namespace
}  // namespace tessera

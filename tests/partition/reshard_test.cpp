#include "partition/reshard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace tessera {
namespace {

using ::testing::ElementsAre;

// Bytes alone, so that paths can be compared exactly.
class Bytes : public CommCost {
 public:
  double seconds(CommKind, const Mesh&, const Axes&, int64_t bytes) const override {
    return static_cast<double>(bytes);
  }
};

std::vector<std::string> kinds(const ReshardPath& path) {
  std::vector<std::string> found;
  for (const ReshardStep& step : path.steps) found.push_back(name_of(step.kind));
  return found;
}

// Each axis is replicated, partial or splits a random dim, in random order.
Sharding random_sharding(std::mt19937& random, size_t dims, const Mesh& mesh, bool partial) {
  Sharding sharding = replicated(dims);
  Axes axes;
  for (int axis = 0; axis < mesh.count(); ++axis) axes.push_back(axis);
  std::shuffle(axes.begin(), axes.end(), random);
  for (const int axis : axes) {
    const size_t where = random() % (dims + 1 + (partial ? 1 : 0));
    if (where < dims) sharding.split[where].push_back(axis);
    if (where == dims + 1) sharding.partial.push_back(axis);
  }
  std::sort(sharding.partial.begin(), sharding.partial.end());
  return sharding;
}

TensorShape random_shape(std::mt19937& random, size_t dims) {
  TensorShape shape;
  for (size_t i = 0; i < dims; ++i) shape.extents.push_back(static_cast<int64_t>(random() % 13));
  return shape;
}

const Mesh& mesh22() {
  static const Mesh mesh = parse_mesh("a=2,b=2");
  return mesh;
}

TEST(Reshard, IdentityIsFree) {
  const Sharding sharding{{{0}, {}}, {1}, ReduceOp::max};
  const ReshardPath path = reshard({{4, 4}, DType::f32}, sharding, sharding, mesh22(), Bytes());
  EXPECT_TRUE(path.steps.empty());
  EXPECT_EQ(path.seconds, 0);
}

TEST(Reshard, TheObviousMoves) {
  const TensorShape shape{{8, 8}, DType::f32};
  const LinearCommCost cost;
  const auto path = [&](const Sharding& from, const Sharding& to) {
    return reshard(shape, from, to, mesh22(), cost);
  };
  const Sharding whole = replicated(2);
  const Sharding rows{{{0}, {}}, {}, ReduceOp::sum};
  const Sharding columns{{{}, {0}}, {}, ReduceOp::sum};
  const Sharding partial{{{}, {}}, {0}, ReduceOp::sum};
  EXPECT_THAT(kinds(path(rows, whole)), ElementsAre("all-gather"));
  EXPECT_EQ(path(rows, whole).bytes, 128);
  EXPECT_THAT(kinds(path(whole, rows)), ElementsAre("slice"));
  EXPECT_EQ(path(whole, rows).bytes, 0);
  EXPECT_THAT(kinds(path(rows, columns)), ElementsAre("all-to-all"));
  EXPECT_EQ(path(rows, columns).bytes, 64);
  EXPECT_THAT(kinds(path(partial, whole)), ElementsAre("all-reduce"));
  EXPECT_EQ(path(partial, whole).bytes, 256);
  EXPECT_THAT(kinds(path(partial, rows)), ElementsAre("reduce-scatter"));
  EXPECT_EQ(path(partial, rows).bytes, 128);
  EXPECT_THAT(kinds(path(whole, partial)), ElementsAre("mask"));
  EXPECT_THAT(kinds(path({{{0, 1}, {}}, {}, ReduceOp::sum}, whole)), ElementsAre("all-gather"));
  EXPECT_THAT(kinds(path({{{}, {}}, {0, 1}, ReduceOp::sum}, whole)), ElementsAre("all-reduce"));
  EXPECT_THAT(kinds(path({{{}, {}}, {0, 1}, ReduceOp::sum}, {{{1, 0}, {}}, {}, ReduceOp::sum})),
              ElementsAre("reduce-scatter"));
}

TEST(Reshard, APartialMaximumIsReducedBeforeItIsPassedAsASum) {
  const Sharding from{{{}}, {0}, ReduceOp::max};
  const Sharding to{{{}}, {0}, ReduceOp::sum};
  EXPECT_THAT(kinds(reshard({{8}, DType::f32}, from, to, mesh22(), LinearCommCost())),
              ElementsAre("all-reduce", "mask"));
}

TEST(Reshard, UnevenBlocksCountAsTheyAre) {
  const Mesh mesh = parse_mesh("a=4");
  const TensorShape shape{{9}, DType::f64};  // blocks 3 3 3 0
  const ReshardPath path =
      reshard(shape, {{{0}}, {}, ReduceOp::sum}, replicated(1), mesh, LinearCommCost());
  ASSERT_EQ(path.steps.size(), 1U);
  EXPECT_EQ(path.bytes, 72);
  const Sharding before{{{0}}, {}, ReduceOp::sum};
  EXPECT_EQ(bytes_moved(shape, before, path.steps[0], mesh, 0), 48);
  EXPECT_EQ(bytes_moved(shape, before, path.steps[0], mesh, 3), 72);
}

TEST(Reshard, BusiestRankIsCounted) {
  std::mt19937 random(1);
  for (const char* text : {"a=3,b=4", "a=11", "a=2,b=3,c=5", "a=7,b=6"}) {
    const Mesh mesh = parse_mesh(text);
    for (int trial = 0; trial < 200; ++trial) {
      TensorShape shape = random_shape(random, 2);
      for (int64_t& extent : shape.extents) extent += trial % 40;
      const Sharding from = random_sharding(random, 2, mesh, true);
      const Sharding to = random_sharding(random, 2, mesh, false);
      Sharding at = from;
      for (const ReshardStep& step : reshard(shape, from, to, mesh, LinearCommCost()).steps) {
        int64_t most = 0;
        for (int rank = 0; rank < mesh.ranks(); ++rank)
          most = std::max(most, bytes_moved(shape, at, step, mesh, rank));
        EXPECT_EQ(step.bytes, most)
            << name_of(step.kind) << " on " << text << ", " << testing::PrintToString(shape.extents)
            << " from " << describe(at, {"x", "y"}, mesh) << " to "
            << describe(step.after, {"x", "y"}, mesh);
        at = step.after;
      }
      EXPECT_EQ(at, to);
    }
  }
}

TEST(Reshard, TriangleInequality) {
  std::mt19937 random(2);
  const LinearCommCost linear;
  const Bytes bytes;
  for (const char* text : {"a=2,b=2", "a=3,b=2", "a=5", "a=2,b=3,c=2"}) {
    const Mesh mesh = parse_mesh(text);
    for (int trial = 0; trial < 60; ++trial) {
      const TensorShape shape = random_shape(random, 3);
      const Sharding a = random_sharding(random, 3, mesh, true);
      const Sharding b = random_sharding(random, 3, mesh, false);
      const Sharding c = random_sharding(random, 3, mesh, false);
      for (const CommCost* cost :
           {static_cast<const CommCost*>(&linear), static_cast<const CommCost*>(&bytes)}) {
        const double direct = reshard(shape, a, c, mesh, *cost).seconds;
        const double around =
            reshard(shape, a, b, mesh, *cost).seconds + reshard(shape, b, c, mesh, *cost).seconds;
        EXPECT_LE(direct, around * (1 + 1e-12))
            << describe(a, {"x", "y", "z"}, mesh) << describe(b, {"x", "y", "z"}, mesh)
            << describe(c, {"x", "y", "z"}, mesh);
      }
    }
  }
}

TEST(Reshard, MonotoneInBytes) {
  std::mt19937 random(3);
  const Mesh mesh = parse_mesh("a=2,b=3");
  for (int trial = 0; trial < 100; ++trial) {
    TensorShape shape = random_shape(random, 2);
    const Sharding from = random_sharding(random, 2, mesh, true);
    const Sharding to = random_sharding(random, 2, mesh, false);
    const double narrow = reshard(shape, from, to, mesh, LinearCommCost()).seconds;
    shape.type = DType::f64;
    EXPECT_GE(reshard(shape, from, to, mesh, LinearCommCost()).seconds, narrow);
  }
}

TEST(Reshard, NeverWorseThanGatheringEverything) {
  std::mt19937 random(4);
  const LinearCommCost cost;
  for (const char* text : {"a=2,b=2", "a=2,b=3,c=2"}) {
    const Mesh mesh = parse_mesh(text);
    for (int trial = 0; trial < 60; ++trial) {
      const TensorShape shape = random_shape(random, 3);
      const Sharding from = random_sharding(random, 3, mesh, true);
      const Sharding to = random_sharding(random, 3, mesh, false);
      const double gathered = reshard(shape, from, replicated(3), mesh, cost).seconds;
      EXPECT_EQ(reshard(shape, replicated(3), to, mesh, cost).seconds, 0);
      EXPECT_LE(reshard(shape, from, to, mesh, cost).seconds, gathered * (1 + 1e-12));
    }
  }
}

TEST(Reshard, TheResharderRemembers) {
  const LinearCommCost cost;
  Resharder resharder(mesh22(), cost);
  const TensorShape shape{{8}, DType::f32};
  const Sharding rows{{{0}}, {}, ReduceOp::sum};
  const ReshardPath* first = &resharder.path(shape, rows, replicated(1));
  EXPECT_EQ(first, &resharder.path(shape, rows, replicated(1)));
  EXPECT_THAT(kinds(*first), ElementsAre("all-gather"));
}

}  // namespace
}  // namespace tessera

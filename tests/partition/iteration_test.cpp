#include "partition/iteration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ir/functions.h"
#include "ir/print.h"
#include "ir/structure.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// One loop over t of 6; `stack` and `out` are computed in it, `x` is not.
struct InALoop {
  Dim t{"t", 6}, time{"time", 13}, k{"k", 3};
  Tensor x = make_tensor("x", {k, time}, DType::f32, Role::input);
  Tensor stack = make_tensor("stack", {t, k}, DType::f32, Role::input);
  std::map<Tensor, size_t> depths = {{stack, 1}};

  Nest part_of(const Expr& value) {
    const Tensor out = make_definition("out", value, {}, {t, k});
    depths[out] = 1;
    parts = std::make_unique<IterationParts>(Dims{t}, depths);
    return parts->part(nest_of(out));
  }
  View view_of_read(const Nest& nest) { return parts->view(as<Read>(reads_of(nest)[0])->tensor); }

  std::unique_ptr<IterationParts> parts;
};

TEST(IterationParts, DropTheDimsOfTheLoops) {
  InALoop loop;
  const Nest nest = loop.part_of(loop.stack * 2.0);
  EXPECT_EQ(nest.out.dims(), Dims{loop.k});
  const View view = loop.view_of_read(nest);
  EXPECT_EQ(view.whole, loop.stack);
  EXPECT_EQ(view.lead, std::vector<Lead>({{0, 0}}));
}

TEST(IterationParts, MoveThroughWhatLoopsDoNotCompute) {
  InALoop loop;
  const Nest nest = loop.part_of(loop.x.at(loop.time, 2 * index(loop.t) + 1));
  EXPECT_EQ(print(nest.body), "x[time: 1]");
  EXPECT_EQ(loop.view_of_read(nest).steps, std::vector<int64_t>{2});
  EXPECT_TRUE(loop.view_of_read(nest).lead.empty());
}

TEST(IterationParts, ReadACounterWhereAnIndexMayLeaveTheTensor) {
  InALoop loop;
  const Nest nest = loop.part_of(loop.stack.at(loop.t, index(loop.t) - 1, 0.0));
  EXPECT_EQ(print(nest.body), "stack[t: t % 6 - 1 pad 0.0]");
  const Nest number = loop.part_of(loop.x.at(loop.time, 0) * cast(DType::f32, index(loop.t)));
  EXPECT_THAT(print(number.body), HasSubstr("f32(t % 6)"));
}

TEST(IterationParts, KeepWhatIsTheSameInEveryIteration) {
  InALoop loop;
  const Nest nest = loop.part_of(loop.x.at(loop.time, 4) + loop.stack);
  const std::vector<Tensor> read = tensors_read(nest.body);
  EXPECT_EQ(std::count(read.begin(), read.end(), loop.x), 1) << print(nest.body);
}

}  // namespace
}  // namespace tessera

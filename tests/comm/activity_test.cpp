#include "comm/activity.h"

#include <gtest/gtest.h>

#include "comm/local/local_group.h"

namespace tessera {
namespace {

TEST(Activity, SaysWhatARankDoes) {
  Activity activity;
  EXPECT_EQ(activity.text(), "");
  const std::string kernel = "task 2, h, fit.tess:7";
  activity.work(&kernel);
  EXPECT_EQ(activity.text(), kernel);
  CallInfo info;
  info.call = {.kind = CallKind::all_reduce, .type = DType::f32, .count = 2};
  const std::string context = "task 3, all-reduce loss, fit.tess:8";
  info.context = &context;
  activity.begin(info);
  const std::string call =
      "all-reduce (sum) of 2 f32 (8 bytes) during `task 3, all-reduce loss, fit.tess:8`";
  EXPECT_EQ(activity.text(), kernel + "; " + call);
  activity.clear_work();
  EXPECT_EQ(activity.text(), call);
  activity.end();
  EXPECT_EQ(activity.text(), "after " + call);
  activity.step(7);
  EXPECT_EQ(activity.steps(), 7);
}

TEST(Activity, IsToldByACommunicator) {
  CommOptions options;
  options.activity = std::make_shared<Activity>();
  auto world = make_local_group(1, options);
  auto part = world[0]->split(0, 0);
  EXPECT_EQ(part->activity(), options.activity.get());
}

}  // namespace
}  // namespace tessera

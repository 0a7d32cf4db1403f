#include "runtime/jobs.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

Task task(TaskKind kind, std::vector<int> depends) {
  Task made;
  made.kind = kind;
  made.depends = std::move(depends);
  return made;
}
Task compute(std::vector<int> depends) {
  return task(TaskKind::compute, std::move(depends));
}
Task collective(std::vector<int> depends) {
  return task(TaskKind::communicate, std::move(depends));
}

// Which tasks of the list the computing thread does: 1, or 0.
std::vector<int> done_by_computing(const std::vector<Task>& tasks, bool waits = true) {
  JobCount count;
  std::vector<int> done;
  for (const Job& job : jobs_of(tasks, waits, count)) done.push_back(on_stream(job, false) ? 1 : 0);
  return done;
}

using Done = std::vector<int>;

TEST(Jobs, WhatNothingHidesIsDoneAtOnce) {
  EXPECT_EQ(done_by_computing({compute({}), collective({0}), compute({1})}), (Done{1, 1, 1}));
  EXPECT_EQ(done_by_computing({compute({}), collective({0}), collective({1}), compute({2})}),
            (Done{1, 1, 1, 1}))
      << "the first one by way of the second";
  EXPECT_EQ(done_by_computing({collective({}), compute({0}), collective({1})}), (Done{1, 1, 1}));
}

TEST(Jobs, WhatSomethingHidesIsNot) {
  EXPECT_EQ(done_by_computing({compute({}), collective({0}), compute({0}), compute({1, 2})}),
            (Done{1, 0, 1, 1}))
      << "2 runs meanwhile";
  EXPECT_EQ(done_by_computing({compute({}), compute({0}), collective({0}), compute({2})}),
            (Done{1, 1, 0, 1}))
      << "1 runs meanwhile";
  EXPECT_EQ(done_by_computing({compute({}), collective({0}), collective({0, 1}), compute({1})}),
            (Done{1, 1, 0, 1}))
      << "2 goes on while 3 computes";
}

TEST(Jobs, WhereTheDeviceComputesOnItsOwnNothingIs) {
  EXPECT_EQ(done_by_computing({compute({}), collective({0}), compute({1})}, false),
            (Done{1, 0, 1}));
}

TEST(Jobs, ALoopWhoseCollectivesAreDoneAtOnceIsOnOneThread) {
  std::vector<Task> tasks = {task(TaskKind::loop, {})};
  std::vector<Task>& body = tasks[0].body;
  body = {compute({}), collective({0}), compute({1})};
  JobCount count;
  EXPECT_FALSE(jobs_of(tasks, true, count)[0].both);
  body.insert(body.begin() + 2, compute({0}));
  body.back().depends = {1, 2};
  const std::vector<Job> list = jobs_of(tasks, true, count);
  EXPECT_TRUE(list[0].both);
  EXPECT_TRUE(on_stream(list[0], true) && on_stream(list[0], false));
}

}  // namespace
}  // namespace tessera

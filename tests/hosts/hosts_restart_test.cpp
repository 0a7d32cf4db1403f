// Jobs that are started again after a failure.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/hosts/separate_hosts.h"

namespace tessera {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

const std::vector<std::string> kSettings = {"train.epochs=500", "checkpoint={every: 200 steps}",
                                            "restart={limit: 1, backoff: 0.2 s}"};

class HostsRestart : public testing::Test {
 protected:
  // A job that trains and has a checkpoint. It has 5,000 steps.
  void begin() {
    hosts_.emplace(2);
    if (!hosts_->problem().empty()) GTEST_SKIP() << hosts_->problem();
    job_.emplace(*hosts_, "h1:2,h2:2", kSettings);
    ASSERT_TRUE(within(60, [&] {
      job_->wait(0.01);
      return std::filesystem::exists(
          hosts_->folder().file("out.checkpoints/step-00000200/manifest.json"));
    })) << job_->err();
  }

  std::optional<SeparateHosts> hosts_;
  std::optional<HostsJob> job_;
};

TEST_F(HostsRestart, AfterADeathTheJobHasTheBitsOfOneWithoutIt) {
  begin();
  if (IsSkipped()) return;
  kill(job_->ranks().at(3), SIGKILL);
  ASSERT_EQ(job_->wait(90), 0) << job_->err();
  EXPECT_THAT(job_->err(), HasSubstr("tessera: rank 3 on h2 died: signal 9 (Killed)"));
  EXPECT_THAT(job_->err(), ContainsRegex("tessera: restart 1 of 1 in 200 ms, from step [0-9]+ in "
                                         "/srv/out.checkpoints; ([0-9]+|no) steps? after it "
                                         "(is|are) lost"));
  EXPECT_THAT(job_->err(), ContainsRegex("going on from step [0-9]+00 of /srv/out.checkpoints"));
  job_->expect_nothing_left({"h1", "h2"});
  const std::string again = read_text(hosts_->folder().file("out-2/model.safetensors"));
  const CommandResult whole = hosts_->tessera(
      {"run", "/srv/job.yaml", "output.dir=/srv/whole", "train.epochs=500", "--host", "h1:2,h2:2"});
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(again, read_text(hosts_->folder().file("whole/model.safetensors")));
}

TEST_F(HostsRestart, WithoutAHostTheJobGoesOnOnFewerRanks) {
  begin();
  if (IsSkipped()) return;
  hosts_->link("h2", "down");
  ASSERT_EQ(job_->wait(90), 0) << job_->err();
  EXPECT_THAT(job_->err(), HasSubstr("tessera: host h2 (ranks 2 and 3) has given no sign of life"));
  EXPECT_THAT(job_->err(), ContainsRegex("tessera: restart 1 of 1 in 200 ms on 2 ranks without h2, "
                                         "planned anew, from step [0-9]+ in "));
  EXPECT_THAT(job_->err(), HasSubstr("the plan (for 4 ranks then, 2 now)"));
  job_->expect_nothing_left({"h1", "h2"});
}

TEST_F(HostsRestart, WhatASignalAskedForIsNotTriedAgain) {
  begin();
  if (IsSkipped()) return;
  kill(job_->launcher(), SIGINT);
  EXPECT_EQ(job_->wait(30), 1) << job_->err();
  EXPECT_THAT(job_->err(), ::testing::Not(HasSubstr("restart")));
}

}  // namespace
}  // namespace tessera

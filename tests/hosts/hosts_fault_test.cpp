// What becomes of a job over two hosts when a part of it fails: it ends everywhere, soon, and says
// what failed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/hosts/separate_hosts.h"

namespace tessera {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class HostsFault : public testing::Test {
 protected:
  void begin(const std::vector<std::string>& settings = {"cluster.timeout=8s"}) {
    hosts_.emplace(2);
    if (!hosts_->problem().empty()) GTEST_SKIP() << hosts_->problem();
    job_.emplace(*hosts_, "h1:2,h2:2", settings);
  }
  void expect_end(int code) {
    EXPECT_EQ(job_->wait(40), code) << job_->err();
    job_->expect_nothing_left({"h1", "h2"});
  }

  std::optional<SeparateHosts> hosts_;
  std::optional<HostsJob> job_;
};

TEST_F(HostsFault, AKilledRankOfAnotherHost) {
  begin();
  if (IsSkipped()) return;
  kill(job_->ranks().at(3), SIGKILL);
  expect_end(3);
  EXPECT_THAT(job_->err(), HasSubstr("tessera: rank 3 on h2 died: signal 9 (Killed); "));
  EXPECT_THAT(job_->err(), HasSubstr("job.tess:"));
  EXPECT_THAT(job_->err(), HasSubstr(". The other ranks were stopped; nothing is left running\n"));
}

TEST_F(HostsFault, AStoppedRankOfAnotherHost) {
  begin();
  if (IsSkipped()) return;
  kill(job_->ranks().at(2), SIGSTOP);
  expect_end(3);
  EXPECT_THAT(job_->err(), ContainsRegex("timed out after 8\\.[0-9] s: rank 2 has not arrived"));
}

TEST_F(HostsFault, ACutLink) {
  begin({"cluster.timeout=60s"});
  if (IsSkipped()) return;
  hosts_->link("h2", "down");
  expect_end(3);
  EXPECT_THAT(
      job_->err(),
      HasSubstr("tessera: host h2 (ranks 2 and 3) has given no sign of life for 15 s: it is "
                "down, its link is cut, or its ranks are stopped; "))
      << "and what it did last, where it had said so before the link was cut";
  EXPECT_THAT(job_->err(), HasSubstr("job.tess:"));
}

TEST_F(HostsFault, AKilledLauncher) {
  begin();
  if (IsSkipped()) return;
  kill(job_->launcher(), SIGKILL);
  expect_end(128 + SIGKILL);
}

TEST_F(HostsFault, AKilledMpirun) {
  begin();
  if (IsSkipped()) return;
  kill(job_->mpirun(), SIGKILL);
  expect_end(3);
  EXPECT_THAT(job_->err(), HasSubstr("tessera: mpirun was killed by signal 9 (Killed)\n"));
}

TEST_F(HostsFault, ASignalToTheLauncher) {
  begin();
  if (IsSkipped()) return;
  kill(job_->launcher(), SIGINT);
  expect_end(1);
  EXPECT_THAT(job_->err(), HasSubstr("tessera: stopped by signal 2 (Interrupt)\n"));
}

}  // namespace
}  // namespace tessera

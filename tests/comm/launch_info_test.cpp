#include "comm/mpi/launch_info.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"

namespace tessera {
namespace {

MpiLaunchInfo detect(const std::map<std::string, std::string>& environment) {
  return detect_mpi_launch([&](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    if (found == environment.end()) return std::nullopt;
    return found->second;
  });
}

TEST(LaunchInfo, AloneWithoutALauncher) {
  const MpiLaunchInfo info = detect({{"SLURM_NTASKS", "4"}});
  EXPECT_FALSE(info.launched());
  EXPECT_EQ(info.rank, 0);
  EXPECT_EQ(info.size, 1);
}

TEST(LaunchInfo, KnowsOpenMpi) {
  const MpiLaunchInfo info = detect({{"OMPI_COMM_WORLD_RANK", "3"},
                                     {"OMPI_COMM_WORLD_SIZE", "8"},
                                     {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                     {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                     {"SLURM_PROCID", "0"},
                                     {"SLURM_STEP_NUM_TASKS", "1"}});
  EXPECT_EQ(info.launcher, "mpirun");
  EXPECT_EQ(info.rank, 3);
  EXPECT_EQ(info.size, 8);
  EXPECT_EQ(info.local_rank, 1);
  EXPECT_EQ(info.local_size, 2);
}

TEST(LaunchInfo, KnowsSlurmAndPmi) {
  const MpiLaunchInfo slurm = detect({{"SLURM_PROCID", "2"},
                                      {"SLURM_STEP_NUM_TASKS", "8"},
                                      {"SLURM_LOCALID", "2"},
                                      {"SLURM_STEP_TASKS_PER_NODE", "4(x2)"}});
  EXPECT_EQ(slurm.launcher, "slurm");
  EXPECT_EQ(slurm.rank, 2);
  EXPECT_EQ(slurm.local_size, 4);
  EXPECT_EQ(detect({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}}).launcher, "pmi");
}

TEST(LaunchInfo, RejectsContradictions) {
  try {
    detect({{"OMPI_COMM_WORLD_RANK", "8"}, {"OMPI_COMM_WORLD_SIZE", "8"}});
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "OMPI_COMM_WORLD_RANK is 8, but OMPI_COMM_WORLD_SIZE is 8; start the job again "
                 "through one launcher");
  }
  EXPECT_THROW(detect({{"PMI_RANK", "x"}, {"PMI_SIZE", "2"}}), UserError);
}

}  // namespace
}  // namespace tessera

#include "comm/local/local_group.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/comm/conformance.h"
#include "tests/comm/nccl_ranks.h"

namespace tessera {
namespace {

std::vector<std::string> run_threads(int ranks, const CommOptions& options, const RankBody& body) {
  auto world = make_local_group(ranks, options);
  std::vector<std::string> errors(world.size());
  std::vector<std::thread> threads;
  for (size_t r = 0; r < world.size(); ++r)
    threads.emplace_back([&, r] {
      try {
        body(*world[r]);
      } catch (const std::exception& error) {
        errors[r] = error.what();
        world[r]->fail(error.what());
      }
    });
  for (std::thread& thread : threads) thread.join();
  return errors;
}

TEST(LocalGroup, RankThatLeavesIsNamed) {
  auto world = make_local_group(3);
  std::string text;
  std::thread leaver([&] { world[2].reset(); });
  std::thread other([&] { EXPECT_THROW(world[1]->barrier(), CommError); });
  try {
    world[0]->barrier();
  } catch (const CommError& error) {
    text = error.what();
  }
  leaver.join();
  other.join();
  EXPECT_THAT(text, testing::HasSubstr("rank 2 left the group without making this call"));
}

TEST(LocalGroup, RunLocalRanksThrowsWhatCameFirst) {
  std::atomic<int> comm_errors = 0;
  auto work = [&](Communicator& comm) {
    if (comm.rank() == 1) throw UserError("the data file is empty");
    try {
      comm.barrier();
    } catch (const CommError&) {
      ++comm_errors;
      throw;
    }
  };
  EXPECT_THROW(run_local_ranks(3, {}, work), UserError);
  EXPECT_EQ(comm_errors, 2);
}

// Ranks learn of a failure before the failing rank has left: what they then throw explains nothing.
TEST(LocalGroup, RunLocalRanksThrowsTheCauseAlsoWhereItComesLater) {
  std::atomic<bool> peer_left = false;
  auto work = [&](Communicator& comm) {
    if (comm.rank() == 1) {
      comm.fail("the data file is empty");
      while (!peer_left) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      throw UserError("the data file is empty");
    }
    try {
      comm.barrier();
    } catch (const CommError&) {
      peer_left = true;
      throw;
    }
  };
  EXPECT_THROW(run_local_ranks(2, {}, work), UserError);
}

TEST(LocalGroup, AnyThreadMayFailAWaitingRank) {
  auto world = make_local_group(2);
  std::thread supervisor([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    world[0]->fail("cancelled");
  });
  EXPECT_THROW(world[0]->barrier(), CommError);
  supervisor.join();
}

// Timeouts race with late arrivals: every rank must come to the same end, and no rank may read the
// buffers of one that has left.
TEST(LocalGroup, LateArrivalsEitherAllSucceedOrAllFail) {
  for (int trial = 0; trial < 60; ++trial) {
    CommOptions options;
    options.timeout = std::chrono::milliseconds(2);
    std::atomic<int> done = 0;
    const auto errors = run_threads(3, options, [&](Communicator& comm) {
      if (comm.rank() == 2)
        std::this_thread::sleep_for(std::chrono::microseconds(1900 + 10 * trial));
      std::vector<float> values(5000, 1.0f);
      comm.all_reduce(values.data(), values.data(), values.size(), DType::f32, ReduceOp::sum);
      ++done;
    });
    EXPECT_TRUE(done == 3 || done == 0) << done << " of 3 ranks succeeded";
  }
}

}  // namespace

std::vector<Harness> harnesses() {
  std::vector<Harness> all;
  for (const int ranks : {1, 2, 3, 4, 5})
    all.push_back({"Threads" + std::to_string(ranks), ranks,
                   [ranks](const CommOptions& options, const RankBody& body) {
                     return run_threads(ranks, options, body);
                   }});
  for (const int ranks : {1, 2, 3, 4})
    all.push_back({"Nccl" + std::to_string(ranks), ranks,
                   [ranks](const CommOptions& options, const RankBody& body) {
                     return run_nccl_threads(ranks, options, body);
                   }});
  return all;
}

}  // namespace tessera

#include <gmock/gmock.h>

#include <thread>

#include "tests/comm/conformance.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::ContainsRegex;
using testing::Each;
using testing::HasSubstr;

// How groups fail: each test says what every rank reads.
class FailureConformance : public Conformance {
 protected:
  void SetUp() override { ASSERT_GT(ranks(), 1); }
  std::string last() const { return std::to_string(ranks() - 1); }
};

TEST_P(FailureConformance, DifferentCallsAreNamed) {
  const auto errors = run(
      [](Communicator& comm) {
        comm.set_context("task 17");
        float values[3] = {};
        if (comm.rank() == 0)
          comm.all_reduce(values, values, 3, DType::f32, ReduceOp::sum);
        else
          comm.barrier();
      },
      milliseconds(10'000));
  EXPECT_THAT(errors,
              Each(HasSubstr("the ranks disagree on their next call: rank 0 makes "
                             "all-reduce (sum) of 3 f32 (12 bytes) during `task 17`; rank")));
  EXPECT_THAT(errors, Each(HasSubstr("barrier during `task 17`. All ranks of a group must make the "
                                     "same calls in the same order")));
}

TEST_P(FailureConformance, DifferentSizesTypesAndOperatorsAreNamed) {
  auto mismatch = [&](size_t count, DType type, ReduceOp op) {
    return run(
        [=](Communicator& comm) {
          std::vector<double> values(20'000);
          const bool odd_one = comm.rank() == comm.size() - 1;
          comm.all_reduce(values.data(), values.data(), odd_one ? count : 9000,
                          odd_one ? type : DType::f32, odd_one ? op : ReduceOp::sum);
        },
        milliseconds(10'000));
  };
  const std::string odd = "; rank " + last() + " makes all-reduce ";
  EXPECT_THAT(mismatch(9001, DType::f32, ReduceOp::sum),
              Each(HasSubstr(odd + "(sum) of 9001 f32 (36004 bytes).")));
  EXPECT_THAT(mismatch(9000, DType::f64, ReduceOp::sum),
              Each(HasSubstr(odd + "(sum) of 9000 f64 (72000 bytes).")));
  EXPECT_THAT(mismatch(9000, DType::f32, ReduceOp::max),
              Each(HasSubstr(odd + "(max) of 9000 f32 (36000 bytes).")));
}

// Calls that look alike, but are for different things.
TEST_P(FailureConformance, DifferentPurposesAreNamedWhileDebugging) {
  const auto body = [](Communicator& comm) {
    float value = 1;
    comm.set_context("task 1, sum of a", "sum of a");
    comm.all_reduce(&value, &value, 1, DType::f32, ReduceOp::sum);
    const std::string second = comm.rank() == 0 ? "sum of b" : "sum of c";
    comm.set_context("task " + std::to_string(2 + comm.rank()) + ", " + second, second);
    comm.all_reduce(&value, &value, 1, DType::f32, ReduceOp::sum);
  };
  EXPECT_THAT(run(body, milliseconds(10'000)), Each(std::string()));
  const auto errors = run(body, milliseconds(10'000), true);
  EXPECT_THAT(errors, Each(HasSubstr("rank 0 makes all-reduce (sum) of 1 f32 (4 bytes), call 2 of "
                                     "the group during `task 2, sum of b`; rank")));
  EXPECT_THAT(errors, Each(HasSubstr("call 2 of the group during `task 3, sum of c`")));
}

// Short broadcasts may be compared as late as with the next call of another kind.
TEST_P(FailureConformance, DifferentBroadcastsAreFound) {
  const auto different = [&](const RankBody& odd_one, const RankBody& others) {
    return run(
        [&](Communicator& comm) {
          (comm.rank() == comm.size() - 1 ? odd_one : others)(comm);
          comm.barrier();
        },
        milliseconds(10'000));
  };
  const auto broadcast = [](int root, size_t bytes) {
    return [=](Communicator& comm) {
      std::vector<char> data(bytes);
      comm.broadcast(data.data(), bytes, root);
    };
  };
  const RankBody nothing = [](Communicator&) {};
  const auto disagree = Each(HasSubstr("the ranks disagree on their next call: "));
  EXPECT_THAT(different(broadcast(1, 8), broadcast(0, 8)), disagree);
  EXPECT_THAT(different(broadcast(0, 16), broadcast(0, 8)), disagree);
  EXPECT_THAT(different(broadcast(0, 100'000), broadcast(0, 8)), disagree);
  EXPECT_THAT(different(nothing, broadcast(0, 8)), disagree);
  EXPECT_THAT(different(broadcast(0, 8), nothing), disagree);
}

TEST_P(FailureConformance, ABroadcastThatNobodyPostsTimesOut) {
  const auto errors = run(
      [](Communicator& comm) {
        if (comm.rank() == 0) std::this_thread::sleep_for(milliseconds(700));
        int value = 0;
        comm.broadcast(&value, sizeof value, 0);
        comm.barrier();
      },
      milliseconds(300));
  for (int r = 1; r < ranks(); ++r)
    EXPECT_THAT(errors[r], HasSubstr("broadcast of 4 bytes from rank 0 "));
  EXPECT_THAT(errors.back(), HasSubstr("rank 0 has not arrived"));
}

TEST_P(FailureConformance, DifferentBlocksOfOneTotalAreNamed) {
  const auto errors = run(
      [](Communicator& comm) {
        std::vector<size_t> counts(static_cast<size_t>(comm.size()), 4);
        if (comm.rank() == 0) counts[0] = 5, counts[1] = 3;
        std::vector<int32_t> send(8), recv(4 * counts.size());
        comm.all_gather(send.data(), recv.data(), counts, DType::i32);
      },
      milliseconds(10'000));
  EXPECT_THAT(errors, Each(AllOf(HasSubstr("counts 5 3"), HasSubstr("counts 4 4"))));
}

TEST_P(FailureConformance, UnequalPairsAreNamed) {
  const auto errors = run(
      [](Communicator& comm) {
        std::vector<size_t> out(static_cast<size_t>(comm.size()), 4), in = out;
        if (comm.rank() == 0) out[1] = 5;
        std::vector<float> send(64), recv(64);
        comm.all_to_all(send.data(), out, recv.data(), in, DType::f32);
      },
      milliseconds(10'000));
  EXPECT_THAT(errors, Each(HasSubstr("rank 0 sends 5 elements to rank 1, which expects 4")));
}

TEST_P(FailureConformance, TimeoutNamesTheCallAndTheMissingRank) {
  const auto errors = run(
      [](Communicator& comm) {
        if (comm.rank() == comm.size() - 1) std::this_thread::sleep_for(milliseconds(700));
        comm.set_context("task 17 all-reduce of dw1, mlp.tess:12");
        float values[3] = {};
        comm.all_reduce(values, values, 3, DType::f32, ReduceOp::sum);
      },
      milliseconds(300));
  EXPECT_THAT(errors, Each(ContainsRegex("timed out after [0-9.]+ s: rank " + last() +
                                         " has not arrived. See what it is doing; if only slow, "
                                         "raise the timeout")));
  for (int r = 0; r < ranks(); ++r)
    EXPECT_THAT(errors[r], HasSubstr("rank " + std::to_string(r) +
                                     ": all-reduce (sum) of 3 f32 (12 bytes) during `task 17 "
                                     "all-reduce of dw1, mlp.tess:12` "));
  EXPECT_THAT(errors.back(), ContainsRegex("ended after [0-9.]+ s: rank "));
}

TEST_P(FailureConformance, ExceptionOfOneRankEndsTheWaitsOfOthers) {
  const auto start = CommClock::now();
  const auto errors = run(
      [](Communicator& comm) {
        comm.barrier();
        if (comm.rank() == comm.size() - 1) throw std::runtime_error("disk full");
        double value = 1;
        comm.all_reduce(&value, &value, 1, DType::f64, ReduceOp::sum);
      },
      milliseconds(30'000));
  EXPECT_LT(CommClock::now() - start, std::chrono::seconds(5));
  for (int r = 0; r + 1 < ranks(); ++r)
    EXPECT_THAT(errors[r], AllOf(HasSubstr("rank " + std::to_string(r) + ": all-reduce"),
                                 HasSubstr("rank " + last() + " failed: disk full")));
  EXPECT_EQ(errors.back(), "disk full");
}

TEST_P(FailureConformance, FailureReachesOtherGroupsAndStays) {
  const auto errors = run(
      [](Communicator& comm) {
        const bool odd_one = comm.rank() == comm.size() - 1;
        auto group = comm.split(odd_one ? 1 : 0, 0);
        comm.barrier();
        if (odd_one) throw std::runtime_error("out of memory");
        std::string text;
        try {
          for (;;) {  // ends because a rank outside this group fails
            if (group->size() > 1) group->barrier();
            comm.barrier();
          }
        } catch (const CommError& error) {
          text = error.what();
        }
        RANK_EXPECT(text.find("failed: out of memory") != std::string::npos);
        float value = 0;
        comm.all_reduce(&value, &value, 1, DType::f32, ReduceOp::sum);
      },
      milliseconds(30'000));
  for (int r = 0; r + 1 < ranks(); ++r)
    EXPECT_THAT(errors[r], AllOf(HasSubstr("all-reduce (sum) of 1 f32 (4 bytes) ended after"),
                                 HasSubstr("rank " + last() + " failed: out of memory")));
}

TEST_P(FailureConformance, MessageThatNobodySendsTimesOut) {
  const auto errors = run(
      [](Communicator& comm) {
        int value = 0;
        if (comm.rank() == 0) comm.recv(&value, sizeof(value), 1, 4);
      },
      milliseconds(200));
  EXPECT_THAT(errors[0],
              ContainsRegex("rank 0: recv of 4 bytes from rank 1 timed out after [0-9.]+ s: rank "
                            "1 has not arrived"));
  for (int r = 1; r < ranks(); ++r) EXPECT_EQ(errors[r], "");
}

TEST_P(FailureConformance, MessagesOfAnotherSizeAreNamed) {
  for (const int sent : {4, 16}) {
    const auto errors = run(
        [sent](Communicator& comm) {
          char data[16] = {};
          if (comm.rank() == 1) comm.send(data, static_cast<size_t>(sent), 0, 4);
          if (comm.rank() == 0) comm.recv(data, 8, 1, 4);
        },
        milliseconds(5'000));
    EXPECT_THAT(errors[0],
                AllOf(HasSubstr("rank 1 sent "), HasSubstr(" to rank 0, which expects 8")));
  }
}

// Under mpirun with one rank there is nothing to instantiate.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FailureConformance);
INSTANTIATE_TEST_SUITE_P(Ranks, FailureConformance, testing::ValuesIn(several_ranks()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tessera

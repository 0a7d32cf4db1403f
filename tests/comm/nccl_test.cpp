// What can go wrong in the middle of a call of NCCL. That it does what a transport must is seen
// from the suite of all transports (conformance_test.cpp).
#include <gmock/gmock.h>

#include "tests/base/same_arguments.h"
#include "tests/comm/nccl_ranks.h"

#if __has_include(<nccl.h>)
#include <nccl.h>
#endif

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::chrono::milliseconds kLong{20'000};

std::vector<std::string> reduce_on(int ranks, std::chrono::milliseconds timeout,
                                   const std::function<void(int rank)>& before = {}) {
  CommOptions options;
  options.timeout = timeout;
  return run_nccl_threads(ranks, options, [&](Communicator& comm) {
    if (before) before(comm.rank());
    comm.set_context("task 3, all-reduce dw, net.tess:7");
    std::vector<float> values(1000, 1.0f);
    comm.all_reduce(values.data(), values.data(), values.size(), DType::f32, ReduceOp::sum);
    RANK_EXPECT(values[999] == static_cast<float>(comm.size()));
  });
}

const char* const kCall = "all-reduce (sum) of 1000 f32 (4000 bytes) during `task 3, all-reduce dw";

TEST(Nccl, SaysWhatItReportsItself) {
  break_simulated_nccl(1);
  const auto start = CommClock::now();
  const auto errors = reduce_on(3, kLong);
  break_simulated_nccl(-1);
  EXPECT_LT(CommClock::now() - start, std::chrono::seconds(5));
  EXPECT_THAT(errors[1], AllOf(HasSubstr("rank 1: "), HasSubstr(kCall),
                               HasSubstr("NCCL says: remote process exited")));
  for (const size_t other : {0, 2})
    EXPECT_THAT(errors[other], AllOf(HasSubstr(kCall), HasSubstr("rank 1 failed: NCCL says")));
  EXPECT_THAT(reduce_on(3, kLong), testing::Each(std::string()));
}

TEST(Nccl, AbortsWhatDoesNotEndInTime) {
  stall_simulated_nccl(0);
  const auto errors = reduce_on(2, std::chrono::milliseconds(300));
  stall_simulated_nccl(-1);
  for (const std::string& error : errors)
    EXPECT_THAT(error, AllOf(HasSubstr(kCall), HasSubstr("NCCL has not ended it in time")));
}

// The peer is in the middle of the call when the rank dies.
TEST(Nccl, AbortsWhenAPeerFails) {
  stall_simulated_nccl(0);
  const auto errors = [&] {
    CommOptions options;
    options.timeout = kLong;
    return run_nccl_threads(2, options, [&](Communicator& comm) {
      float value = 1;
      if (comm.rank() == 1) {
        std::thread dying([&] {
          std::this_thread::sleep_for(std::chrono::milliseconds(200));
          comm.fail("killed by signal 9");
        });
        try {
          comm.all_reduce(&value, &value, 1, DType::f32, ReduceOp::sum);
        } catch (...) {
          dying.join();
          throw;
        }
        dying.join();
      } else {
        comm.all_reduce(&value, &value, 1, DType::f32, ReduceOp::sum);
      }
    });
  }();
  stall_simulated_nccl(-1);
  for (const std::string& error : errors)
    EXPECT_THAT(error, AllOf(HasSubstr("all-reduce (sum) of 1 f32 (4 bytes) ended after"),
                             HasSubstr("rank 1 failed: killed by signal 9")));
}

TEST(Nccl, StaysFailed) {
  CommOptions options;
  options.timeout = std::chrono::milliseconds(300);
  stall_simulated_nccl(0);
  const auto errors = run_nccl_threads(2, options, [&](Communicator& comm) {
    float value = 1;
    EXPECT_THROW(comm.all_reduce(&value, &value, 1, DType::f32, ReduceOp::sum), CommError);
    comm.barrier();
  });
  stall_simulated_nccl(-1);
  for (const std::string& error : errors) EXPECT_THAT(error, HasSubstr("barrier ended after"));
}

#if __has_include(<nccl.h>)
#define EXPECT_DECLARED(member, function)                                                 \
  static_assert(SameArguments<decltype(NcclLibrary::member), decltype(&function)>::value, \
                #function " is declared otherwise in nccl.h")

EXPECT_DECLARED(version, ncclGetVersion);
EXPECT_DECLARED(error_text, ncclGetErrorString);
EXPECT_DECLARED(unique_id, ncclGetUniqueId);
EXPECT_DECLARED(init, ncclCommInitRankConfig);
EXPECT_DECLARED(destroy, ncclCommDestroy);
EXPECT_DECLARED(abort, ncclCommAbort);
EXPECT_DECLARED(async_error, ncclCommGetAsyncError);
EXPECT_DECLARED(group_start, ncclGroupStart);
EXPECT_DECLARED(group_end, ncclGroupEnd);
EXPECT_DECLARED(all_reduce, ncclAllReduce);
EXPECT_DECLARED(reduce, ncclReduce);
EXPECT_DECLARED(broadcast, ncclBroadcast);
EXPECT_DECLARED(all_gather, ncclAllGather);
EXPECT_DECLARED(reduce_scatter, ncclReduceScatter);
EXPECT_DECLARED(send, ncclSend);
EXPECT_DECLARED(recv, ncclRecv);

static_assert(sizeof(NcclLibrary::UniqueId) == sizeof(ncclUniqueId));
static_assert(offsetof(NcclLibrary::Config, blocking) == offsetof(ncclConfig_t, blocking));
static_assert(sizeof(NcclLibrary::Config) <= sizeof(ncclConfig_t));

TEST(Nccl, CountsAsItsHeaderDoes) {
  const ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  EXPECT_EQ(NcclLibrary::Config().magic, config.magic);
  EXPECT_EQ(static_cast<int>(ncclInProgress), NcclLibrary::kInProgress);
  const std::vector<std::pair<int, int>> numbers = {
      {NcclLibrary::i8, ncclInt8},     {NcclLibrary::u8, ncclUint8},
      {NcclLibrary::i32, ncclInt32},   {NcclLibrary::i64, ncclInt64},
      {NcclLibrary::f16, ncclFloat16}, {NcclLibrary::f32, ncclFloat32},
      {NcclLibrary::f64, ncclFloat64}, {NcclLibrary::bf16, ncclBfloat16},
      {NcclLibrary::sum, ncclSum},     {NcclLibrary::prod, ncclProd},
      {NcclLibrary::max, ncclMax},     {NcclLibrary::min, ncclMin}};
  for (const auto& [ours, theirs] : numbers) EXPECT_EQ(ours, theirs);
}
#endif

}  // namespace
}  // namespace tessera

#include "comm/board.h"

#include <gmock/gmock.h>

#include <functional>
#include <thread>

#include "base/error.h"

namespace tessera {
namespace {

// Lets a test decide what happens while a rank waits.
class Waiting : public FailureRecord {
 public:
  std::function<void()> then = [] {};

 protected:
  void poll() override { then(); }
};

// Two ranks disagree. Rank 1 runs out of time just when both have said what they call: that step
// succeeded, so its own words still count, and not that it gave up.
TEST(Board, GivingUpTooLateLeavesWhatTheRankCalls) {
  std::vector<BoardMemory::Slot> storage(BoardMemory::bytes(2) / sizeof(BoardMemory::Slot) + 1);
  BoardMemory* memory = BoardMemory::create(storage.data(), 2);
  Waiting failures[2];
  std::atomic<bool> first_waits = false;
  const auto until = [](const std::function<bool()>& holds) {
    while (!holds()) std::this_thread::yield();
  };
  // Rank 0 comes first, and last to the step in which both say what they call.
  failures[0].then = [&] {
    first_waits = true;
    until([&] { return memory->slots()[1].arrived >= 2; });
  };
  failures[1].then = [&] {
    until([&] { return memory->released >= 2; });
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  };
  std::string errors[2];
  const auto call = [&](int rank, CallKind kind, std::chrono::milliseconds timeout) {
    Board board(memory, {rank, {0, 1}, timeout}, failures[rank]);
    CallInfo info;
    info.call.kind = kind;
    info.world_rank = rank;
    info.start = CommClock::now();
    try {
      board.agree(info);
    } catch (const CommError& error) {
      errors[rank] = error.what();
    }
  };
  std::thread first([&] { call(0, CallKind::barrier, std::chrono::seconds(60)); });
  until([&] { return first_waits.load(); });
  std::thread second([&] { call(1, CallKind::split, std::chrono::milliseconds(1)); });
  first.join();
  second.join();
  for (const std::string& error : errors)
    EXPECT_THAT(error, testing::HasSubstr("rank 0 makes barrier; rank 1 makes split"));
}

}  // namespace
}  // namespace tessera

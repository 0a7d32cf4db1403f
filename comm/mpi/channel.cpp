#include "comm/mpi/channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "base/error.h"

namespace tessera {
namespace {

// In front of what is sent along: the call, up to the end of a cache line.
constexpr size_t kHead = 64;
static_assert(sizeof(Call) <= kHead);

// MPI counts bytes in an int.
constexpr size_t kLongestMessage = size_t{256} << 20;

int message_bytes(size_t left) {
  return static_cast<int>(std::min(left, kLongestMessage));
}

}  // namespace

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw CommError(fmt::format("{} failed: {}", call, text));
}

bool mpi_is_over() {
  int over = 0;
  MPI_Finalized(&over);
  return over != 0;
}

// Requests in progress, and what each was.
struct Channel::Pending {
  struct Part {
    int peer;
    int bytes;
    bool incoming;
    int* received = nullptr;  // where the length goes of what may be shorter
  };
  std::vector<MPI_Request> requests;
  std::vector<Part> parts;
  std::vector<int> completed;
  std::vector<MPI_Status> statuses;
  size_t left = 0;
};

Channel::Channel(MPI_Comm comm, BoardMember member, std::shared_ptr<MpiFailureRecord> failure)
    : comm_(comm), member_(std::move(member)), failure_(std::move(failure)) {
  check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

// After a failure messages may still be under way, and Open MPI would deliver them to the next
// communicator that gets the freed one's number. So a failed one is kept until MPI ends.
Channel::~Channel() {
  if (!mpi_is_over() && !failure_->look()) MPI_Comm_free(&comm_);
}

void Channel::start(Pending& pending, std::span<const Outgoing> out, std::span<const Incoming> in,
                    int tag) {
  auto add = [&](int peer, int bytes, bool incoming) {
    pending.requests.push_back(MPI_REQUEST_NULL);
    pending.parts.push_back({peer, bytes, incoming});
    return &pending.requests.back();
  };
  for (const Incoming& one : in) {
    size_t done = 0;
    do {
      const int bytes = message_bytes(one.bytes - done);
      MPI_Request* request = add(one.peer, bytes, true);
      check_mpi(MPI_Irecv(static_cast<char*>(one.data) + done, bytes, MPI_BYTE, one.peer, tag,
                          comm_, request),
                "MPI_Irecv");
      done += static_cast<size_t>(bytes);
    } while (done < one.bytes);
  }
  for (const Outgoing& one : out) {
    size_t done = 0;
    do {
      const int bytes = message_bytes(one.bytes - done);
      MPI_Request* request = add(one.peer, bytes, false);
      check_mpi(MPI_Isend(static_cast<const char*>(one.data) + done, bytes, MPI_BYTE, one.peer, tag,
                          comm_, request),
                "MPI_Isend");
      done += static_cast<size_t>(bytes);
    } while (done < one.bytes);
  }
  pending.left = pending.requests.size();
  pending.completed.resize(pending.left);
  pending.statuses.resize(pending.left);
}

void Channel::test(const CallInfo& info, Pending& pending) {
  int count = 0;
  const int code = MPI_Testsome(static_cast<int>(pending.requests.size()), pending.requests.data(),
                                &count, pending.completed.data(), pending.statuses.data());
  for (int i = 0; i < count; ++i) {
    const Pending::Part& part = pending.parts[pending.completed[i]];
    const MPI_Status& status = pending.statuses[i];
    if (code == MPI_ERR_IN_STATUS && status.MPI_ERROR != MPI_SUCCESS &&
        status.MPI_ERROR != MPI_ERR_TRUNCATE)
      check_mpi(status.MPI_ERROR, "MPI_Testsome");
    if (!part.incoming) continue;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    const bool truncated = code == MPI_ERR_IN_STATUS && status.MPI_ERROR == MPI_ERR_TRUNCATE;
    if (part.received != nullptr) *part.received = bytes;
    if (!truncated && (bytes == part.bytes || part.received != nullptr)) continue;
    const std::string text = fmt::format(
        "rank {} sent {} to rank {}, which expects {} bytes", member_.world_ranks[part.peer],
        truncated ? std::string("more") : fmt::format("{} bytes", bytes), info.world_rank,
        part.bytes);
    failure_->report(text);
    throw CommError(ended_text(info, text));
  }
  if (code != MPI_ERR_IN_STATUS) check_mpi(code, "MPI_Testsome");
  pending.left -= static_cast<size_t>(std::max(count, 0));
}

void Channel::give_up(const CallInfo& info, Pending& pending, bool timed_out) {
  std::vector<int> missing;
  for (const bool incoming : {true, false}) {
    for (size_t i = 0; i < pending.requests.size(); ++i)
      if (pending.requests[i] != MPI_REQUEST_NULL && pending.parts[i].incoming == incoming)
        missing.push_back(member_.world_ranks[pending.parts[i].peer]);
    if (!missing.empty()) break;  // who has not sent is at fault before who has not received
  }
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  for (size_t i = 0; i < pending.requests.size(); ++i) {
    if (pending.requests[i] == MPI_REQUEST_NULL) continue;
    if (pending.parts[i].incoming) MPI_Cancel(&pending.requests[i]);
    MPI_Request_free(&pending.requests[i]);
  }
  if (!timed_out) throw CommError(ended_text(info, failure_->text()));
  const std::string text = timeout_text(info, missing);
  failure_->report(text);
  throw CommError(text);
}

void Channel::wait(const CallInfo& info, Pending& pending) {
  const auto deadline = CommClock::now() + member_.timeout;
  Backoff backoff(size() <= static_cast<int>(std::thread::hardware_concurrency()));
  for (int round = 1;; ++round) {
    test(info, pending);
    if (pending.left == 0) return;
    if (backoff.pause() && round % 64 != 0) continue;
    const bool failed = failure_->look(), late = CommClock::now() >= deadline;
    if (failed || late) {
      test(info, pending);  // what came before the news still counts
      if (pending.left == 0) return;
      give_up(info, pending, !failed);
    }
    std::this_thread::sleep_for(backoff.sleep_time());
  }
}

void Channel::exchange(const CallInfo& info, std::span<const Outgoing> out,
                       std::span<const Incoming> in, int tag) {
  if (failure_->look()) throw CommError(ended_text(info, failure_->text()));
  Pending pending;
  start(pending, out, in, tag);
  if (pending.left > 0) wait(info, pending);
}

void Channel::gather_all(const CallInfo& info, const void* mine, size_t bytes, void* all) {
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  auto* to = static_cast<char*>(all);
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    out.push_back({mine, bytes, r});
    in.push_back({to + static_cast<size_t>(r) * bytes, bytes, r});
  }
  std::memcpy(to + static_cast<size_t>(rank()) * bytes, mine, bytes);
  exchange(info, out, in);
}

size_t Channel::slot() const {
  const size_t most = kHead + kAlong + 2 * sizeof(uint64_t) * member_.world_ranks.size();
  return (most + kHead - 1) / kHead * kHead;
}

std::vector<int> Channel::meet(const CallInfo& info, std::span<const Outgoing> along) {
  if (failure_->look()) throw CommError(ended_text(info, failure_->text()));
  const auto ranks = member_.world_ranks.size();
  size_t bytes = kHead;
  for (const Outgoing& one : along) bytes += kHead + one.bytes;
  parcel_.resize(bytes);
  met_.resize(ranks * slot());
  std::memcpy(parcel_.data(), &info.call, sizeof(Call));
  std::vector<Outgoing> out;
  for (int r = 0; r < size(); ++r) out.push_back({parcel_.data(), kHead, r});
  std::byte* next = parcel_.data() + kHead;
  for (const Outgoing& one : along) {
    TESSERA_CHECK(kHead + one.bytes <= slot()) << one.bytes << " bytes cannot go along with a call";
    std::memcpy(next, &info.call, sizeof(Call));
    if (one.bytes > 0) std::memcpy(next + kHead, one.data, one.bytes);
    out[static_cast<size_t>(one.peer)] = {next, kHead + one.bytes, one.peer};
    next += kHead + one.bytes;
  }
  out.erase(out.begin() + rank());
  std::vector<Incoming> in;
  for (size_t r = 0; r < ranks; ++r)
    if (static_cast<int>(r) != rank())
      in.push_back({met_.data() + r * slot(), slot(), static_cast<int>(r)});
  std::vector<int> got(ranks, 0);
  Pending pending;
  start(pending, out, in, 0);
  for (Pending::Part& part : pending.parts)
    if (part.incoming) part.received = &got[static_cast<size_t>(part.peer)];
  if (pending.left > 0) wait(info, pending);
  return got;
}

std::vector<std::span<const std::byte>> Channel::agree(const CallInfo& info,
                                                       std::span<const Outgoing> along) {
  const std::vector<int> got = meet(info, along);
  std::vector<Call> calls(got.size(), info.call);
  std::vector<std::span<const std::byte>> came(got.size());
  for (size_t r = 0; r < got.size(); ++r) {
    if (static_cast<int>(r) == rank()) continue;
    const auto bytes = static_cast<size_t>(got[r]);
    if (bytes < kHead) {
      const std::string text =
          fmt::format("rank {} sent {} bytes to rank {}, which expects its next call",
                      member_.world_ranks[r], bytes, info.world_rank);
      failure_->report(text);
      throw CommError(ended_text(info, text));
    }
    const std::byte* from = met_.data() + r * slot();
    std::memcpy(&calls[r], from, sizeof(Call));
    came[r] = {from + kHead, bytes - kHead};
  }
  if (std::all_of(calls.begin(), calls.end(),
                  [&](const Call& call) { return same_call(call, calls[0]); }))
    return came;
  using Text = std::array<char, BoardMemory::kTextBytes>;
  Text mine{};
  const std::string text = describe(info);
  std::memcpy(mine.data(), text.data(), std::min(text.size(), mine.size() - 1));
  std::vector<Text> texts(calls.size());
  gather_all(info, &mine, sizeof(Text), texts.data());
  std::vector<std::string> all;
  for (const Text& one : texts) all.emplace_back(one.data());
  reject(info, mismatch_text(all, member_.world_ranks));
}

void Channel::reject(const CallInfo& info, const std::string& text) {
  if (rank() == 0)
    failure_->report(text);
  else
    failure_->keep(text);
  throw CommError(ended_text(info, text));
}

}  // namespace tessera

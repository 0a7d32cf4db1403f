#include "comm/nccl/simulated_nccl.h"

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/error.h"
#include "comm/reduce.h"

namespace tessera {
namespace {

using Nccl = NcclLibrary;

constexpr Nccl::Result kRemoteError = 6, kInvalidUsage = 5;

std::atomic<int> broken_rank{-1};
std::atomic<int> stalled_rank{-1};

// What one rank brings to a collective, or one side to a message.
struct Part {
  const std::byte* send = nullptr;
  std::byte* recv = nullptr;
};

// The `n`th collective of a group: nobody takes results before all have brought their parts, and
// nobody leaves, or writes over a part, before all have taken theirs.
struct Meeting {
  std::vector<Part> parts;
  int brought = 0, taken = 0;
};

struct Clique {
  explicit Clique(int count) : ranks(count), aborted(static_cast<size_t>(count), 0) {}

  const int ranks;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<char> aborted;  // by rank
  std::map<int64_t, Meeting> meetings;
  std::map<std::pair<int, int>, std::vector<std::vector<std::byte>>> messages;  // from, to
  std::map<std::pair<int, int>, size_t> received;

  // False when the rank has aborted what it does.
  template <typename Ready>
  bool await(std::unique_lock<std::mutex>& lock, int rank, Ready ready) {
    const char& gone = aborted[static_cast<size_t>(rank)];
    changed.wait(lock, [&] { return gone != 0 || ready(); });
    return gone == 0;
  }

  using Take = std::function<void(const std::vector<Part>& parts)>;
  void meet(int64_t number, int rank, Part part, const Take& take, const Take& finish) {
    std::unique_lock lock(mutex);
    Meeting& meeting = meetings[number];
    meeting.parts.resize(static_cast<size_t>(ranks));
    meeting.parts[static_cast<size_t>(rank)] = part;
    ++meeting.brought;
    changed.notify_all();
    if (!await(lock, rank, [&] { return meeting.brought == ranks; })) return;
    lock.unlock();
    take(meeting.parts);
    lock.lock();
    ++meeting.taken;
    changed.notify_all();
    if (!await(lock, rank, [&] { return meeting.taken >= ranks; })) return;
    lock.unlock();
    finish(meeting.parts);
    lock.lock();
    if (++meeting.taken == 2 * ranks) meetings.erase(number);
    changed.notify_all();
  }

  void send(int from, int to, const std::byte* data, size_t bytes) {
    const std::lock_guard lock(mutex);
    messages[{from, to}].emplace_back(data, data + bytes);
    changed.notify_all();
  }

  void receive(int from, int to, std::byte* data, size_t bytes) {
    std::unique_lock lock(mutex);
    auto& list = messages[{from, to}];
    size_t& next = received[{from, to}];
    if (!await(lock, to, [&] { return next < list.size(); })) return;
    std::vector<std::byte> message = std::exchange(list[next++], {});
    TESSERA_CHECK(message.size() == bytes)
        << "simulated NCCL: " << message.size() << " bytes come, " << bytes << " are expected";
    std::copy(message.begin(), message.end(), data);
  }

  void stall(int rank) {
    std::unique_lock lock(mutex);
    await(lock, rank, [] { return false; });
  }
};

struct Comm {
  std::shared_ptr<Clique> clique;
  int rank = 0;
  int64_t collectives = 0;
  std::atomic<bool> failed{false};
};

std::mutex cliques_mutex;
std::map<std::string, std::weak_ptr<Clique>> cliques;

// The calls of an open group of this thread, and how deep it is.
struct Grouped {
  int depth = 0;
  std::vector<std::pair<Nccl::Stream, std::function<void()>>> calls;
  // They wait for what others send in their groups, so they come behind what is sent.
  std::vector<std::pair<Nccl::Stream, std::function<void()>>> receives;
};
thread_local Grouped grouped;

void start_calls() {
  std::map<Nccl::Stream, std::vector<std::function<void()>>> by_stream;
  for (auto* list : {&grouped.calls, &grouped.receives})
    for (auto& [stream, call] : std::exchange(*list, {}))
      by_stream[stream].push_back(std::move(call));
  for (auto& [stream, calls] : by_stream)
    static_cast<SimulatedNcclStream*>(stream)->enqueue([calls = std::move(calls)] {
      for (const auto& call : calls) call();
    });
}

Nccl::Result add(Comm& comm, Nccl::Stream stream, std::function<void()> call,
                 bool receives = false) {
  const int rank = comm.rank;
  const bool breaks = broken_rank == rank, stalls = stalled_rank == rank;
  if (breaks) comm.failed = true;
  if (breaks || stalls) call = [clique = comm.clique, rank] { clique->stall(rank); };
  (receives ? grouped.receives : grouped.calls).emplace_back(stream, std::move(call));
  if (grouped.depth == 0) start_calls();
  return Nccl::kSuccess;
}

DType dtype_of(int type) {
  switch (type) {
    case Nccl::i8:
      return DType::i8;
    case Nccl::i32:
      return DType::i32;
    case Nccl::i64:
      return DType::i64;
    case Nccl::f16:
      return DType::f16;
    case Nccl::f32:
      return DType::f32;
    case Nccl::f64:
      return DType::f64;
    case Nccl::bf16:
      return DType::bf16;
    default:
      return DType::u8;
  }
}

ReduceOp reduce_op_of(int op) {
  return op == Nccl::sum    ? ReduceOp::sum
         : op == Nccl::prod ? ReduceOp::prod
         : op == Nccl::max  ? ReduceOp::max
                            : ReduceOp::min;
}

std::byte* real(Nccl::Stream stream, const void* place, size_t bytes) {
  return bytes == 0 ? nullptr : static_cast<SimulatedNcclStream*>(stream)->real_place(place, bytes);
}

// Reduces `count` elements from `offset` bytes on of what every rank sends, into `recv` of the
// ranks that get them: `to` or, with -1, all.
Nccl::Result add_reduction(Nccl::Comm handle, Nccl::Stream stream, const void* send,
                           size_t send_bytes, void* recv, size_t offset, size_t count, int type,
                           int op, bool gets) {
  Comm& comm = *static_cast<Comm*>(handle);
  const size_t bytes = count * size_of(dtype_of(type));
  Part part{real(stream, send, send_bytes), gets ? real(stream, recv, bytes) : nullptr};
  return add(comm, stream,
             [=, clique = comm.clique, rank = comm.rank, number = comm.collectives++] {
               std::vector<std::byte> result(gets ? bytes : 0);
               const auto take = [&](const std::vector<Part>& parts) {
                 if (!gets) return;
                 std::vector<const void*> sources;
                 for (const Part& each : parts) sources.push_back(each.send + offset);
                 reduce(dtype_of(type), reduce_op_of(op), result.data(), sources, count);
               };
               const auto finish = [&](const std::vector<Part>&) {
                 std::copy(result.begin(), result.end(), part.recv);
               };
               clique->meet(number, rank, part, take, finish);
             });
}

Nccl::Result version(int* number) {
  *number = 21400;
  return Nccl::kSuccess;
}

const char* error_text(Nccl::Result result) {
  return result == kRemoteError    ? "remote process exited or there was a network error"
         : result == kInvalidUsage ? "invalid usage"
                                   : "no error";
}

Nccl::Result unique_id(Nccl::UniqueId* id) {
  static std::atomic<int> count{0};
  const std::string name = "clique " + std::to_string(++count);
  std::memcpy(id->internal, name.c_str(), name.size() + 1);
  return Nccl::kSuccess;
}

Nccl::Result init(Nccl::Comm* handle, int ranks, Nccl::UniqueId id, int rank,
                  Nccl::Config* config) {
  if (config->magic != Nccl::Config().magic) return kInvalidUsage;
  const std::lock_guard lock(cliques_mutex);
  std::weak_ptr<Clique>& known = cliques[id.internal];
  auto comm = std::make_unique<Comm>();
  comm->clique = known.lock();
  if (!comm->clique) known = comm->clique = std::make_shared<Clique>(ranks);
  comm->rank = rank;
  *handle = comm.release();
  return Nccl::kInProgress;
}

Nccl::Result destroy(Nccl::Comm handle) {
  delete static_cast<Comm*>(handle);
  return Nccl::kSuccess;
}

Nccl::Result abort(Nccl::Comm handle) {
  const std::unique_ptr<Comm> comm(static_cast<Comm*>(handle));
  const std::lock_guard lock(comm->clique->mutex);
  comm->clique->aborted[static_cast<size_t>(comm->rank)] = 1;
  comm->clique->changed.notify_all();
  return Nccl::kSuccess;
}

Nccl::Result async_error(Nccl::Comm handle, Nccl::Result* error) {
  *error = static_cast<Comm*>(handle)->failed ? kRemoteError : Nccl::kSuccess;
  return Nccl::kSuccess;
}

Nccl::Result group_start() {
  ++grouped.depth;
  return Nccl::kSuccess;
}

Nccl::Result group_end() {
  if (grouped.depth == 0) return kInvalidUsage;
  if (--grouped.depth == 0) start_calls();
  return Nccl::kSuccess;
}

Nccl::Result all_reduce(const void* send, void* recv, size_t count, int type, int op,
                        Nccl::Comm comm, Nccl::Stream stream) {
  return add_reduction(comm, stream, send, count * size_of(dtype_of(type)), recv, 0, count, type,
                       op, true);
}

Nccl::Result reduce_to(const void* send, void* recv, size_t count, int type, int op, int root,
                       Nccl::Comm comm, Nccl::Stream stream) {
  return add_reduction(comm, stream, send, count * size_of(dtype_of(type)), recv, 0, count, type,
                       op, static_cast<Comm*>(comm)->rank == root);
}

Nccl::Result reduce_scatter(const void* send, void* recv, size_t count, int type, int op,
                            Nccl::Comm handle, Nccl::Stream stream) {
  const Comm& comm = *static_cast<Comm*>(handle);
  const size_t bytes = count * size_of(dtype_of(type));
  return add_reduction(handle, stream, send, bytes * static_cast<size_t>(comm.clique->ranks), recv,
                       bytes * static_cast<size_t>(comm.rank), count, type, op, true);
}

Nccl::Result broadcast(const void* send, void* recv, size_t count, int type, int root,
                       Nccl::Comm handle, Nccl::Stream stream) {
  Comm& comm = *static_cast<Comm*>(handle);
  const size_t bytes = count * size_of(dtype_of(type));
  Part part{comm.rank == root ? real(stream, send, bytes) : nullptr, real(stream, recv, bytes)};
  return add(comm, stream,
             [=, clique = comm.clique, rank = comm.rank, number = comm.collectives++] {
               const auto take = [&](const std::vector<Part>& parts) {
                 const std::byte* from = parts[static_cast<size_t>(root)].send;
                 if (from != part.recv) std::copy(from, from + bytes, part.recv);
               };
               clique->meet(number, rank, part, take, [](const std::vector<Part>&) {});
             });
}

Nccl::Result all_gather(const void* send, void* recv, size_t count, int type, Nccl::Comm handle,
                        Nccl::Stream stream) {
  Comm& comm = *static_cast<Comm*>(handle);
  const size_t bytes = count * size_of(dtype_of(type));
  const auto ranks = static_cast<size_t>(comm.clique->ranks);
  Part part{real(stream, send, bytes), real(stream, recv, bytes * ranks)};
  return add(comm, stream,
             [=, clique = comm.clique, rank = comm.rank, number = comm.collectives++] {
               const auto take = [&](const std::vector<Part>& parts) {
                 for (size_t r = 0; r < ranks; ++r)
                   if (parts[r].send != part.recv + r * bytes)
                     std::copy(parts[r].send, parts[r].send + bytes, part.recv + r * bytes);
               };
               clique->meet(number, rank, part, take, [](const std::vector<Part>&) {});
             });
}

Nccl::Result send_to(const void* data, size_t count, int type, int peer, Nccl::Comm handle,
                     Nccl::Stream stream) {
  Comm& comm = *static_cast<Comm*>(handle);
  const size_t bytes = count * size_of(dtype_of(type));
  const std::byte* from = real(stream, data, bytes);
  return add(comm, stream, [=, clique = comm.clique, rank = comm.rank] {
    clique->send(rank, peer, from, bytes);
  });
}

Nccl::Result receive(void* data, size_t count, int type, int peer, Nccl::Comm handle,
                     Nccl::Stream stream) {
  Comm& comm = *static_cast<Comm*>(handle);
  const size_t bytes = count * size_of(dtype_of(type));
  std::byte* to = real(stream, data, bytes);
  return add(
      comm, stream,
      [=, clique = comm.clique, rank = comm.rank] { clique->receive(peer, rank, to, bytes); },
      true);
}

}  // namespace

const NcclLibrary& simulated_nccl() {
  static const NcclLibrary nccl = {version,    error_text,     unique_id,   init,
                                   destroy,    abort,          async_error, group_start,
                                   group_end,  all_reduce,     reduce_to,   broadcast,
                                   all_gather, reduce_scatter, send_to,     receive};
  return nccl;
}

void break_simulated_nccl(int rank) {
  broken_rank = rank;
}

void stall_simulated_nccl(int rank) {
  stalled_rank = rank;
}

}  // namespace tessera

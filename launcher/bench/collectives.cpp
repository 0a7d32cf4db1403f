#include "launcher/bench/collectives.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>

#include "base/error.h"
#include "comm/mpi/plain_mpi.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;             // in which each side has its turn
constexpr double kBatch = 200e-6;      // seconds of the calls between two looks at the clock
constexpr int32_t kMostInBatch = 256;  // calls
constexpr size_t kLeast = 4;
constexpr DType kType = DType::f32;

constexpr CallKind kKinds[] = {CallKind::all_reduce, CallKind::all_gather, CallKind::reduce_scatter,
                               CallKind::all_to_all, CallKind::broadcast};

std::string size_of_name(size_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB"};
  size_t unit = 0;
  while (bytes >= 1024 && bytes % 1024 == 0 && unit < 3) bytes /= 1024, ++unit;
  return fmt::format("{} {}", bytes, units[unit]);
}

// Do blocks of one rank make the vector?
bool in_blocks(CallKind kind) {
  return kind == CallKind::all_gather || kind == CallKind::reduce_scatter ||
         kind == CallKind::all_to_all;
}

// Memory for the vectors of both sides, of the kind that programs have for their tensors.
class Room {
 public:
  Room(Communicator& world, size_t most)
      : each_((most + kAlignment - 1) / kAlignment * kAlignment),
        block_(world.share(kVectors * each_)),
        own_(block_ ? 0 : kVectors * each_ / sizeof(float)) {}

  std::span<float> vector(size_t index, size_t elements) {
    auto* begin = block_ ? reinterpret_cast<float*>(block_->data()) : own_.data();
    return {begin + index * each_ / sizeof(float), elements};
  }

 private:
  static constexpr size_t kVectors = 3, kAlignment = 4096;
  const size_t each_;
  const std::unique_ptr<SharedBlock> block_;
  std::vector<float> own_;
};

// What both sides send and get.
class Vectors {
 public:
  Vectors(const CollectiveRow& row, Communicator& world, Room& room)
      : kind_(row.kind),
        count_(row.bytes / size_of(kType)),
        block_(count_ / static_cast<size_t>(world.size())),
        counts_(static_cast<size_t>(world.size()), block_),
        send_(room.vector(0, kind_ == CallKind::all_gather ? block_ : count_)),
        ours_(room.vector(1, kind_ == CallKind::reduce_scatter ? block_ : count_)),
        theirs_(room.vector(2, ours_.size())) {
    std::fill(ours_.begin(), ours_.end(), 0.0f);
    std::fill(theirs_.begin(), theirs_.end(), 0.0f);
    // Small whole numbers, whose sums are exact in any order.
    for (size_t i = 0; i < send_.size(); ++i)
      send_[i] = static_cast<float>((i + 3 * static_cast<size_t>(world.rank())) % 64);
    if (kind_ != CallKind::broadcast || world.rank() != 0) return;
    std::copy(send_.begin(), send_.end(), ours_.begin());
    std::copy(send_.begin(), send_.end(), theirs_.begin());
  }

  void run(Communicator& world) {
    switch (kind_) {
      case CallKind::broadcast:
        return world.broadcast(ours_.data(), count_ * size_of(kType), 0);
      case CallKind::all_gather:
        return world.all_gather(send_.data(), ours_.data(), counts_, kType);
      case CallKind::all_reduce:
        return world.all_reduce(send_.data(), ours_.data(), count_, kType, ReduceOp::sum);
      case CallKind::reduce_scatter:
        return world.reduce_scatter(send_.data(), ours_.data(), counts_, kType, ReduceOp::sum);
      default:
        return world.all_to_all(send_.data(), counts_, ours_.data(), counts_, kType);
    }
  }

  void run(PlainMpi& mpi) {
    switch (kind_) {
      case CallKind::broadcast:
        return mpi.broadcast(theirs_.data(), count_, kType, 0);
      case CallKind::all_gather:
        return mpi.all_gather(send_.data(), theirs_.data(), block_, kType);
      case CallKind::all_reduce:
        return mpi.all_reduce(send_.data(), theirs_.data(), count_, kType);
      case CallKind::reduce_scatter:
        return mpi.reduce_scatter(send_.data(), theirs_.data(), block_, kType);
      default:
        return mpi.all_to_all(send_.data(), theirs_.data(), block_, kType);
    }
  }

  bool equal() const {
    return std::memcmp(ours_.data(), theirs_.data(), ours_.size() * sizeof(float)) == 0;
  }

 private:
  CallKind kind_;
  size_t count_, block_;
  std::vector<size_t> counts_;
  std::span<float> send_, ours_, theirs_;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Seconds of one call, for each batch of them in about `seconds`. Ranks begin a batch together and
// its end is that of the last one.
std::vector<double> time_calls(Communicator& world, const std::function<void()>& call,
                               double seconds) {
  call();
  Clock::time_point start = Clock::now();
  call();
  int32_t batch = static_cast<int32_t>(
      std::clamp(kBatch / std::max(1e-9, seconds_since(start)), 1.0, double{kMostInBatch}));
  world.broadcast(&batch, sizeof batch, 0);
  std::vector<double> times;
  start = Clock::now();
  for (int32_t more = 1; more != 0;) {
    world.barrier();
    const Clock::time_point before = Clock::now();
    for (int32_t i = 0; i < batch; ++i) call();
    world.barrier();
    times.push_back(seconds_since(before) / batch);
    more = seconds_since(start) < seconds ? 1 : 0;
    world.broadcast(&more, sizeof more, 0);
  }
  return times;
}

RowResult measure_row(Communicator& world, PlainMpi& mpi, const CollectiveRow& row, Room& room,
                      double seconds) {
  Vectors vectors(row, world, room);
  RowResult result;
  result.row.name = row.name();
  result.least_bytes = static_cast<double>(row.bytes);
  result.contenders.resize(2);
  result.contenders[0].name = "tessera";
  result.contenders[1].name = "mpi";
  result.contenders[1].version = PlainMpi::version();
  const std::function<void()> calls[] = {[&] { vectors.run(world); }, [&] { vectors.run(mpi); }};
  for (int round = 0; round < kRounds; ++round)
    for (size_t side = 0; side < 2; ++side) {
      const std::vector<double> times = time_calls(world, calls[side], seconds / kRounds);
      std::vector<double>& all = result.contenders[side].seconds;
      all.insert(all.end(), times.begin(), times.end());
    }
  for (Contender& each : result.contenders) std::sort(each.seconds.begin(), each.seconds.end());
  int32_t different = vectors.equal() ? 0 : 1, all = 0;
  world.all_reduce(&different, &all, 1, DType::i32, ReduceOp::sum);
  if (all > 0) result.problem = fmt::format("on {} ranks the result is not MPI's", all);
  return result;
}

}  // namespace

std::string CollectiveRow::name() const {
  return fmt::format("{} {} {}", name_of(kind), name_of(kType), size_of_name(bytes));
}

std::vector<CollectiveRow> collective_rows(int ranks, size_t most, const std::string& filter) {
  std::vector<CollectiveRow> rows;
  for (const CallKind kind : kKinds)
    for (size_t bytes = kLeast; bytes <= most; bytes *= bytes < (size_t{256} << 10) ? 16 : 4) {
      const CollectiveRow row{kind, bytes};
      if (in_blocks(kind) && bytes % (size_of(kType) * static_cast<size_t>(ranks)) != 0) continue;
      if (row.name().find(filter) != std::string::npos) rows.push_back(row);
    }
  if (rows.empty())
    throw UserError(fmt::format(
        "no collective has `{}` in its name; names are like `all-reduce f32 64 MiB`, and --list "
        "prints them",
        filter));
  return rows;
}

SuiteResult measure_collectives(Communicator& world, const std::vector<CollectiveRow>& rows,
                                double seconds, const std::function<void(size_t)>& done) {
  PlainMpi mpi;
  SuiteResult result;
  result.suite.name = "collectives";
  result.suite.title = fmt::format("of {} ranks, beside MPI's own", world.size());
  size_t most = 0;
  for (const CollectiveRow& row : rows) most = std::max(most, row.bytes);
  Room room(world, most);
  for (const CollectiveRow& row : rows) {
    result.rows.push_back(measure_row(world, mpi, row, room, seconds));
    done(result.rows.size());
  }
  return result;
}

}  // namespace tessera

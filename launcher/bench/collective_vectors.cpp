#include "launcher/bench/collective_vectors.h"

#include <algorithm>
#include <cstring>

#include "base/stopwatch.h"

namespace tessera {
namespace {

constexpr double kBatch = 200e-6;      // seconds of the calls between two looks at the clock
constexpr int32_t kMostInBatch = 256;  // calls
constexpr size_t kVectors = 3, kAlignment = 4096;
constexpr DType kType = DType::f32;

}  // namespace

bool goes_in_blocks(CallKind kind) {
  return kind == CallKind::all_gather || kind == CallKind::reduce_scatter ||
         kind == CallKind::all_to_all;
}

CollectiveRoom::CollectiveRoom(Communicator& group, size_t most_bytes)
    : each_((most_bytes + kAlignment - 1) / kAlignment * kAlignment),
      block_(group.share(kVectors * each_)),
      own_(block_ ? 0 : kVectors * each_ / sizeof(float)) {}

std::span<float> CollectiveRoom::vector(size_t index, size_t elements) {
  auto* begin = block_ ? reinterpret_cast<float*>(block_->data()) : own_.data();
  return {begin + index * each_ / sizeof(float), elements};
}

CollectiveVectors::CollectiveVectors(CallKind kind, size_t bytes, Communicator& group,
                                     CollectiveRoom& room)
    : kind_(kind),
      count_(bytes / size_of(kType)),
      block_(count_ / static_cast<size_t>(group.size())),
      counts_(static_cast<size_t>(group.size()), block_),
      send_(room.vector(0, kind_ == CallKind::all_gather ? block_ : count_)),
      ours_(room.vector(1, kind_ == CallKind::reduce_scatter ? block_ : count_)),
      theirs_(room.vector(2, ours_.size())) {
  std::fill(ours_.begin(), ours_.end(), 0.0f);
  std::fill(theirs_.begin(), theirs_.end(), 0.0f);
  // Small whole numbers, whose sums are exact in any order.
  for (size_t i = 0; i < send_.size(); ++i)
    send_[i] = static_cast<float>((i + 3 * static_cast<size_t>(group.rank())) % 64);
  if (kind_ != CallKind::broadcast || group.rank() != 0) return;
  std::copy(send_.begin(), send_.end(), ours_.begin());
  std::copy(send_.begin(), send_.end(), theirs_.begin());
}

void CollectiveVectors::run(Communicator& group) {
  switch (kind_) {
    case CallKind::broadcast:
      return group.broadcast(ours_.data(), count_ * size_of(kType), 0);
    case CallKind::all_gather:
      return group.all_gather(send_.data(), ours_.data(), counts_, kType);
    case CallKind::all_reduce:
      return group.all_reduce(send_.data(), ours_.data(), count_, kType, ReduceOp::sum);
    case CallKind::reduce_scatter:
      return group.reduce_scatter(send_.data(), ours_.data(), counts_, kType, ReduceOp::sum);
    default:
      return group.all_to_all(send_.data(), counts_, ours_.data(), counts_, kType);
  }
}

void CollectiveVectors::run(PlainMpi& mpi) {
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

bool CollectiveVectors::equal() const {
  return std::memcmp(ours_.data(), theirs_.data(), ours_.size() * sizeof(float)) == 0;
}

std::vector<double> time_calls(Communicator& group, const std::function<void()>& call,
                               double seconds) {
  call();
  Stopwatch start;
  call();
  int32_t batch = static_cast<int32_t>(
      std::clamp(kBatch / std::max(1e-9, start.seconds()), 1.0, double{kMostInBatch}));
  group.broadcast(&batch, sizeof batch, 0);
  std::vector<double> times;
  start = Stopwatch();
  for (int32_t more = 1; more != 0;) {
    group.barrier();
    const Stopwatch before;
    for (int32_t i = 0; i < batch; ++i) call();
    group.barrier();
    times.push_back(before.seconds() / batch);
    more = start.seconds() < seconds ? 1 : 0;
    group.broadcast(&more, sizeof more, 0);
  }
  return times;
}

}  // namespace tessera

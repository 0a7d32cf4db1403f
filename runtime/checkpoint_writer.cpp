#include "runtime/checkpoint_writer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "comm/work_together.h"
#include "ir/print.h"
#include "runtime/memory_check.h"

namespace tessera {
namespace {

template <typename Result>
bool ready(const std::future<Result>& future) {
  return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

// Runs `work` on a thread of its own, which lets those that compute go first.
template <typename Work>
auto beside(Work work) {
  return std::async(std::launch::async, [work = std::move(work)] {
    constexpr int kPoliteness = 10;
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kPoliteness);  // of this thread
    return work();
  });
}

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace

CheckpointWriter::CheckpointWriter(Executable& executable, Communicator& world, std::string dir,
                                   size_t keep, FileSystem disk)
    : executable_(executable),
      world_(world),
      dir_(std::move(dir)),
      keep_(keep),
      disk_(std::move(disk)) {
  for (const Border& stored : executable.sharded().stored) {
    if (!stored.first_copy) continue;
    stored_.push_back(&stored);
    bytes_ += volume(stored.box) * static_cast<int64_t>(size_of(stored.global.type()));
  }
  require_memory_together(world_, bytes_, "the copy that checkpoints are written from");
  copy_.resize(static_cast<size_t>(bytes_));
}

CheckpointWriter::~CheckpointWriter() = default;  // a future of std::async waits

void CheckpointWriter::copy() {
  std::byte* to = copy_.data();
  for (const Border* stored : stored_) {
    const size_t bytes = static_cast<size_t>(volume(stored->box)) * size_of(stored->global.type());
    executable_.executor().read(stored->local, {to, bytes});
    to += bytes;
  }
}

void CheckpointWriter::start(const CheckpointFacts& facts) {
  finish();
  facts_ = facts;
  copy();
  std::vector<TensorToWrite> tensors;
  const std::byte* from = copy_.data();
  for (const Border* stored : stored_) {
    const size_t bytes = static_cast<size_t>(volume(stored->box)) * size_of(stored->global.type());
    tensors.push_back(
        {stored->name, stored->global.type(), shape(stored->box), std::span(from, bytes)});
    from += bytes;
  }
  shard_ = beside([this, tensors = std::move(tensors)] {
    return write_shard(disk_, dir_, facts_.step, world_.rank(), world_.size(), tensors);
  });
  phase_ = Phase::writing;
}

bool CheckpointWriter::at_work() {
  if (phase_ == Phase::writing) return !ready(shard_);
  if (phase_ != Phase::committing || !commit_.valid()) return false;
  if (!ready(commit_)) return true;
  commit_.get();
  return false;
}

std::vector<WrittenFile> CheckpointWriter::exchange(const WrittenFile& mine) {
  const std::vector<size_t> counts(static_cast<size_t>(world_.size()), 2);
  const int64_t said[2] = {static_cast<int64_t>(mine.bytes), static_cast<int64_t>(mine.hash)};
  std::vector<int64_t> all(2 * counts.size());
  world_.set_context("telling what was written of a checkpoint");
  world_.all_gather(said, all.data(), counts, DType::i64);
  std::vector<WrittenFile> shards;
  for (size_t rank = 0; rank < counts.size(); ++rank)
    shards.push_back(
        {static_cast<uint64_t>(all[2 * rank]), static_cast<uint64_t>(all[2 * rank + 1])});
  return shards;
}

void CheckpointWriter::advance() {
  if (phase_ == Phase::writing) {
    const std::vector<WrittenFile> shards = exchange(shard_.get());
    if (world_.rank() == 0)
      commit_ = beside([this, manifest = manifest(shards)] {
        commit_checkpoint(disk_, dir_, manifest);
        keep_newest(disk_, dir_, keep_ + 1);
      });
    phase_ = Phase::committing;
  } else {
    phase_ = Phase::idle;
  }
}

void CheckpointWriter::finish() {
  while (!idle()) {
    work_together(world_, "writing a checkpoint", [&] {
      if (phase_ == Phase::writing) shard_.wait();
      if (phase_ == Phase::committing && commit_.valid()) commit_.get();
    });
    advance();
  }
}

Manifest CheckpointWriter::manifest(const std::vector<WrittenFile>& shards) const {
  const ShardedProgram& sharded = executable_.sharded();
  Manifest manifest;
  manifest.step = facts_.step;
  manifest.seed = facts_.seed;
  manifest.data = facts_.data;
  manifest.program = print(executable_.program());
  manifest.plan = to_text(executable_.plan());
  manifest.settings = facts_.settings;
  manifest.ranks = world_.size();
  manifest.written = utc_now();
  for (int rank = 0; rank < world_.size(); ++rank) {
    const WrittenFile& shard = shards[static_cast<size_t>(rank)];
    manifest.shards.push_back({shard_name(rank, world_.size()), shard.bytes, shard.hash});
  }
  for (const Border& stored : sharded.stored) {
    ManifestTensor tensor{stored.name,
                          stored.global.type(),
                          extents(stored.global.dims()),
                          stored.global.role() == Role::parameter,
                          {}};
    for (int rank = 0; rank < world_.size(); ++rank) {
      const Box box = local_box(tensor.shape, stored.sharding, sharded.mesh, rank);
      const bool held = std::any_of(tensor.pieces.begin(), tensor.pieces.end(),
                                    [&](const ManifestPiece& piece) { return piece.box == box; });
      if (!held) tensor.pieces.push_back({static_cast<size_t>(rank), box});
    }
    manifest.tensors.push_back(std::move(tensor));
  }
  return manifest;
}

}  // namespace tessera

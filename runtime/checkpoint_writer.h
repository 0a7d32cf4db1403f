#pragma once

#include <future>
#include <string>
#include <vector>

#include "runtime/executable.h"
#include "storage/checkpoint.h"

namespace tessera {

// What a checkpoint says beside the values.
struct CheckpointFacts {
  int64_t step = 0;
  uint64_t seed = 0;
  DataPosition data;
  std::string settings;  // that the plan was made by
};

// Writes checkpoints of an executable while its steps go on: `start` copies what this rank stores,
// and a thread writes the copy. A rank stores the parts for which it is the first holder, so each
// element is written once.
//
// All calls but `at_work` are made by every rank, in the same order. Between `start` and the end
// all ranks go through two phases, each of which is over when no rank is at work in it:
//
//   writing      every rank writes its shard
//   committing   rank 0 writes the manifest, renames the folder and removes old checkpoints
//
//   writer.start(facts);
//   …  steps, and after some of them:  if (nobody is at_work()) writer.advance();
//   writer.finish();
class CheckpointWriter {
 public:
  // `keep` checkpoints stay beside the newest. `executable` and `world` must outlive it.
  CheckpointWriter(Executable& executable, Communicator& world, std::string dir, size_t keep,
                   FileSystem disk = {});
  // Waits for this rank's file operations.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Finishes the checkpoint before, if there is one in the making.
  void start(const CheckpointFacts& facts);
  bool idle() const { return phase_ == Phase::idle; }
  // Is this rank still at work in the phase? Throws what went wrong.
  bool at_work();
  // From a phase in which no rank is at work any more to the next.
  void advance();
  // Waits until the checkpoint is committed.
  void finish();

  int64_t bytes() const { return bytes_; }  // that this rank copies for each

 private:
  enum class Phase { idle, writing, committing };

  void copy();
  Manifest manifest(const std::vector<WrittenFile>& shards) const;
  std::vector<WrittenFile> exchange(const WrittenFile& mine);

  Executable& executable_;
  Communicator& world_;
  const std::string dir_;
  const size_t keep_;
  const FileSystem disk_;
  std::vector<const Border*> stored_;  // what this rank writes
  int64_t bytes_ = 0;
  std::vector<std::byte> copy_;
  CheckpointFacts facts_;
  Phase phase_ = Phase::idle;
  std::future<WrittenFile> shard_;
  std::future<void> commit_;
};

}  // namespace tessera

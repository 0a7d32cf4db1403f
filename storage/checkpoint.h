#pragma once

#include <optional>
#include <string>
#include <vector>

#include "storage/file_system.h"
#include "storage/manifest.h"
#include "storage/safetensors.h"
#include "storage/tensor_file.h"

namespace tessera {

// A folder of checkpoints:
//
//   step-00000500/manifest.json                        says what belongs to it
//   step-00000500/shard-00000-of-00002.safetensors     what rank 0 of 2 stores
//   step-00000500/shard-00001-of-00002.safetensors
//   step-00001000.writing/                             not finished: means nothing
//
// Every rank writes its shard into the .writing folder and makes it durable. When all have, rank 0
// writes the manifest, makes it durable, and renames the folder; the rename is the commit. So
// whatever happens, at any point, a folder without an ending is a whole checkpoint. The folder must
// be one for all ranks: several hosts share it.

struct CheckpointPlace {
  int64_t step = 0;
  std::string folder;
};

// Those that were committed, the newest first; none where `dir` does not exist.
std::vector<CheckpointPlace> list_checkpoints(const std::string& dir);

std::string checkpoint_folder(const std::string& dir, int64_t step);
std::string shard_name(int rank, int ranks);

// On every rank, any time before the commit.
WrittenFile write_shard(const FileSystem& disk, const std::string& dir, int64_t step, int rank,
                        int ranks, std::vector<TensorToWrite> tensors);

// On rank 0, after all shards are durable. Throws DeviceError when a shard is not there as the
// manifest says, as on a host whose folder is another one.
void commit_checkpoint(const FileSystem& disk, const std::string& dir, const Manifest& manifest);

// Removes all but the newest `count`; each is renamed first, so that none is left in part.
void keep_newest(const FileSystem& disk, const std::string& dir, size_t count);
// Removes what unfinished writing and removing has left. Nobody else may be writing there.
void remove_leftovers(const FileSystem& disk, const std::string& dir);
// Puts a damaged checkpoint out of the way, as step-00000500.damaged; returns its new place.
std::string set_aside(const FileSystem& disk, const CheckpointPlace& place);

Manifest read_manifest(const std::string& folder);

// Reads a whole shard. Throws UserError unless it has the bytes and the hash that the manifest
// says.
void verify_shard(const std::string& folder, const Manifest& manifest, size_t shard);
// All of them.
void verify_checkpoint(const std::string& folder, const Manifest& manifest);

// Its tensors, put together from the shards; hashes are not compared.
std::unique_ptr<TensorFile> open_checkpoint(const std::string& folder, Manifest manifest);

}  // namespace tessera

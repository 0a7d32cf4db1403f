#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "ir/box.h"

namespace tessera {

struct ManifestShard {
  std::string file;  // beside the manifest
  uint64_t bytes = 0;
  uint64_t hash = 0;  // XXH3 of all of them
};

// The box of a tensor that lies in a shard, under the tensor's name.
struct ManifestPiece {
  size_t shard = 0;
  Box box;
};

struct ManifestTensor {
  std::string name;
  DType type = DType::f32;
  std::vector<int64_t> shape;
  bool trained = true;  // a parameter, else a state
  std::vector<ManifestPiece> pieces;
};

// Where the next step takes its data from.
struct DataPosition {
  int64_t epoch = 0;     // complete ones
  int64_t batch = 0;     // within the epoch
  int64_t examples = 0;  // seen so far, over all epochs
  std::string content;   // a hash of what the data is; empty: not known
};

// What a checkpoint is: manifest.json in its folder. Whoever can read it knows which files belong
// to the checkpoint, what each must hash to, and where every element of every tensor is.
struct Manifest {
  int64_t step = 0;  // steps that were done
  uint64_t seed = 0;
  DataPosition data;
  std::string program;   // in normal form, as text
  std::string plan;      // as text (partition/plan.h)
  std::string settings;  // that the plan was made by, as text
  int ranks = 1;
  std::string written;  // when, UTC
  std::vector<ManifestShard> shards;
  std::vector<ManifestTensor> tensors;
};

// JSON with a hash of itself.
std::string to_json(const Manifest& manifest);

// Reads and checks it all: the hash, numbers and types, that files have plain names and are named
// once, and that the pieces of each tensor cover it without overlaps. Throws UserError that begins
// with `file`.
Manifest parse_manifest(const std::string& text, const std::string& file);

}  // namespace tessera

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/file_reader.h"
#include "storage/file_system.h"
#include "storage/tensor_file.h"

namespace tessera {

// The format safetensors: 8 bytes with the length of the header, little-endian; the header, a JSON
// object that gives each tensor its type, shape and range of bytes in what follows; the data,
// row-major and little-endian. For two tensors:
//
//   {"__metadata__":{"format":"pt"},
//    "v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
//    "w":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}}

// Where a tensor's bytes are in the file.
struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;
  std::vector<uint64_t> offsets;  // from the start of the file
  std::map<std::string, std::string> metadata;
};

// Reads and checks: the header is at most 100 MB and no longer than the file, names no tensor
// twice, and the ranges follow from types and shapes and cover the data without gaps or overlaps.
SafetensorsHeader read_safetensors_header(const FileReader& file);

std::unique_ptr<TensorFile> open_safetensors(FileReader file);

// One tensor to be written; `data` has its shape's bytes.
struct TensorToWrite {
  std::string name;
  DType type = DType::f32;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
  // Instead of `data`, for what is not to be in memory at once: gives them piece by piece, in
  // order.
  using Write = std::function<void(std::span<const std::byte> piece)>;
  std::function<void(const Write& write)> give = {};
};

// The order in which tensors lie in a file: of the size of their elements, then of names, so that
// each begins at a multiple of that size.
bool lies_before(const TensorToWrite& a, const TensorToWrite& b);

// What became of a file that was written.
struct WrittenFile {
  uint64_t bytes = 0;
  uint64_t hash = 0;  // XXH3 of all of them
};

// Writes a new file at `path`, durable but not atomic: for files that get their meaning from
// another one.
WrittenFile write_safetensors(const FileSystem& disk, const std::string& path,
                              std::vector<TensorToWrite> tensors,
                              const std::map<std::string, std::string>& metadata);

// The same, all or nothing.
void replace_safetensors(const FileSystem& disk, const std::string& path,
                         std::vector<TensorToWrite> tensors,
                         const std::map<std::string, std::string>& metadata);

}  // namespace tessera

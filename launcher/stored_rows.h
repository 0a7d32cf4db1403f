#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/dataset.h"
#include "storage/file_reader.h"

namespace tessera {

// An array in a file, of which the first dim counts examples.
struct StoredRows {
  std::string name;    // in its file; "" where the file is one array
  std::string origin;  // "x.npy", "data.npz: x", for messages
  DType type = DType::f32;
  std::vector<int64_t> row_shape;
  int64_t examples = 0;
  // Where the rows lie one after the other, as they are to be:
  std::shared_ptr<const FileReader> file;
  uint64_t offset = 0;
  // Where they do not (packed, or in Fortran order), what gives all of their bytes.
  std::function<std::vector<std::byte>()> unpack;

  size_t row_bytes() const;
  int64_t bytes() const { return examples * static_cast<int64_t>(row_bytes()); }
};

// The arrays of a file, whichever of these it is, by its content: .npy, an IDX file of unsigned
// bytes (plain or gzip), .npz, .safetensors. UserError, with the file, what was found and what is
// allowed, for any other.
std::vector<StoredRows> rows_in(const std::string& file);

// The rows of a file that has no header and holds nothing but them. UserError unless it is a whole
// number of rows, and at least one.
StoredRows raw_rows(const std::string& file, DType type, const std::vector<int64_t>& row_shape);

// The file itself, or of a folder the files in it, in the order of their names; those that begin
// with a dot are passed over. UserError for a folder without files.
std::vector<std::string> shard_files(const std::string& path);

// One field from its shards, one after the other, up to `limit` examples; not loaded yet.
struct FieldToLoad {
  std::string name;
  std::vector<StoredRows> shards;
  int64_t bytes = 0;
};
// UserError where shards disagree about type or shape.
FieldToLoad join_shards(const std::string& name, std::vector<StoredRows> shards,
                        std::optional<int64_t> limit);

// The fields, of which the smallest are loaded, as long as all that are loaded take no more than
// `most_bytes`; the others stay in their files, and are read row by row. What is packed is loaded
// in any case; DeviceError when there is not that much memory.
std::vector<Field> load_fields(std::vector<FieldToLoad> fields, int64_t most_bytes);

}  // namespace tessera

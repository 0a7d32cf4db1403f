#include "launcher/stored_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/host_memory.h"
#include "base/units.h"
#include "launcher/idx.h"
#include "storage/npy.h"
#include "storage/safetensors.h"
#include "storage/zip.h"

namespace tessera {
namespace {

using File = std::shared_ptr<const FileReader>;

// Takes the first dim for the count of examples.
StoredRows rows_of(std::string name, std::string origin, DType type, std::vector<int64_t> shape) {
  StoredRows rows;
  rows.name = std::move(name);
  rows.origin = std::move(origin);
  if (shape.empty())
    throw UserError(rows.origin +
                    ": holds a single value; data needs a first dim that counts "
                    "examples");
  count_elements(rows.origin, shape);
  rows.type = type;
  rows.examples = shape.front();
  rows.row_shape.assign(shape.begin() + 1, shape.end());
  return rows;
}

StoredRows npy_rows(const std::string& path, File file) {
  const NpyHeader header = read_npy_header(path);
  StoredRows rows = rows_of("", path, header.type, header.shape);
  rows.file = std::move(file);
  rows.offset = header.data_offset;
  if (header.fortran) rows.unpack = [path] { return read_npy(path).data; };
  return rows;
}

StoredRows idx_rows(const std::string& path, File file, bool packed) {
  const std::vector<int64_t> shape = read_idx_shape(path);
  StoredRows rows = rows_of("", path, DType::u8, shape);
  if (packed) {
    constexpr uint64_t kMostDeflated = 1032;  // bytes that one packed byte can stand for
    if (static_cast<uint64_t>(rows.bytes()) / kMostDeflated > file->size())
      throw UserError(
          fmt::format("{}: its IDX header announces {} bytes, more than its {} packed ones can "
                      "hold; the file is damaged",
                      path, rows.bytes(), file->size()));
    rows.unpack = [path] { return read_idx(path).data; };
    return rows;
  }
  rows.offset = 4 + 4 * shape.size();
  const uint64_t wanted = rows.offset + static_cast<uint64_t>(rows.bytes());
  if (file->size() != wanted)
    throw UserError(
        fmt::format("{}: has {} bytes, and its IDX header announces {}; the file is "
                    "damaged",
                    path, file->size(), wanted));
  rows.file = std::move(file);
  return rows;
}

std::vector<StoredRows> npz_rows(const std::string& path, const File& file) {
  std::vector<StoredRows> found;
  for (const ZipMember& member : read_zip(*file)) {
    const std::string origin = path + ": " + member.name;
    if (!member.name.ends_with(".npy"))
      throw UserError(origin + " is no .npy file, so this is no .npz archive");
    const NpyHeader header =
        read_npy_header(origin, member.size, [&](uint64_t offset, size_t bytes) {
          const std::string start = zip_member_start(*file, member, offset + bytes);
          return start.substr(std::min<size_t>(offset, start.size()));
        });
    StoredRows rows =
        rows_of(member.name.substr(0, member.name.size() - 4), origin, header.type, header.shape);
    if (static_cast<uint64_t>(rows.bytes()) + header.data_offset != member.size)
      throw UserError(fmt::format("{}: has {} bytes of data, and its header announces {}", origin,
                                  member.size - header.data_offset, rows.bytes()));
    rows.file = file;
    rows.offset = member.offset + header.data_offset;
    if (member.deflated || header.fortran)
      rows.unpack = [file, member, header] {
        std::vector<std::byte> data = read_zip_member(*file, member);
        data.erase(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(header.data_offset));
        return npy_array(header, std::move(data)).data;
      };
    found.push_back(std::move(rows));
  }
  return found;
}

std::vector<StoredRows> safetensors_rows(const std::string& path, const File& file) {
  std::vector<StoredRows> found;
  const SafetensorsHeader header = read_safetensors_header(*file);
  for (size_t i = 0; i < header.tensors.size(); ++i) {
    const StoredTensor& tensor = header.tensors[i];
    const std::string origin = path + ": " + tensor.name;
    if (!tensor.type)
      throw UserError(origin + " is " + describe(tensor) +
                      ", a type that Tessera does not have; "
                      "it has " +
                      dtype_names());
    StoredRows rows = rows_of(tensor.name, origin, *tensor.type, tensor.shape);
    rows.file = file;
    rows.offset = header.offsets[i];
    found.push_back(std::move(rows));
  }
  return found;
}

}  // namespace

size_t StoredRows::row_bytes() const {
  return static_cast<size_t>(count_elements(origin, row_shape)) * size_of(type);
}

std::vector<StoredRows> rows_in(const std::string& path) {
  const auto file = std::make_shared<const FileReader>(path);
  const std::string start = file->text(0, std::min<uint64_t>(8, file->size()));
  const auto begins = [&](std::string_view with) {
    return start.compare(0, with.size(), with) == 0;
  };
  if (begins("\x93NUMPY")) return {npy_rows(path, file)};
  if (begins("PK")) return npz_rows(path, file);
  if (begins("\x1f\x8b")) return {idx_rows(path, file, true)};
  if (begins({"\0\0\x08", 3})) return {idx_rows(path, file, false)};
  if (path.ends_with(".safetensors") ||
      (start.size() == 8 && file->size() > 8 && file->text(8, 1) == "{"))
    return safetensors_rows(path, file);
  std::string bytes;
  for (const char c : start.substr(0, 4))
    bytes += fmt::format(" {:02x}", static_cast<unsigned char>(c));
  throw UserError(path + ": begins with" + (bytes.empty() ? " nothing" : bytes) +
                  ", so it is no .npy, .npz, .safetensors or IDX file; .csv and .tsv files go by "
                  "their names, and .bin and .raw are read as bytes without a header");
}

StoredRows raw_rows(const std::string& path, DType type, const std::vector<int64_t>& row_shape) {
  StoredRows rows;
  rows.origin = path;
  rows.type = type;
  rows.row_shape = row_shape;
  rows.file = std::make_shared<const FileReader>(path);
  const uint64_t each = rows.row_bytes();
  if (each == 0 || rows.file->size() == 0 || rows.file->size() % each != 0)
    throw UserError(
        fmt::format("{}: has {} bytes, which is no whole number of examples of {} bytes "
                    "({}), as the program takes them",
                    path, rows.file->size(), each, describe(type, row_shape)));
  rows.examples = static_cast<int64_t>(rows.file->size() / each);
  return rows;
}

std::vector<std::string> shard_files(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    const bool hidden = entry.path().filename().string().starts_with(".");
    if (!hidden && entry.is_regular_file(error)) files.push_back(entry.path().string());
  }
  if (files.empty())
    throw UserError(path +
                    ": is a folder without files; shards of data are the files in it, in "
                    "the order of their names");
  std::sort(files.begin(), files.end());
  return files;
}

FieldToLoad join_shards(const std::string& name, std::vector<StoredRows> shards,
                        std::optional<int64_t> limit) {
  FieldToLoad field{name, {}, 0};
  int64_t left = limit.value_or(INT64_MAX);
  for (StoredRows& rows : shards) {
    const StoredRows& first = shards.front();
    if (rows.type != first.type || rows.row_shape != first.row_shape)
      throw UserError(rows.origin + ": holds examples of " + describe(rows.type, rows.row_shape) +
                      ", but " + first.origin + " holds " + describe(first.type, first.row_shape) +
                      "; shards must be alike");
    if (left == 0) break;
    if (rows.unpack && left < rows.examples)
      rows.unpack = [unpack = rows.unpack, bytes = static_cast<size_t>(left) * rows.row_bytes()] {
        std::vector<std::byte> data = unpack();
        data.resize(bytes);
        return data;
      };
    rows.examples = std::min(rows.examples, left);
    left -= rows.examples;
    field.bytes += rows.bytes();
    field.shards.push_back(rows);
  }
  return field;
}

namespace {

void load(Field& field, const FieldToLoad& from) {
  require_memory(from.bytes, "the data of " + from.shards.front().origin,
                 "lower data.memory, so that it stays in its files (not packed: numpy.savez and "
                 "not savez_compressed, gunzip), or lower data.limit");
  field.data.reserve(static_cast<size_t>(from.bytes));
  for (const StoredRows& rows : from.shards) {
    if (rows.unpack) {
      const std::vector<std::byte> data = rows.unpack();
      field.data.insert(field.data.end(), data.begin(), data.end());
      continue;
    }
    const size_t before = field.data.size();
    field.data.resize(before + static_cast<size_t>(rows.bytes()));
    rows.file->read(rows.offset, std::span(field.data).subspan(before));
  }
  if (from.shards.front().type == DType::b8)
    for (std::byte& each : field.data) each = std::byte{each != std::byte{0}};
}

}  // namespace

std::vector<Field> load_fields(std::vector<FieldToLoad> fields, int64_t most_bytes) {
  std::vector<size_t> by_size(fields.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return fields[a].bytes < fields[b].bytes; });
  std::vector<Field> loaded(fields.size());
  int64_t used = 0;
  for (const size_t i : by_size) {
    const FieldToLoad& from = fields[i];
    const StoredRows& first = from.shards.front();
    Field& field = loaded[i];
    field.name = from.name;
    field.is_bytes = first.type == DType::u8;
    field.type = field.is_bytes ? DType::i32 : first.type;
    field.row_shape = first.row_shape;
    const bool packed = std::any_of(from.shards.begin(), from.shards.end(),
                                    [](const StoredRows& rows) { return bool(rows.unpack); });
    if (packed || from.bytes <= most_bytes - used) {
      load(field, from);
      used += from.bytes;
      continue;
    }
    std::vector<RowReader::Part> parts;
    for (const StoredRows& rows : from.shards)
      parts.push_back({rows.file, rows.offset, rows.examples});
    field.rows = std::make_shared<const RowReader>(std::move(parts), first.row_bytes(),
                                                   first.type == DType::b8);
  }
  return loaded;
}

}  // namespace tessera

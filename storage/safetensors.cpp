#include "storage/safetensors.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "base/error.h"
#include "base/hash.h"
#include "ir/array_box.h"
#include "storage/byte_range.h"
#include "storage/npy.h"
#include "storage/safetensors_header.h"

namespace tessera {
namespace {

constexpr uint64_t kMostHeader = 100'000'000;
constexpr size_t kChunk = 8 << 20;
constexpr uint64_t kSyncEvery = 256 << 20;  // so that nobody waits for long for the last one

std::string little_endian_text(uint64_t value) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

uint64_t bytes_of(const std::string& path, const TensorToWrite& tensor) {
  return static_cast<uint64_t>(count_elements(path, tensor.shape)) * size_of(tensor.type);
}

class Safetensors : public TensorFile {
 public:
  explicit Safetensors(FileReader file) : TensorFile(file.path()), file_(std::move(file)) {
    SafetensorsHeader header = read_safetensors_header(file_);
    tensors_ = std::move(header.tensors);
    offsets_ = std::move(header.offsets);
  }

 private:
  Array do_read(size_t index, const Box& box) const override {
    const StoredTensor& tensor = tensors_[index];
    return read_box(file_, offsets_[index], *tensor.type, tensor.shape, box);
  }

  FileReader file_;
  std::vector<uint64_t> offsets_;
};

}  // namespace

SafetensorsHeader read_safetensors_header(const FileReader& file) {
  if (file.size() < 8)
    throw UserError(file.path() + ": has " + std::to_string(file.size()) +
                    " bytes, too few for a .safetensors file");
  const std::string start = file.text(0, 8);
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(start[i]);
  if (length > kMostHeader || length > file.size() - 8)
    throw UserError(
        fmt::format("{}: says that its safetensors header has {} bytes, but {}; the "
                    "file is damaged, or no .safetensors file",
                    file.path(), length,
                    length > kMostHeader ? fmt::format("at most {} are allowed", kMostHeader)
                                         : fmt::format("only {} follow", file.size() - 8)));
  SafetensorsHeader header = internal::parse_safetensors_header(file.path(), file.text(8, length),
                                                                file.size() - 8 - length);
  for (uint64_t& offset : header.offsets) offset += 8 + length;
  return header;
}

std::unique_ptr<TensorFile> open_safetensors(FileReader file) {
  return std::make_unique<Safetensors>(std::move(file));
}

bool lies_before(const TensorToWrite& a, const TensorToWrite& b) {
  return std::tuple(-static_cast<int>(size_of(a.type)), a.name) <
         std::tuple(-static_cast<int>(size_of(b.type)), b.name);
}

WrittenFile write_safetensors(const FileSystem& disk, const std::string& path,
                              std::vector<TensorToWrite> tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(), lies_before);
  const std::string header = internal::safetensors_header_text(tensors, metadata);
  const std::string start = little_endian_text(header.size()) + header;
  const std::unique_ptr<FileSystem::File> file = disk.create(path);
  WrittenFile written;
  Hasher hasher;
  uint64_t unsynced = 0;
  const auto write = [&](std::span<const std::byte> bytes) {
    file->write(bytes);
    hasher.add(bytes);
    written.bytes += bytes.size();
    unsynced += bytes.size();
    if (unsynced < kSyncEvery) return;
    file->sync();
    unsynced = 0;
  };
  write(std::as_bytes(std::span(start.data(), start.size())));
  for (const TensorToWrite& tensor : tensors) {
    const uint64_t end = written.bytes + bytes_of(path, tensor);
    for (size_t at = 0; at < tensor.data.size(); at += kChunk)
      write(tensor.data.subspan(at, std::min(kChunk, tensor.data.size() - at)));
    if (tensor.give) tensor.give(write);
    TESSERA_CHECK(written.bytes == end) << "`" << tensor.name << "` is not of its shape's length";
  }
  file->sync();
  written.hash = hasher.value();
  return written;
}

void replace_safetensors(const FileSystem& disk, const std::string& path,
                         std::vector<TensorToWrite> tensors,
                         const std::map<std::string, std::string>& metadata) {
  const std::string fresh = fmt::format("{}.tmp-{}", path, ::getpid());
  try {
    write_safetensors(disk, fresh, std::move(tensors), metadata);
    disk.rename(fresh, path);
  } catch (...) {
    remove_quietly(disk, fresh);
    throw;
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  disk.sync_folder(folder.empty() ? "." : folder);
}

}  // namespace tessera

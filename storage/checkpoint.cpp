#include "storage/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/error.h"
#include "base/hash.h"
#include "base/read_file.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr const char* kWriting = ".writing";
constexpr const char* kRemoving = ".removing";
constexpr const char* kDamaged = ".damaged";
constexpr const char* kManifest = "/manifest.json";

// 500 for "step-00000500"; nothing for other names.
std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(begin, end, step);
  if (result.ec != std::errc() || result.ptr != end || *begin == '-') return std::nullopt;
  return step;
}

std::vector<std::string> names_in(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto it = fs::directory_iterator(dir, error); !error && it != fs::directory_iterator();
       it.increment(error))
    names.push_back(it->path().filename());
  if (error && error != std::errc::no_such_file_or_directory)
    throw UserError(dir + ": cannot be read as a folder of checkpoints: " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string checkpoint_folder(const std::string& dir, int64_t step) {
  return fmt::format("{}/{}{:08}", dir, kPrefix, step);
}

std::string shard_name(int rank, int ranks) {
  return fmt::format("shard-{:05}-of-{:05}.safetensors", rank, ranks);
}

std::vector<CheckpointPlace> list_checkpoints(const std::string& dir) {
  std::vector<CheckpointPlace> places;
  for (const std::string& name : names_in(dir))
    if (const std::optional<int64_t> step = step_of(name))
      places.push_back({*step, dir + "/" + name});
  std::sort(places.begin(), places.end(),
            [](const CheckpointPlace& a, const CheckpointPlace& b) { return a.step > b.step; });
  return places;
}

WrittenFile write_shard(const FileSystem& disk, const std::string& dir, int64_t step, int rank,
                        int ranks, std::vector<TensorToWrite> tensors) {
  const std::string folder = checkpoint_folder(dir, step) + kWriting;
  disk.make_folder(folder);
  const WrittenFile written =
      write_safetensors(disk, folder + "/" + shard_name(rank, ranks), std::move(tensors),
                        {{"written_by", "tessera"}, {"part_of", "manifest.json"}});
  disk.sync_folder(folder);
  return written;
}

void commit_checkpoint(const FileSystem& disk, const std::string& dir, const Manifest& manifest) {
  const std::string folder = checkpoint_folder(dir, manifest.step);
  const std::string writing = folder + kWriting;
  for (const ManifestShard& shard : manifest.shards) {
    std::error_code error;
    const uintmax_t bytes = fs::file_size(writing + "/" + shard.file, error);
    if (error || bytes != shard.bytes)
      throw DeviceError(fmt::format(
          "{}/{}: a rank wrote {} bytes there, and rank 0 finds {}; the folder of checkpoints must "
          "be one that all hosts share",
          writing, shard.file, shard.bytes, error ? error.message() : std::to_string(bytes)));
  }
  const std::string text = to_json(manifest);
  const auto file = disk.create(writing + kManifest);
  file->write(std::as_bytes(std::span(text.data(), text.size())));
  file->sync();
  disk.sync_folder(writing);
  disk.rename(writing, folder);
  disk.sync_folder(dir);
}

void keep_newest(const FileSystem& disk, const std::string& dir, size_t count) {
  const std::vector<CheckpointPlace> places = list_checkpoints(dir);
  for (size_t i = count; i < places.size(); ++i) {
    disk.rename(places[i].folder, places[i].folder + kRemoving);
    disk.remove(places[i].folder + kRemoving);
  }
}

void remove_leftovers(const FileSystem& disk, const std::string& dir) {
  for (const std::string& name : names_in(dir))
    for (const std::string ending : {kWriting, kRemoving})
      if (name.ends_with(ending) && step_of(name.substr(0, name.size() - ending.size())))
        disk.remove(dir + "/" + name);
}

std::string set_aside(const FileSystem& disk, const CheckpointPlace& place) {
  std::string target = place.folder + kDamaged;
  for (int number = 2; fs::exists(target); ++number)
    target = fmt::format("{}{}-{}", place.folder, kDamaged, number);
  disk.rename(place.folder, target);
  return target;
}

Manifest read_manifest(const std::string& folder) {
  constexpr size_t kMostBytes = 256 << 20;
  const std::string file = folder + kManifest;
  const std::optional<std::string> text = read_regular_file(file, kMostBytes);
  if (!text) throw UserError(file + ": is not there; the checkpoint is damaged, or none");
  return parse_manifest(*text, file);
}

void verify_shard(const std::string& folder, const Manifest& manifest, size_t shard) {
  constexpr size_t kChunk = 8 << 20;
  const ManifestShard& stated = manifest.shards.at(shard);
  const FileReader file(folder + "/" + stated.file);
  if (file.size() != stated.bytes)
    throw UserError(fmt::format("{}: has {} bytes, and the manifest says {}; it is damaged",
                                file.path(), file.size(), stated.bytes));
  Hasher hasher;
  std::vector<std::byte> chunk;
  for (uint64_t at = 0; at < file.size(); at += chunk.size()) {
    chunk.resize(static_cast<size_t>(std::min<uint64_t>(kChunk, file.size() - at)));
    file.read(at, chunk);
    hasher.add(chunk);
  }
  if (hasher.value() != stated.hash)
    throw UserError(fmt::format("{}: has the hash {}, and the manifest says {}; it is damaged",
                                file.path(), hex(hasher.value()), hex(stated.hash)));
}

void verify_checkpoint(const std::string& folder, const Manifest& manifest) {
  for (size_t i = 0; i < manifest.shards.size(); ++i) verify_shard(folder, manifest, i);
}

}  // namespace tessera

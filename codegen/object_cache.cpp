#include "codegen/object_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/read_file.h"
#include "codegen/partial_path.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "tessera object 1";
constexpr const char* kSuffix = ".tso";
constexpr size_t kMostEntryBytes = size_t{256} << 20;

void put(std::string& text, uint64_t value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put(std::string& text, const std::string& value) {
  put(text, uint64_t{value.size()});
  text += value;
}

// Takes values off the front; false when there is not enough left.
bool take(std::string_view& text, uint64_t& value) {
  if (text.size() < sizeof value) return false;
  std::memcpy(&value, text.data(), sizeof value);
  text.remove_prefix(sizeof value);
  return true;
}
bool take(std::string_view& text, std::string& value) {
  uint64_t size = 0;
  if (!take(text, size) || text.size() < size) return false;
  value = text.substr(0, size);
  text.remove_prefix(size);
  return true;
}

std::string encode(const std::string& key, const CompiledObject& object) {
  std::string body;
  put(body, key);
  put(body, static_cast<uint64_t>(object.chunks));
  put(body, object.scratch_bytes);
  put(body, object.faults);
  put(body, object.object);
  std::string text(kMagic);
  put(text, hash_bytes(body));
  return text + body;
}

std::optional<CompiledObject> decode(const std::string& key, std::string_view text) {
  if (text.substr(0, kMagic.size()) != kMagic) return std::nullopt;
  text.remove_prefix(kMagic.size());
  uint64_t checksum = 0;
  if (!take(text, checksum) || checksum != hash_bytes(text)) return std::nullopt;
  CompiledObject object;
  std::string name;
  uint64_t chunks = 0;
  if (!take(text, name) || name != key || !take(text, chunks) ||
      !take(text, object.scratch_bytes) || !take(text, object.faults) ||
      !take(text, object.object) || !text.empty())
    return std::nullopt;
  object.chunks = static_cast<int64_t>(chunks);
  return object;
}

struct Entry {
  fs::path path;
  fs::file_time_type used;
  int64_t bytes;
};

// Files that vanish meanwhile, because another process evicts too, are passed over.
std::vector<Entry> entries_of(const std::string& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != kSuffix) continue;
    std::error_code gone;
    const fs::file_time_type used = it->last_write_time(gone);
    const auto bytes = static_cast<int64_t>(it->file_size(gone));
    if (!gone) entries.push_back({it->path(), used, bytes});
  }
  return entries;
}

}  // namespace

ObjectCache::ObjectCache(std::string folder, int64_t most_bytes)
    : folder_(std::move(folder)), most_bytes_(most_bytes) {}

std::string ObjectCache::path_of(const std::string& key) const {
  return folder_ + "/" + key + kSuffix;
}

std::optional<CompiledObject> ObjectCache::read(const std::string& key, bool& damaged) {
  damaged = false;
  const std::string path = path_of(key);
  std::optional<CompiledObject> object;
  try {
    const std::optional<std::string> text = read_regular_file(path, kMostEntryBytes);
    if (!text) return std::nullopt;
    object = decode(key, *text);
  } catch (const UserError& error) {
    log_warning("codegen", "{}; it is made again", error.what());
  }
  std::error_code ignored;  // a folder that can only be read still serves
  if (object) {
    fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  } else {
    damaged = true;
    fs::remove(path, ignored);
  }
  return object;
}

void ObjectCache::write(const std::string& key, const CompiledObject& object) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return complain(error.message());
  const std::string text = encode(key, object);
  const std::string path = path_of(key);
  const std::string partial = partial_path(path);
  {
    std::ofstream file(partial, std::ios::binary);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file.flush()) {
      fs::remove(partial, error);
      return complain("cannot write " + partial);
    }
  }
  fs::rename(partial, path, error);
  if (error) return complain(error.message());
  const std::lock_guard lock(mutex_);
  if (bytes_ >= 0) bytes_ += static_cast<int64_t>(text.size());
  if (bytes_ < 0 || bytes_ > most_bytes_) evict();
}

void ObjectCache::complain(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (complained_) return;
  complained_ = true;
  log_warning("codegen",
              "compiled kernels are not kept in {}: {}; set the cache folder to one "
              "that can be written, or turn the cache off",
              folder_, what);
}

void ObjectCache::evict() {
  std::vector<Entry> entries = entries_of(folder_);
  bytes_ = 0;
  for (const Entry& entry : entries) bytes_ += entry.bytes;
  if (bytes_ <= most_bytes_) return;
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (bytes_ <= most_bytes_ - most_bytes_ / 8) break;
    std::error_code gone;
    fs::remove(entry.path, gone);
    bytes_ -= entry.bytes;
  }
}

std::string default_cache_folder() {
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && *folder != '\0')
    return std::string(folder) + "/tessera";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::string(home) + "/.cache/tessera";
  return fmt::format("/tmp/tessera-{}", getuid());
}

}  // namespace tessera

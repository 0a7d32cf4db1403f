#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace tessera {

// A compiled kernel as it lies on disk.
struct CompiledObject {
  int64_t chunks = 0;
  uint64_t scratch_bytes = 0;
  std::string faults;  // one line each
  std::string object;

  bool operator==(const CompiledObject&) const = default;
};

// Compiled objects by key, one file each, in one folder that any number of threads and processes
// share: files appear whole or not at all, and what is damaged counts as absent. A folder that
// cannot be written is reported once and then does without.
class ObjectCache {
 public:
  ObjectCache(std::string folder, int64_t most_bytes);

  // The entry of `key` (a file name). Sets `damaged` when a file is there that is not whole; it is
  // removed.
  std::optional<CompiledObject> read(const std::string& key, bool& damaged);
  // Then removes the entries longest unused, if the folder has grown beyond its bound.
  void write(const std::string& key, const CompiledObject& object);

  const std::string& folder() const { return folder_; }

 private:
  std::string path_of(const std::string& key) const;
  void complain(const std::string& what);
  void evict();

  std::string folder_;
  int64_t most_bytes_;
  std::mutex mutex_;
  bool complained_ = false;
  int64_t bytes_ = -1;  // in the folder, as far as this process knows; -1: not counted yet
};

// $XDG_CACHE_HOME/tessera, ~/.cache/tessera, or a folder of this user below the system's temporary
// one.
std::string default_cache_folder();

}  // namespace tessera

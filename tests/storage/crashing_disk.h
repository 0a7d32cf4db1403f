#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/file_system.h"

namespace tessera {

struct Crash {};  // instead of an operation; the process is gone

// A disk for a process that ends just before its `budget + 1`st operation, every later one
// included. `lose` then makes of the folder what a machine without power may: files that were not
// synced are cut in half, and names that were made or changed in folders that were not synced are
// as before.
class CrashingDisk {
 public:
  explicit CrashingDisk(int budget) : budget_(budget) {}

  FileSystem disk() {
    return FileSystem([this](FileOperation what, const std::string& path, const std::string& to) {
      if (budget_-- <= 0) throw Crash{};
      note(what, path, to);
    });
  }
  bool crashed() const { return budget_ < 0; }

  void lose() const {
    namespace fs = std::filesystem;
    std::error_code ignored;
    for (auto it = names_.rbegin(); it != names_.rend(); ++it) {
      if (it->from.empty())
        fs::remove_all(it->now, ignored);
      else
        fs::rename(it->now, it->from, ignored);
    }
    for (const std::string& file : unsynced_)
      if (fs::exists(file)) fs::resize_file(file, fs::file_size(file) / 2, ignored);
  }

 private:
  struct Name {
    std::string from;  // "": it was made
    std::string now;
  };

  void note(FileOperation what, const std::string& path, const std::string& to) {
    namespace fs = std::filesystem;
    if (what == FileOperation::create) {
      unsynced_.insert(path);
      names_.push_back({"", path});
    } else if (what == FileOperation::make_folder) {
      if (!fs::exists(path)) names_.push_back({"", path});
    } else if (what == FileOperation::sync) {
      unsynced_.erase(path);
    } else if (what == FileOperation::rename) {
      names_.push_back({path, to});
    } else if (what == FileOperation::sync_folder) {
      std::erase_if(names_,
                    [&](const Name& name) { return fs::path(name.now).parent_path() == path; });
    }
  }

  int budget_;
  std::set<std::string> unsynced_;
  std::vector<Name> names_;  // not yet durable
};

}  // namespace tessera

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace tessera {

enum class FileOperation { make_folder, create, write, sync, rename, sync_folder, remove };

// Everything that checkpoints and model files do to a disk, one call an operation, so that tests
// can let any of them fail or be the last. Errors are DeviceErrors with the path, the system's
// reason and what to do. Nothing is swallowed: what `close` finds out is an error of `sync`.
//
//   FileSystem disk;
//   std::unique_ptr<FileSystem::File> file = disk.create("a.tmp");
//   file->write(bytes);  file->sync();
//   disk.rename("a.tmp", "a");  disk.sync_folder(".");       // now it is there, whatever happens
class FileSystem {
 public:
  // Called before each operation with the path that it is about, and with the new path of a rename;
  // what it throws stands for the operation's failure.
  using Observer =
      std::function<void(FileOperation what, const std::string& path, const std::string& to)>;

  FileSystem() = default;
  explicit FileSystem(Observer before) : before_(std::move(before)) {}

  // A file that is being written. Closed without `sync` it may hold anything after a crash.
  class File {
   public:
    File(const FileSystem& owner, std::string path, int descriptor);
    ~File();
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    void write(std::span<const std::byte> bytes);
    void sync();  // and closes

   private:
    const FileSystem& owner_;
    std::string path_;
    int descriptor_;
  };

  // With the folders above it; one that is there already is fine.
  void make_folder(const std::string& path) const;
  // Empty, or emptied when it was there.
  std::unique_ptr<File> create(const std::string& path) const;
  // Atomic. A file at `to` is replaced; a folder is not.
  void rename(const std::string& from, const std::string& to) const;
  // What was made, renamed and removed in a folder is durable afterwards. Some file systems cannot
  // do it (EINVAL); it is then as durable as they make it.
  void sync_folder(const std::string& path) const;
  // A file, or a folder with all that is in it; nothing when there is none.
  void remove(const std::string& path) const;

 private:
  void before(FileOperation what, const std::string& path, const std::string& to = "") const;

  Observer before_;
};

// For cleaning up after an error that is about to be thrown: one of its own would hide it.
void remove_quietly(const FileSystem& disk, const std::string& path);

}  // namespace tessera

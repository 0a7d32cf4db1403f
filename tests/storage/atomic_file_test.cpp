#include "storage/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

TEST(WriteFile, ReplacesAFileAsAWhole) {
  const TempFolder folder;
  const std::string file = folder.write("file", "old");
  struct stat before {};
  stat(file.c_str(), &before);
  write_file(file, "new");
  struct stat after {};
  stat(file.c_str(), &after);
  EXPECT_EQ(read_text(file), "new");
  EXPECT_NE(before.st_ino, after.st_ino) << "who has the old one open keeps it whole";
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(WriteFile, KeepsALinkAndReplacesWhatItLeadsTo) {
  const TempFolder folder;
  fs::create_directory(folder / "data");
  folder.write("data/file", "old");
  fs::create_symlink("data/file", folder / "near");  // relative to where the link lies
  fs::create_symlink(folder / "near", folder / "far");
  write_file(folder / "far", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "far"));
  EXPECT_TRUE(fs::is_symlink(folder / "near"));
  EXPECT_EQ(read_text(folder / "data/file"), "new");
  fs::create_symlink("data/none", folder / "dangling");
  write_file(folder / "dangling", "first");
  EXPECT_EQ(read_text(folder / "data/none"), "first");
  fs::create_symlink("circle", folder / "circle");
  EXPECT_EQ(message_of<DeviceError>([&] { write_file(folder / "circle", "x"); }),
            folder / "circle" + ": cannot write 1 bytes: Too many levels of symbolic links");
}

TEST(WriteFile, WritesToADeviceInsteadOfReplacingIt) {
  const TempFolder folder;
  fs::create_symlink("/dev/full", folder / "full");
  EXPECT_EQ(message_of<DeviceError>([&] { write_file(folder / "full", "text"); }),
            folder / "full" +
                ": cannot write 4 bytes: No space left on device; free some space or "
                "choose another folder");
  EXPECT_TRUE(fs::is_symlink(folder / "full"));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  fs::create_symlink("/dev/null", folder / "null");
  write_file(folder / "null", "text");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_EQ(message_of<DeviceError>([&] { write_file(folder.path(), "x"); }),
            folder.path() + ": cannot write 1 bytes: Is a directory");
}

TEST(WriteFile, WritesToAPipe) {
  const TempFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  const std::string much(1 << 20, 'x');
  std::string got;
  std::thread reader([&] { got = read_text(folder / "pipe"); });
  write_file(folder / "pipe", much);
  reader.join();
  EXPECT_EQ(got, much);
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
}

// As `--out y=/dev/stdout > file` does: what was printed before stays in front.
TEST(WriteFile, WritesToADescriptorOfOurs) {
  const TempFolder folder;
  const std::string file = folder.write("file", "");
  const int descriptor = open(file.c_str(), O_WRONLY);
  ASSERT_EQ(write(descriptor, "first ", 6), 6);
  write_file("/dev/fd/" + std::to_string(descriptor), "second");
  EXPECT_EQ(read_text(file), "first second");
  close(descriptor);
  EXPECT_EQ(message_of<DeviceError>(
                [&] { write_file("/proc/self/fd/" + std::to_string(descriptor), "x"); }),
            "/proc/self/fd/" + std::to_string(descriptor) +
                ": cannot write 1 bytes: Bad file descriptor");
}

TEST(WriteFile, KnowsWhenTwoPathsNameOneFile) {
  const TempFolder folder;
  const std::string file = folder.write("file", "");
  fs::create_symlink("file", folder / "link");
  fs::create_hard_link(file, folder / "twin");
  EXPECT_TRUE(name_one_file(file, folder / "./file"));
  EXPECT_TRUE(name_one_file(file, folder / "link"));
  EXPECT_TRUE(name_one_file(file, folder / "twin"));
  EXPECT_TRUE(name_one_file(folder / "new", folder / "./new"));
  EXPECT_TRUE(name_one_file("new", "./new"));
  EXPECT_FALSE(name_one_file("new", "./other"));
  EXPECT_FALSE(name_one_file(file, folder / "new"));
  EXPECT_FALSE(name_one_file("/dev/null", "/dev/null"));
}

}  // namespace
}  // namespace tessera

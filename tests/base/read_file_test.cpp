#include "base/read_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"

namespace tessera {
namespace {

class ReadFile : public testing::Test {
 protected:
  ReadFile() {
    std::string pattern = testing::TempDir() + "tessera_read_XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~ReadFile() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name), std::ios::binary) << text;
    return file(name);
  }
  std::string fifo() const {
    const std::string path = file("fifo");
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    return path;
  }
  static std::string error(const std::string& path, const ReadLimits& limits) {
    try {
      read_file(path, limits);
    } catch (const UserError& failure) {
      return failure.what();
    }
    return "no error";
  }

  std::string folder_;
};

const ReadLimits kSmall{"a note", 1024, 0.1};

TEST_F(ReadFile, TakesFilesUpToTheLimit) {
  EXPECT_EQ(read_file(write("empty", ""), kSmall), "");
  EXPECT_EQ(read_file(write("full", std::string(1024, 'x')), kSmall), std::string(1024, 'x'));
  const std::string large = write("large", std::string(1025, 'x'));
  EXPECT_EQ(error(large, kSmall), large + ": is larger than 1 KiB, the most that a note may have");
}

TEST_F(ReadFile, SaysWhatIsNoFile) {
  EXPECT_EQ(error(file("none"), kSmall),
            file("none") + ": cannot be opened: No such file or directory");
  EXPECT_EQ(error(folder_, kSmall), folder_ + ": is a folder, not a file");
  EXPECT_EQ(error("/dev/zero", kSmall),
            "/dev/zero: is larger than 1 KiB, the most that a note may have");
}

TEST_F(ReadFile, TakesWhatAWriterSendsThroughAPipe) {
  const std::string path = fifo();
  std::thread writer([&] {
    std::ofstream stream(path);
    stream << "first " << std::flush;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    stream << "second";
  });
  EXPECT_EQ(read_file(path, {"a note", 1024, 20}), "first second");
  writer.join();
}

TEST_F(ReadFile, WaitsForAWriterOnlySoLong) {
  const std::string path = fifo();
  const std::string late =
      path + ": did not end within 0.1 s; nobody writes to it, or too slowly: use a regular file";
  EXPECT_EQ(error(path, kSmall), late);
  const int writer = open(path.c_str(), O_RDWR);  // that never writes, and never ends
  EXPECT_EQ(error(path, kSmall), late);
  close(writer);
}

TEST_F(ReadFile, APipeWithoutAnEndStopsAtTheLimit) {
  const std::string path = fifo();
  const int both = open(path.c_str(), O_RDWR);
  const std::string text(4096, 'x');
  ASSERT_EQ(::write(both, text.data(), text.size()), 4096);
  EXPECT_EQ(error(path, kSmall), path + ": is larger than 1 KiB, the most that a note may have");
  close(both);
}

TEST_F(ReadFile, OfACacheIsRegularOrDamaged) {
  EXPECT_EQ(read_regular_file(file("none"), 100), std::nullopt);
  EXPECT_EQ(read_regular_file(write("note", "text"), 100), "text");
  EXPECT_THROW(read_regular_file(fifo(), 100), UserError);
  EXPECT_THROW(read_regular_file("/dev/zero", 100), UserError);
  EXPECT_THROW(read_regular_file(folder_, 100), UserError);
  EXPECT_THROW(require_regular_file("/dev/zero"), UserError);
  EXPECT_NO_THROW(require_regular_file(file("note")));
}

}  // namespace
}  // namespace tessera

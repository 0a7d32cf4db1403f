#include "launcher/scratch_folder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "launcher/spawn.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

TEST(ScratchFolder, GoesWithItsOwner) {
  std::string path;
  {
    const ScratchFolder folder(2);
    path = folder.path();
    std::ofstream(path + "/file") << "text";
    EXPECT_TRUE(fs::is_directory(path));
  }
  EXPECT_FALSE(fs::exists(path));
}

// Another process makes one and is killed.
TEST(ScratchFolder, OfADeadOwnerIsRemovedByTheNextAndThatOfALivingOneIsNot) {
  const ScratchFolder living(1);
  PipeEnds paths;
  const pid_t owner = fork();
  if (owner == 0) {
    const ScratchFolder folder(1);
    const std::string path = folder.path();
    if (write(paths.write, path.data(), path.size()) < 0) _exit(1);
    pause();
    _exit(0);
  }
  char text[4096] = {};
  ASSERT_GT(read(paths.read, text, sizeof text - 1), 0);
  const std::string dead = text;
  { const ScratchFolder next(1); }
  EXPECT_TRUE(fs::exists(dead)) << "its owner lives";
  kill(owner, SIGKILL);
  waitpid(owner, nullptr, 0);
  EXPECT_TRUE(fs::exists(dead));
  { const ScratchFolder next(1); }
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(living.path()));
}

TEST(ScratchFolder, SaysThatThereIsNoRoom) {
  constexpr int kRanks = 200'000'000;  // about 1 PiB
  const std::string text = message_of<DeviceError>([] { ScratchFolder folder(kRanks); });
  EXPECT_EQ(text.find("200000000 ranks that are processes share memory through files of up to "
                      "1200000016 MiB, for which there is no place: /dev/shm has "),
            0u)
      << text;
  EXPECT_NE(text.find("make room there, set TMPDIR to another folder, or use transport: local"),
            std::string::npos);
}

}  // namespace
}  // namespace tessera

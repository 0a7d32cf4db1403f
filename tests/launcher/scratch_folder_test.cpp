#include "launcher/scratch_folder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/error.h"
#include "launcher/orphans.h"
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

// Another process that has made one, and done something more.
class Owner {
 public:
  explicit Owner(const std::function<void(const ScratchFolder&)>& more = {}) {
    PipeEnds paths;
    pid_ = fork();
    if (pid_ == 0) {
      const ScratchFolder folder(1);
      const std::string path = folder.path();
      if (more) more(folder);
      if (write(paths.write, path.data(), path.size()) < 0) _exit(1);
      pause();
      _exit(0);
    }
    char text[4096] = {};
    if (read(paths.read, text, sizeof text - 1) > 0) folder_ = text;
  }
  pid_t pid() const { return pid_; }
  const std::string& folder() const { return folder_; }
  void end() const {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
  std::string folder_;
};

bool is_gone_within(double seconds, const std::string& path) {
  for (int tries = 0; tries < seconds / 0.02; ++tries) {
    if (!fs::exists(path)) return true;
    usleep(20'000);
  }
  return false;
}

TEST(ScratchFolder, OfAnOwnerThatIsKilledIsRemovedThoughItWasStillWrittenTo) {
  const Owner owner;
  ASSERT_TRUE(fs::is_directory(owner.folder()));
  std::ofstream(owner.folder() + "/file") << "text";
  owner.end();
  EXPECT_TRUE(is_gone_within(10, owner.folder())) << owner.folder();
}

// It is killed between the end of its job's processes and the removal of the folder.
TEST(ScratchFolder, HasItsKeeperWhenAllElseOfTheJobIsEnded) {
  const Owner owner([](const ScratchFolder& folder) {
    const pid_t child = fork();
    if (child == 0) pause();
    end_orphans();
    if (kill(child, 0) == 0) _exit(1);
  });
  ASSERT_TRUE(fs::is_directory(owner.folder()));
  owner.end();
  EXPECT_TRUE(is_gone_within(10, owner.folder())) << owner.folder();
}

TEST(ScratchFolder, ThatNobodyHoldsIsRemovedByTheNextAndThatOfALivingOneIsNot) {
  const ScratchFolder living(1);
  const std::string left = fs::path(living.path()).parent_path() / "tessera-job-left00";
  fs::create_directory(left);
  { const ScratchFolder next(1); }
  EXPECT_FALSE(fs::exists(left));
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

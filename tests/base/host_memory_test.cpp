#include "base/host_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
constexpr int64_t kMiB = 1 << 20;

// A machine with 8 GiB, 6 GiB of them free, whose /proc and /sys lie in a folder.
class HostMemory : public ::testing::Test {
 protected:
  HostMemory() {
    std::string pattern = (fs::temp_directory_path() / "tessera-memory-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write("/proc/meminfo",
          "MemTotal:        8388608 kB\nMemFree:          100 kB\nMemAvailable:    6291456 kB\n");
  }
  ~HostMemory() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  void write(const std::string& file, const std::string& text) const {
    fs::create_directories(fs::path(root_ + file).parent_path());
    std::ofstream(root_ + file) << text;
  }

  std::string root_;
};

TEST_F(HostMemory, IsTheMachines) {
  write("/proc/self/cgroup", "4:memory:/\n0::/\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  const MemoryLimit limit = host_memory(root_);
  EXPECT_EQ(limit.total, 8192 * kMiB);
  EXPECT_EQ(limit.available, 6144 * kMiB);
  EXPECT_EQ(limit.source, "the machine's memory");
}

// What is used counts, but for page cache; the tightest group around decides.
TEST_F(HostMemory, IsLessInAContainerOfVersion2) {
  write("/proc/self/cgroup", "0::/jobs/mine\n");
  write("/sys/fs/cgroup/jobs/mine/memory.max", "max\n");
  write("/sys/fs/cgroup/jobs/memory.max", "1073741824\n");
  write("/sys/fs/cgroup/jobs/memory.current", "838860800\n");
  write("/sys/fs/cgroup/jobs/memory.stat", "anon 1\ninactive_file 629145600\n");
  const MemoryLimit limit = host_memory(root_);
  EXPECT_EQ(limit.total, 1024 * kMiB);
  EXPECT_EQ(limit.available, 824 * kMiB);
  EXPECT_THAT(limit.source, HasSubstr("/sys/fs/cgroup/jobs/memory.max"));
}

TEST_F(HostMemory, IsLessInAContainerOfVersion1) {
  write("/proc/self/cgroup", "7:cpu,cpuacct:/\n4:memory:/docker/abc\n");  // seen from inside
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "104857600\n");
  const MemoryLimit limit = host_memory(root_);
  EXPECT_EQ(limit.total, 512 * kMiB);
  EXPECT_EQ(limit.available, 412 * kMiB);
}

TEST(RequireMemory, SaysWhatIsNeededWhatThereIsAndWhatToChange) {
  EXPECT_NO_THROW(require_memory(kMiB, "it", ""));
  try {
    require_memory(int64_t{1} << 50, "the array", "use a smaller one");
    FAIL() << "nothing was thrown";
  } catch (const DeviceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("the array needs 1.00 PiB, and "));
    EXPECT_THAT(error.what(), HasSubstr(" are available of "));
    EXPECT_THAT(error.what(), HasSubstr(": use a smaller one"));
  }
}

}  // namespace
}  // namespace tessera

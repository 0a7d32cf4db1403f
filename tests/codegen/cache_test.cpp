#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "codegen/gpu/gpu_kernel_cache.h"
#include "codegen/partial_path.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_on_gpu.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

class Cache : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        fs::temp_directory_path() / fmt::format("tessera-cache-{}-{}", getpid(), test->name());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Compiler compiler(int64_t bytes = 1 << 30) const {
    CompilerOptions options;
    options.cache_dir = folder_.string();
    options.cache_bytes = bytes;
    options.worker_threads = 2;
    return Compiler(options);
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.push_back(entry.path());
    return found;
  }

  static Program program(const std::string& input, int n = 7) {
    return parse(fmt::format("program p\ndim n = {}\ninput {}[n]\ny = exp({}) + 1\noutput y[n]\n",
                             n, input, input));
  }

  static std::string run(Compiler& compiler, const Program& p) {
    return run_and_compare(p, {{p.inputs()[0].name(), whole_numbers(p.inputs()[0], 1)}}, compiler);
  }

  fs::path folder_;
};

TEST_F(Cache, ASecondCompilerLinksWhatTheFirstOneBuilt) {
  Compiler first = compiler();
  EXPECT_EQ(run(first, program("x")), "");
  EXPECT_EQ(first.stats().built, 1);
  EXPECT_EQ(first.stats().cache_hits, 0);
  Compiler second = compiler();
  EXPECT_EQ(run(second, program("x")), "");
  EXPECT_EQ(second.stats().built, 0);
  EXPECT_EQ(second.stats().cache_hits, 1);
}

TEST_F(Cache, GroupsThatDifferInNamesOnlyShareOneObject) {
  Compiler one = compiler();
  EXPECT_EQ(run(one, program("x")), "");
  EXPECT_EQ(run(one, program("renamed")), "");
  EXPECT_EQ(one.stats().built, 1);
  EXPECT_EQ(one.stats().shared, 1);
  EXPECT_EQ(run(one, program("x", 8)), "");
  EXPECT_EQ(one.stats().built, 2);
}

TEST_F(Cache, DamagedEntriesAreRebuilt) {
  Compiler first = compiler();
  EXPECT_EQ(run(first, program("x")), "");
  ASSERT_EQ(files().size(), 1u);
  const fs::path file = files()[0];
  const auto size = static_cast<std::streamoff>(fs::file_size(file));
  for (const std::streamoff at : {std::streamoff{0}, size / 2, size - 1}) {
    {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekg(at);
      const char byte = static_cast<char>(stream.get() ^ 0x10);
      stream.seekp(at);
      stream.put(byte);
    }
    Compiler again = compiler();
    EXPECT_EQ(run(again, program("x")), "");
    EXPECT_EQ(again.stats().built, 1) << at;
    EXPECT_EQ(again.stats().cache_rejects, 1) << at;
  }
  fs::resize_file(file, static_cast<uintmax_t>(size / 3));
  Compiler again = compiler();
  EXPECT_EQ(run(again, program("x")), "");
  EXPECT_EQ(again.stats().cache_rejects, 1);
}

// A pipe would be waited for, and a device read without an end.
TEST_F(Cache, AnEntryThatIsNoRegularFileIsRebuilt) {
  Compiler first = compiler();
  EXPECT_EQ(run(first, program("x")), "");
  const fs::path file = files().at(0);
  for (const bool pipe : {true, false}) {
    fs::remove(file);
    if (pipe)
      ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
    else
      fs::create_symlink("/dev/zero", file);
    Compiler again = compiler();
    EXPECT_EQ(run(again, program("x")), "");
    EXPECT_EQ(again.stats().cache_rejects, 1);
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(file)));
  }
}

TEST_F(Cache, AFolderThatCannotBeWrittenIsDoneWithout) {
  std::ofstream(folder_.string()) << "a file where the folder should be";
  Compiler one = compiler();
  EXPECT_EQ(run(one, program("x")), "");
  EXPECT_EQ(one.stats().built, 1);
}

TEST_F(Cache, TheOldestEntriesGoWhenTheFolderIsFull) {
  ObjectCache cache(folder_.string(), 4000);
  CompiledObject object;
  object.object = std::string(1000, 'x');
  for (int i = 0; i < 10; ++i) {
    cache.write("key" + std::to_string(i), object);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  int64_t bytes = 0;
  for (const fs::path& file : files()) bytes += static_cast<int64_t>(fs::file_size(file));
  EXPECT_LE(bytes, 4000);
  bool damaged = false;
  EXPECT_TRUE(cache.read("key9", damaged));
  EXPECT_FALSE(cache.read("key0", damaged));
  EXPECT_FALSE(damaged);
}

TEST_F(Cache, ThreadsAndProcessesShareAFolder) {
  std::vector<pid_t> children;
  for (int process = 0; process < 3; ++process) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Compiler mine = compiler();
      bool right = true;
      for (int n = 3; n < 8; ++n) right = right && run(mine, program("x", n)).empty();
      _exit(right ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(files().size(), 5u);
  Compiler last = compiler();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int n = 3; n < 8; ++n) wrong += run(last, program("x", n)).empty() ? 0 : 1;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(last.stats().built, 0);
}

TEST(PartialPath, EveryThreadHasItsOwn) {
  std::vector<std::string> made[2];
  std::vector<std::thread> threads;
  for (std::vector<std::string>& mine : made)
    threads.emplace_back([&mine] {
      for (int i = 0; i < 100; ++i) mine.push_back(partial_path("machine.txt"));
    });
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all(made[0].begin(), made[0].end());
  all.insert(made[1].begin(), made[1].end());
  EXPECT_EQ(all.size(), 200u);
  EXPECT_TRUE(all.begin()->starts_with("machine.txt."));
}

// Kernels for GPUs lie in the same folder: PTX, launches, workspaces and faults come back as they
// were.
TEST_F(Cache, KeepsKernelsForGpus) {
  const auto groups = gpu_groups_of(
      "dim row = 100, col = 96, v = 20, d = 16, t = 33\ninput x[row, col]\ninput table[v, d]\n"
      "input token[t] : i32\nm = max[col](x)\ne = exp(x - m)\np = e / sum[col](e)\n"
      "y = table[v: token] * 2.0\noutput p\noutput y");
  const auto all = [&](GpuKernelCache& cache) {
    std::vector<GpuKernel> kernels;
    for (const KernelGroup& group : groups) kernels.push_back(cache.obtain(group));
    return kernels;
  };
  GpuKernelCache first(GpuMachine::ptx, {}, folder_.string());
  const std::vector<GpuKernel> made = all(first);
  EXPECT_EQ(first.built(), static_cast<int>(groups.size()));
  GpuKernelCache second(GpuMachine::ptx, {}, folder_.string());
  const std::vector<GpuKernel> found = all(second);
  EXPECT_EQ(second.built(), 0);
  bool workspaces = false, faults = false;
  for (size_t i = 0; i < made.size(); ++i) {
    EXPECT_EQ(found[i], made[i]) << made[i].name;
    workspaces = workspaces || !made[i].workspaces.empty();
    faults = faults || !made[i].faults.empty();
  }
  EXPECT_TRUE(workspaces && faults);
  GpuKernelCache other(GpuMachine::ptx, gpu_of_arch("sm_80"), folder_.string());
  EXPECT_NE(all(other)[0].code, made[0].code);
  EXPECT_EQ(other.built(), static_cast<int>(groups.size()));
}

}  // namespace
}  // namespace tessera

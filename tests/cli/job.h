#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "launcher/process_state.h"
#include "storage/npy.h"
#include "tests/cli/run_tessera.h"

namespace tessera {

// The value of a variable in a process's environment; "" when it has none.
inline std::string variable_of(pid_t pid, const std::string& name) {
  std::istringstream entries(read_text("/proc/" + std::to_string(pid) + "/environ"));
  for (std::string entry; std::getline(entries, entry, '\0');)
    if (entry.rfind(name + "=", 0) == 0) return entry.substr(name.size() + 1);
  return "";
}

inline bool runs(pid_t pid) {
  const auto state = process_state(pid);
  return state && !state->ended();
}

// Calls `ready` until it is true, for at most `seconds`.
template <typename Ready>
bool within(double seconds, Ready ready) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

// A training job of two ranks that are processes, without an end of its own; it trains when the
// object has been made. `settings` are values of the config, `lines` more lines of the program; by
// default the ranks wait for each other in every step.
class EndlessJob {
 public:
  explicit EndlessJob(const std::vector<std::string>& settings,
                      const std::string& lines = "pin x[batch: data]\n") {
    folder_.write("job.tess",
                  "program job\ndim batch = 16, k = 8\ninput x[batch, k]\nparam w[k] = 0.5\n"
                  "loss = mean[batch](sum[k](x * w) ** 2.0)\noutput loss\n" +
                      lines);
    write_npy(folder_.file("x.npy"), make_array(DType::f32, {160, 8}));
    std::vector<std::string> words = {
        "run",
        folder_.write("job.yaml",
                      "program: {file: job.tess}\ndata: {inputs: {x: x.npy}}\n"
                      "train: {epochs: 1000000, optimizer: {sgd: {lr: 0.01}}}\n"
                      "cluster: {ranks: 2, transport: mpi}\n"),
        "output.dir=" + folder_.file("out")};
    words.insert(words.end(), settings.begin(), settings.end());
    process_ = std::make_unique<Subprocess>(tessera_command(words, result_));
    find_parts();
  }

  Subprocess& launcher() { return *process_; }
  pid_t mpirun() const { return mpirun_; }
  const std::vector<pid_t>& ranks() const { return ranks_; }
  const std::string& scratch() const { return scratch_; }
  std::string run_folder() const { return folder_.file("out"); }
  const std::string& err() const { return result_.err; }

  // The exit code; -1 when the job goes on for `seconds`.
  int wait(double seconds) {
    const auto status = process_->wait(seconds);
    return status ? status->code() : -1;
  }

  // No process and no shared memory is left, or will be in a moment.
  void expect_nothing_left() const {
    EXPECT_TRUE(within(10, [&] { return !runs(mpirun_) && !runs(ranks_[0]) && !runs(ranks_[1]); }))
        << "processes are left";
    EXPECT_TRUE(within(10, [&] { return !std::filesystem::exists(scratch_); })) << scratch_;
  }

 private:
  // Ranks are known by their working for our folder.
  void find_parts() {
    ASSERT_TRUE(within(60, [&] {
      process_->wait(0.05);
      return std::filesystem::exists(run_folder() + "/metrics.jsonl");
    })) << result_.err;
    ranks_ = {-1, -1};
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      if (read_text(entry.path() / "cmdline").find(folder_.path()) == std::string::npos) continue;
      const pid_t pid = std::stoi(name);
      const std::string rank = variable_of(pid, "OMPI_COMM_WORLD_RANK");
      if (rank.empty()) continue;
      ranks_[std::stoul(rank)] = pid;
      scratch_ = variable_of(pid, "TMPDIR");
    }
    std::istringstream status(read_text("/proc/" + std::to_string(ranks_[0]) + "/status"));
    for (std::string line; std::getline(status, line);)
      if (line.rfind("PPid:", 0) == 0) mpirun_ = std::stoi(line.substr(5));
    ASSERT_GT(mpirun_, 1);
    ASSERT_GT(ranks_[1], 1);
    ASSERT_TRUE(std::filesystem::is_directory(scratch_)) << scratch_;
  }

  TestFolder folder_;
  CommandResult result_;
  std::unique_ptr<Subprocess> process_;
  pid_t mpirun_ = -1;
  std::vector<pid_t> ranks_;
  std::string scratch_;
};

}  // namespace tessera

#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "launcher/subprocess.h"
#include "tests/cli/job.h"

namespace tessera {

// Hosts h1, h2, … that share a processor and nothing else but a folder, which all see as /srv
// (hosts.sh). Commands of h1 may start ranks on the others.
class SeparateHosts {
 public:
  explicit SeparateHosts(int count, const std::string& rate = "1gbit") {
    SubprocessOptions options;
    options.argv = {kScript, "up", folder_.path(), std::to_string(count), rate};
    if (std::string(TESSERA_PROGRAM).rfind("/tmp/", 0) == 0)
      options.environment = {{"TESSERA_KEEP_TMP", "1"}};
    options.on_output = [this](OutputStream, std::string_view text) { said_ += text; };
    script_ = std::make_unique<Subprocess>(std::move(options));
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (said_.find("ready\n") == std::string::npos && !script_->wait(0.02) &&
           std::chrono::steady_clock::now() < until) {
    }
  }

  // Why there are none on this machine; "" when there are.
  std::string problem() const {
    if (geteuid() != 0) return "hosts made of network namespaces take root";
    if (said_.find("ready\n") == std::string::npos) return "no hosts could be made: " + said_;
    return "";
  }

  const TestFolder& folder() const { return folder_; }

  // A command on a host, with mpirun told how to reach the others.
  SubprocessOptions on(const std::string& host, std::vector<std::string> words,
                       CommandResult& result) const {
    SubprocessOptions options;
    options.argv = {kScript, "in", folder_.path(), host};
    options.argv.insert(options.argv.end(), words.begin(), words.end());
    options.environment = {{"OMPI_MCA_plm_rsh_agent", "/srv/agent"},
                           {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                           {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}};
    options.on_output = [&result](OutputStream stream, std::string_view text) {
      (stream == OutputStream::out ? result.out : result.err) += text;
    };
    return options;
  }

  CommandResult run(const std::string& host, const std::vector<std::string>& words,
                    double seconds = 90) const {
    CommandResult result;
    Subprocess process(on(host, words, result));
    const auto status = process.wait(seconds);
    result.code = status ? status->code() : process.stop(1).code();
    return result;
  }

  CommandResult tessera(std::vector<std::string> words) const {
    words.insert(words.begin(), TESSERA_PROGRAM);
    return run("h1", words);
  }

  void link(const std::string& host, const std::string& state) const {
    SubprocessOptions options;
    options.argv = {kScript, "link", folder_.path(), host, state};
    Subprocess(std::move(options)).wait();
  }

  // The number of the process that plays the host.
  pid_t first_process(const std::string& host) const {
    return std::stoi(read_text(folder_.file("pid." + host)));
  }

  // What a host has in /dev/shm and of jobs in /tmp, and processes that run there, the first one
  // aside, when `seconds` have passed; nothing, as soon as there is nothing. Keepers of folders
  // stay for some seconds after a job.
  std::string left_on(const std::string& host, double seconds = 20) const {
    std::string left;
    within(seconds, [&] { return (left = left_now(host)).empty(); });
    return left;
  }

 private:
  std::string left_now(const std::string& host) const {
    std::string left = run(host, {"ls", "-A", "/dev/shm"}).out;
    const std::string kept = "/tmp/tessera-job-* /tmp/ompi." + host + ".*";
    left += run(host, {"sh", "-c", "ls -d " + kept + " 2>/dev/null"}).out;
    const std::string own = read_link(first_process(host), "net");
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const pid_t pid = std::stoi(name);
      if (pid == first_process(host) || read_link(pid, "net") != own || !runs(pid)) continue;
      left += read_text(entry.path() / "comm") + read_text(entry.path() / "cmdline");
    }
    return left;
  }

  static constexpr const char* kScript = TESSERA_SOURCE_DIR "/tests/hosts/hosts.sh";

  static std::string read_link(pid_t pid, const std::string& space) {
    std::error_code ignored;
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/" + space, ignored);
  }

  TestFolder folder_;
  std::string said_;
  std::unique_ptr<Subprocess> script_;
};

// A training job without an end of its own, two ranks on each host, started on h1. It trains when
// the object has been made; its ranks wait for each other in every step.
class HostsJob {
 public:
  HostsJob(const SeparateHosts& hosts, const std::string& where,
           const std::vector<std::string>& settings)
      : hosts_(hosts) {
    hosts_.folder().write("job.tess",
                          "program job\ndim batch = 16, k = 8\ninput x[batch, k]\n"
                          "param w[k] = 0.5\nloss = mean[batch](sum[k](x * w) ** 2.0)\n"
                          "output loss\npin x[batch: data]\n");
    write_npy(hosts_.folder().file("x.npy"), make_array(DType::f32, {160, 8}));
    hosts_.folder().write("job.yaml",
                          "program: {file: job.tess}\ndata: {inputs: {x: x.npy}}\n"
                          "train: {epochs: 1000000, optimizer: {sgd: {lr: 0.01}}}\n");
    std::filesystem::remove_all(hosts_.folder().file("out"));
    std::vector<std::string> words = {TESSERA_PROGRAM,       "run",    "/srv/job.yaml",
                                      "output.dir=/srv/out", "--host", where};
    words.insert(words.end(), settings.begin(), settings.end());
    process_ = std::make_unique<Subprocess>(hosts_.on("h1", words, result_));
    find_parts();
  }

  Subprocess& process() { return *process_; }
  pid_t launcher() const { return process_->pid(); }
  pid_t mpirun() const { return mpirun_; }
  const std::map<int, pid_t>& ranks() const { return ranks_; }
  const std::string& err() const { return result_.err; }

  // The exit code; -1 when the job goes on for `seconds`.
  int wait(double seconds) {
    const auto status = process_->wait(seconds);
    return status ? status->code() : -1;
  }

  void expect_nothing_left(const std::vector<std::string>& hosts, double seconds = 20) const {
    for (const std::string& host : hosts) EXPECT_EQ(hosts_.left_on(host, seconds), "") << host;
  }

 private:
  void find_parts() {
    ASSERT_TRUE(within(60, [&] {
      if (process_->wait(0.05)) return true;
      return std::filesystem::exists(hosts_.folder().file("out/metrics.jsonl"));
    }));
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const pid_t pid = std::stoi(name);
      const std::string line = read_text(entry.path() / "cmdline");
      if (line.find("/srv/job.yaml") == std::string::npos) continue;
      if (read_text(entry.path() / "comm") == "mpirun\n") mpirun_ = pid;
      const std::string rank = variable_of(pid, "OMPI_COMM_WORLD_RANK");
      if (!rank.empty() && runs(pid)) ranks_[std::stoi(rank)] = pid;
    }
    ASSERT_GT(mpirun_, 1) << result_.err;
    ASSERT_FALSE(ranks_.empty()) << result_.err;
  }

  const SeparateHosts& hosts_;
  CommandResult result_;
  std::unique_ptr<Subprocess> process_;
  pid_t mpirun_ = -1;
  std::map<int, pid_t> ranks_;
};

}  // namespace tessera

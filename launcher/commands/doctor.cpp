#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/units.h"
#include "codegen/machine.h"
#include "codegen/object_cache.h"
#include "launcher/commands/commands.h"
#include "launcher/dataset.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/standard_streams.h"
#include "launcher/subprocess.h"
#include "launcher/versions.h"
#include "runtime/cuda/gpu_device.h"
#include "runtime/worker_pool.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

enum class Verdict { good, warning, bad };

struct Check {
  std::string name;
  Verdict verdict = Verdict::good;
  std::string found;
  std::string advice;  // what to do when it is not good
};

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::good:
      return "ok";
    case Verdict::warning:
      return "warning";
    case Verdict::bad:
      return "problem";
  }
  return "";
}

// The first line that a command prints, or nothing when it cannot be run.
std::string first_line(std::vector<std::string> argv) {
  std::string text;
  try {
    SubprocessOptions options;
    options.argv = std::move(argv);
    options.on_output = [&](OutputStream, std::string_view line) {
      if (text.empty()) text = line.substr(0, line.find('\n'));
    };
    Subprocess process(std::move(options));
    if (!process.wait(10)) process.stop(1);
  } catch (const std::exception&) {
    return "";
  }
  return text;
}

Check check_processor() {
  const Machine machine = machine_facts(CpuLevel::host);
  Check check{"processor", Verdict::good,
              fmt::format("{}, {} usable cores, {}-bit vectors, {:.0f} GFLOP/s f32 and {:.1f} "
                          "GB/s per core",
                          processor_of(CpuLevel::host), usable_cores(),
                          8 * machine.vectors.vector_bytes, machine.peak_gflops, machine.bandwidth),
              ""};
  if (machine.vectors.vector_bytes < 32) {
    check.verdict = Verdict::warning;
    check.advice = "no AVX2: kernels run at a fraction of what newer processors reach";
  }
  return check;
}

// A machine without a GPU is a good one: `--device cpu` is what it is for.
Check check_gpus() {
  Check check{"gpus", Verdict::good, "", ""};
  try {
    const int count = count_gpus();
    check.found = "NVIDIA driver for CUDA " + cuda_version();
    for (int number = 0; number < count; ++number) {
      const GpuDevice gpu(number);
      check.found += fmt::format("; {}: {}, {}, {}", number, gpu.name(), gpu.arch(),
                                 human_bytes(gpu.memory_bytes()));
    }
    if (count > 0) return check;
    check.verdict = Verdict::warning;
    check.found += ", and no GPU";
    check.advice = "in a container, let it see them: docker run --gpus all …";
  } catch (const DeviceError& error) {
    check.found = std::string("none, so devices are cpu and simulated; ") + error.what();
  }
  return check;
}

Check check_mpirun() {
  const std::string version = first_line({"mpirun", "--version"});
  if (version.empty()) return {"mpirun", Verdict::bad, "not found", "apt-get install openmpi-bin"};
  if (version.find("Open MPI") == std::string::npos)
    return {"mpirun", Verdict::warning, version,
            "tessera starts jobs with Open MPI's options; start others' jobs under their own "
            "mpiexec: mpiexec -n 2 tessera run …"};
  return {"mpirun", Verdict::good, version, ""};
}

// Open MPI lets root start jobs only when two variables say so. `tessera` sees to that for the jobs
// that it starts, but not for an mpirun that a user calls.
Check check_root() {
  if (geteuid() != 0) return {"user", Verdict::good, "not root", ""};
  const char* allowed = std::getenv("OMPI_ALLOW_RUN_AS_ROOT");
  const char* confirmed = std::getenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM");
  if (allowed != nullptr && confirmed != nullptr)
    return {"user", Verdict::good, "root, which mpirun is told to allow", ""};
  return {"user", Verdict::warning,
          "root: mpirun refuses when you call it yourself; tessera's own jobs start",
          "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"};
}

Check check_ranks_start() {
  std::vector<std::string> argv = {"mpirun", "-np", "2", "--oversubscribe"};
  if (geteuid() == 0) argv.push_back("--allow-run-as-root");
  argv.push_back("true");
  SubprocessOptions options;
  options.argv = argv;
  options.on_output = [](OutputStream, std::string_view) {};
  try {
    Subprocess process(std::move(options));
    const std::optional<ExitStatus> status = process.wait(20);
    if (status && status->code() == 0)
      return {"two ranks", Verdict::good, "mpirun starts them", ""};
    if (!status) process.stop(1);
    return {"two ranks", Verdict::bad,
            status ? "mpirun " + status->text() : "mpirun does not come back in 20 s",
            "try: mpirun -np 2 hostname   (a host name that does not resolve is a usual cause)"};
  } catch (const std::exception& error) {
    return {"two ranks", Verdict::bad, error.what(), "apt-get install openmpi-bin"};
  }
}

Check check_shared_memory() {
  struct statvfs info {};
  if (statvfs("/dev/shm", &info) != 0)
    return {"shared memory", Verdict::warning, "/dev/shm is not there",
            "ranks of one machine then exchange data through files"};
  const double free_mib =
      static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize) / (1 << 20);
  int stale = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/dev/shm", ignored))
    if (entry.path().filename().string().rfind("vader_segment", 0) == 0) ++stale;
  Check check{"shared memory", Verdict::good, fmt::format("{:.0f} MiB free in /dev/shm", free_mib),
              ""};
  if (stale > 0) {
    check.verdict = Verdict::warning;
    check.found += fmt::format(", {} segments of other MPI jobs", stale);
    check.advice = "if no MPI job is running: rm /dev/shm/vader_segment.*";
  } else if (free_mib < 64) {
    check.verdict = Verdict::warning;
    check.advice = "enlarge it; in a container: docker run --shm-size=1g …";
  }
  return check;
}

Check check_cache() {
  const std::string folder = default_cache_folder();
  std::error_code error;
  fs::create_directories(folder, error);
  if (access(folder.c_str(), W_OK) != 0)
    return {"kernel cache", Verdict::warning, folder + " cannot be written",
            "kernels are compiled anew in every run; set XDG_CACHE_HOME to a folder of yours"};
  int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error))
    if (entry.is_regular_file(error)) bytes += static_cast<int64_t>(entry.file_size(error));
  return {"kernel cache", Verdict::good,
          fmt::format("{}, {:.1f} MiB", folder, static_cast<double>(bytes) / (1 << 20)), ""};
}

Check check_dataset() {
  if (fs::exists(kFashionMnistFolder))
    return {"fashion-mnist", Verdict::good, kFashionMnistFolder, ""};
  return {"fashion-mnist", Verdict::warning, "not installed",
          "the quickstart needs it: apt-get install dataset-fashion-mnist"};
}

Check check_limits() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  Check check{"open files", Verdict::good, fmt::format("limit {}", files.rlim_cur), ""};
  if (files.rlim_cur < 1024) {
    check.verdict = Verdict::warning;
    check.advice = "raise it: ulimit -n 4096";
  }
  return check;
}

int doctor(bool json) {
  const std::vector<Check> checks = {check_processor(), check_gpus(),        check_mpirun(),
                                     check_root(),      check_ranks_start(), check_shared_memory(),
                                     check_cache(),     check_dataset(),     check_limits()};
  bool bad = false;
  nlohmann::json list = nlohmann::json::array();
  for (const Check& check : checks) {
    bad = bad || check.verdict == Verdict::bad;
    list.push_back({{"name", check.name},
                    {"verdict", name_of(check.verdict)},
                    {"found", check.found},
                    {"advice", check.advice}});
    if (json) continue;
    print_out("{:8} {:14} {}\n", name_of(check.verdict), check.name, check.found);
    if (!check.advice.empty()) print_out("{:23} {}\n", "", check.advice);
  }
  if (json) {
    print_out("{}\n",
              json_text(nlohmann::json{{"checks", list}, {"versions", library_versions()}}));
  } else {
    for (const auto& [name, version] : library_versions())
      print_out("{:8} {:14} {}\n", "version", name, version);
  }
  return bad ? kJobFailed : kDone;
}

}  // namespace

void add_doctor_command(CLI::App& app, Action& action) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("doctor", "Check this machine: processor, mpirun, memory, cache, data");
  command->add_flag("--json", *json, "print one JSON object");
  command->callback([=, &action] { action = [=] { return doctor(*json); }; });
}

}  // namespace tessera

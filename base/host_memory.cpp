#include "base/host_memory.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/units.h"

namespace tessera {
namespace {

constexpr int64_t kEndless = int64_t{1} << 60;  // files say so with larger numbers, or "max"

std::optional<int64_t> number_in(const std::string& file) {
  std::ifstream stream(file);
  int64_t value = 0;
  if (!(stream >> value) || value < 0) return std::nullopt;
  return value;
}

// The number behind `key` in a file of lines "key 123" or "key: 123 kB".
std::optional<int64_t> entry_in(const std::string& file, const std::string& key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string name, unit;
    int64_t value = 0;
    if (!(words >> name >> value) || (name != key && name != key + ":")) continue;
    return words >> unit && unit == "kB" ? value * 1024 : value;
  }
  return std::nullopt;
}

MemoryLimit machine_memory(const std::string& root) {
  const std::string file = root + "/proc/meminfo";
  MemoryLimit limit;
  limit.source = "the machine's memory";
  limit.total =
      entry_in(file, "MemTotal").value_or(int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE));
  limit.available = entry_in(file, "MemAvailable").value_or(limit.total);
  return limit;
}

// What one control group says, in the words of its version.
struct GroupFiles {
  const char* limit;
  const char* usage;
  const char* droppable;  // in memory.stat
};
constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                  "total_inactive_file"};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file"};

void tighten(MemoryLimit& limit, const std::string& folder, const GroupFiles& files) {
  const std::optional<int64_t> most = number_in(folder + "/" + files.limit);
  if (!most || *most >= kEndless) return;
  const int64_t used = number_in(folder + "/" + files.usage).value_or(0);
  const int64_t droppable = entry_in(folder + "/memory.stat", files.droppable).value_or(0);
  const int64_t available = std::max<int64_t>(0, *most - std::max<int64_t>(0, used - droppable));
  if (*most < limit.total || available < limit.available) {
    limit.source = "the memory limit of the container (" + folder + "/" + files.limit + ")";
    limit.total = std::min(limit.total, *most);
    limit.available = std::min(limit.available, available);
  }
}

// A group and those around it, up to the one that is mounted; in a container, its own path may not
// be there, and the mounted one is its own.
void tighten_all(MemoryLimit& limit, const std::string& mount, std::string path,
                 const GroupFiles& files) {
  for (;;) {
    tighten(limit, mount + (path == "/" ? "" : path), files);
    if (path.empty() || path == "/") return;
    path.resize(path.rfind('/'));
  }
}

}  // namespace

MemoryLimit host_memory(const std::string& root) {
  MemoryLimit limit = machine_memory(root);
  const std::string mounts = root + "/sys/fs/cgroup";
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "4:memory:/path", or "0::/path"
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) tighten_all(limit, mounts, path, kVersion2);
    if (("," + controllers + ",").find(",memory,") != std::string::npos)
      tighten_all(limit, mounts + "/memory", path, kVersion1);
  }
  return limit;
}

MemoryLimit process_memory() {
  MemoryLimit limit{kEndless, kEndless, "the limit of the address space (ulimit -v)"};
  rlimit space{};
  if (getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_cur == RLIM_INFINITY) return limit;
  const int64_t used = number_in("/proc/self/statm").value_or(0) * sysconf(_SC_PAGESIZE);
  limit.total = static_cast<int64_t>(std::min<rlim_t>(space.rlim_cur, kEndless));
  limit.available = std::max<int64_t>(0, limit.total - used);
  return limit;
}

void require_memory(int64_t bytes, const std::string& what, const std::string& remedy) {
  for (const MemoryLimit& limit : {host_memory(), process_memory()})
    if (bytes > limit.available)
      throw DeviceError(fmt::format("{} needs {}, and {} are available of {}, {}: {}", what,
                                    human_bytes(bytes), human_bytes(limit.available),
                                    human_bytes(limit.total), limit.source, remedy));
}

}  // namespace tessera

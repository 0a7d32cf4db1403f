#include "launcher/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/error.h"
#include "launcher/json_text.h"
#include "storage/atomic_file.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxNumber = 100000;

bool is_empty_folder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error) && fs::is_empty(path, error) && !error;
}

// "model name" and "flags" of the first processor in /proc/cpuinfo.
void add_processor(nlohmann::json& json) {
  std::ifstream stream("/proc/cpuinfo");
  for (std::string line; std::getline(stream, line) && !line.empty();) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.starts_with("model name")) json["processor"] = line.substr(colon + 2);
    if (line.starts_with("flags")) json["processor_features"] = line.substr(colon + 2);
  }
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

RunFolder RunFolder::create(const std::string& dir) {
  const fs::path wanted = fs::path(dir).lexically_normal();
  std::string base = wanted.string();
  while (base.size() > 1 && base.back() == '/') base.pop_back();
  std::error_code error;
  const fs::path parent = fs::path(base).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) throw DeviceError(base + ": cannot make the folder above it: " + error.message());
  if (is_empty_folder(base)) return RunFolder(base);
  for (int number = 1; number <= kMaxNumber; ++number) {
    // mkdir fails where something exists, so two jobs never share a folder.
    const std::string path = number == 1 ? base : fmt::format("{}-{}", base, number);
    if (::mkdir(path.c_str(), 0777) == 0) return RunFolder(path);
    if (errno != EEXIST)
      throw DeviceError(path + ": cannot make the run's folder: " + std::strerror(errno));
  }
  throw DeviceError(fmt::format("{}: {} runs of that name exist; remove some", base, kMaxNumber));
}

RunFolder::~RunFolder() {
  if (metrics_ >= 0) ::close(metrics_);
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), metrics_(std::exchange(other.metrics_, -1)) {}

void RunFolder::write(const std::string& name, std::string_view text) const {
  write_file(file(name), text);
}

void RunFolder::append_metrics(std::string_view json_object) {
  TESSERA_CHECK(json_object.find('\n') == std::string_view::npos) << json_object;
  const std::string path = file("metrics.jsonl");
  const auto fail = [&](const std::string& what, int error) {
    throw DeviceError(path + ": cannot " + what + ": " + std::strerror(error) +
                      (error == ENOSPC ? "; free some space or choose another output.dir" : ""));
  };
  if (metrics_ < 0)
    metrics_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (metrics_ < 0) fail("be opened", errno);
  struct stat opened {};
  struct stat named {};
  if (::fstat(metrics_, &opened) != 0 || ::stat(path.c_str(), &named) != 0 ||
      opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
    throw DeviceError(path +
                      ": is gone: the run's folder was removed, moved or replaced while the job "
                      "ran, and what it held is lost; start the job again and leave its folder");
  const std::string line = std::string(json_object) + "\n";
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t written = ::write(metrics_, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("append a line", errno);
    done += static_cast<size_t>(written);
  }
}

std::string environment_json(const std::map<std::string, std::string>& facts) {
  nlohmann::json json;
  utsname system{};
  if (::uname(&system) == 0) {
    json["host"] = system.nodename;
    json["system"] = fmt::format("{} {} {}", system.sysname, system.release, system.machine);
  }
  json["cores"] = std::thread::hardware_concurrency();
  json["compiler"] = __VERSION__;
  json["time"] = utc_now();
  add_processor(json);
  for (const auto& [name, value] : facts) json[name] = value;
  // Bytes that are not UTF-8, say in a host's name, are replaced rather than refused.
  return json_text(json, 2) + "\n";
}

}  // namespace tessera

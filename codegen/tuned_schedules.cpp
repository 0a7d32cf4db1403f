#include "codegen/tuned_schedules.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/hash.h"
#include "base/read_file.h"
#include "codegen/partial_path.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMagic = "tessera schedule 1";
constexpr size_t kMostBytes = size_t{1} << 20;

// The lines below the digest that makes a damaged file recognisable.
std::string body_of(const std::string& key, const TunedSchedule& tuned) {
  return fmt::format("{}\n{}\n{:a} {:a}\n", key, print(tuned.choice), tuned.seconds,
                     tuned.model_seconds);
}

std::optional<TunedSchedule> decode(const std::string& key, const std::string& text) {
  std::istringstream lines(text);
  std::string magic, digest, found_key, choice, seconds;
  for (std::string* line : {&magic, &digest, &found_key, &choice, &seconds})
    if (!std::getline(lines, *line)) return std::nullopt;
  const std::optional<ScheduleChoice> parsed = parse_schedule(choice);
  if (magic != kMagic || found_key != key || !parsed) return std::nullopt;
  TunedSchedule tuned{*parsed, 0, 0};
  char* end = nullptr;
  tuned.seconds = std::strtod(seconds.c_str(), &end);
  tuned.model_seconds = std::strtod(end, &end);
  if (digest != hex(hash_bytes(body_of(key, tuned)))) return std::nullopt;
  return tuned;
}

}  // namespace

std::string TunedSchedules::path_of(const std::string& key) const {
  return folder_ + "/" + key + ".tune";
}

std::optional<TunedSchedule> TunedSchedules::read(const std::string& key) const {
  try {
    const std::optional<std::string> text = read_regular_file(path_of(key), kMostBytes);
    return text ? decode(key, *text) : std::nullopt;
  } catch (const UserError&) {
    return std::nullopt;  // as if nobody had tuned: the model chooses
  }
}

void TunedSchedules::write(const std::string& key, const TunedSchedule& tuned) const {
  const std::string path = path_of(key);
  const std::string partial = partial_path(path);
  std::error_code error;
  fs::create_directories(folder_, error);
  const std::string body = body_of(key, tuned);
  {
    std::ofstream file(partial, std::ios::binary);
    file << kMagic << "\n" << hex(hash_bytes(body)) << "\n" << body;
    if (!file.flush()) error = std::make_error_code(std::errc::io_error);
  }
  if (!error) fs::rename(partial, path, error);
  if (!error) return;
  std::error_code ignored;
  fs::remove(partial, ignored);
  throw UserError("the tuned schedules cannot be kept in " + folder_ + ": " + error.message() +
                  "; set XDG_CACHE_HOME to a folder that can be written");
}

void TunedSchedules::erase(const std::string& key) const {
  std::error_code absent;
  fs::remove(path_of(key), absent);
}

}  // namespace tessera

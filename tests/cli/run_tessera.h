#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "launcher/subprocess.h"

namespace tessera {

// What a command of the built program printed and returned.
struct CommandResult {
  int code = -1;
  std::string out;
  std::string err;

  // The last line of standard output, as JSON.
  nlohmann::json json() const {
    const size_t end = out.find_last_not_of('\n');
    const size_t begin = out.rfind('\n', end);
    return nlohmann::json::parse(out.substr(begin == std::string::npos ? 0 : begin + 1));
  }
};

// A folder of its own for one test, removed at the end.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tessera-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string read_text(const std::string& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline SubprocessOptions tessera_command(const std::vector<std::string>& words,
                                         CommandResult& result) {
  SubprocessOptions options;
  options.argv = {TESSERA_PROGRAM};
  options.argv.insert(options.argv.end(), words.begin(), words.end());
  options.on_output = [&result](OutputStream stream, std::string_view text) {
    (stream == OutputStream::out ? result.out : result.err) += text;
  };
  return options;
}

// Runs `tessera WORDS...`; ended after a minute and a half at the latest.
inline CommandResult run_tessera(const std::vector<std::string>& words) {
  CommandResult result;
  Subprocess process(tessera_command(words, result));
  const std::optional<ExitStatus> status = process.wait(90);
  result.code = status ? status->code() : process.stop(1).code();
  return result;
}

}  // namespace tessera

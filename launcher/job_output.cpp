#include "launcher/job_output.h"

#include <regex>

#include "launcher/standard_streams.h"

namespace tessera {

std::optional<Death> death_in(const std::string& line) {
  static const std::regex pattern(
      R"(process rank (\d+) with PID \d+ on node \S+ exited on (signal \d+ \([^)]*\)))");
  std::smatch match;
  if (!std::regex_search(line, match, pattern)) return std::nullopt;
  return Death{std::stoi(match[1]), match[2]};
}

std::optional<std::string> lost_host_in(const std::string& line) {
  static const std::regex pattern(R"(Remote daemon: +\S+ on node (\S+))");
  std::smatch match;
  if (!std::regex_search(line, match, pattern)) return std::nullopt;
  return match[1];
}

void JobOutput::take(OutputStream stream, std::string_view text) {
  if (stream == OutputStream::out) {
    if (const int error = write_out_now(text); error_ == 0) error_ = error;
    return;
  }
  const std::string line(text);
  if (!death_) death_ = death_in(line);
  if (const auto host = lost_host_in(line)) lost_hosts_.push_back(*host);
  const bool rule = line.rfind("-----", 0) == 0;
  if (rule) banner_ = !banner_;
  if (banner_ || rule || line.rfind("Primary job", 0) == 0 ||
      line.find("mpirun noticed that") != std::string::npos)
    mpirun_text_ += line;
  else
    write_err(text);
}

}  // namespace tessera

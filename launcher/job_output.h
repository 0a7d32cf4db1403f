#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/subprocess.h"

namespace tessera {

// What mpirun says about a rank that died without a word of its own.
struct Death {
  int rank = -1;
  std::string how;  // "signal 9 (Killed)"
};

// Nothing for a line that is about something else.
std::optional<Death> death_in(const std::string& line);
// The host in "  Remote daemon: [[1,0],2] on node h2".
std::optional<std::string> lost_host_in(const std::string& line);

// Passes on the lines of the ranks, and keeps those of mpirun itself, which are shown only when
// there is no better explanation.
class JobOutput {
 public:
  void take(OutputStream stream, std::string_view text);

  const std::optional<Death>& death() const { return death_; }
  // Whose daemons mpirun has lost, by the names that they have for themselves.
  const std::vector<std::string>& lost_hosts() const { return lost_hosts_; }
  const std::string& mpirun_text() const { return mpirun_text_; }
  int error() const { return error_; }  // errno of the first line that did not get through

 private:
  std::optional<Death> death_;
  std::vector<std::string> lost_hosts_;
  std::string mpirun_text_;
  bool banner_ = false;
  int error_ = 0;
};

}  // namespace tessera

#include "launcher/progress_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <sstream>

namespace tessera {
namespace {

// A terminal that is open for writing, or not.
struct Terminal {
  explicit Terminal(const std::string& path)
      : descriptor(open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC)) {}
  ~Terminal() {
    if (descriptor >= 0) close(descriptor);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // What does not get through is progress only.
  void write_text(const std::string& text) const {
    for (size_t done = 0; done < text.size();) {
      const ssize_t n = write(descriptor, text.data() + done, text.size() - done);
      if (n <= 0) return;
      done += static_cast<size_t>(n);
    }
  }

  int descriptor;
};

}  // namespace

std::string terminal_for_ranks() {
  const ProgressStyle style = style_of_stderr();
  const char* path = ttyname(STDERR_FILENO);
  if (!style.terminal || path == nullptr) return "";
  return fmt::format("{} {} {}", style.columns, style.colour ? 1 : 0, path);
}

ProgressTarget progress_target() {
  ProgressTarget target{style_of_stderr(), {}};
  const char* inherited = std::getenv(kTerminalVariable);
  if (target.style.terminal || inherited == nullptr) return target;
  std::istringstream words(inherited);
  ProgressStyle style = target.style;
  std::string path;
  if (!(words >> style.columns >> style.colour >> path)) return target;
  const auto terminal = std::make_shared<const Terminal>(path);
  if (terminal->descriptor < 0) return target;
  style.terminal = true;
  return {style, [terminal](const std::string& text) { terminal->write_text(text); }};
}

}  // namespace tessera

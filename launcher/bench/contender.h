#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

// Something that does a row's work and says how long each of its runs took: Tessera, a peer, or
// Tessera in another way.
struct Contender {
  std::string name;     // "tessera", "onednn"
  std::string version;  // "oneDNN 2.6.3"
  std::string problem;  // why it takes no part: what is missing and how to get it
  double compile_seconds = 0;
  double memory_bytes = 0;           // 0: unknown
  std::optional<double> difference;  // of its outputs from Tessera's, of the largest value
  // Runs for about so many seconds, at least once.
  std::function<std::vector<double>(double)> time = {};
  std::vector<double> seconds = {};  // of every run that was timed, sorted once it is over

  double median() const;
};

// As PeerProcess's "time": one run that warms up, where runs are short, and then runs until
// `seconds` are used.
std::vector<double> time_runs(const std::function<void()>& run, double seconds);

// Times all that take part in turns, in rounds, so that a busy machine slows all of them; each for
// about `seconds` in all: five rounds, or three where single runs are longer than that.
void race(std::vector<Contender>& contenders, double seconds);

}  // namespace tessera

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/launcher_watch.h"

namespace tessera {

struct RankError {
  int rank = 0;
  int code = 0;  // exit code
  std::string text;
};

// What the ranks of a job and the process that started them tell each other through files in the
// job's scratch folder:
//
//   launcher   who started the job         pid-1     which process rank 1 is
//   error-1    how rank 1 failed: exit code and text
//
// Files appear whole. Safe to use from several processes at once.
class RankReports {
 public:
  explicit RankReports(std::string folder) : folder_(std::move(folder)) {}

  // On a rank that `supervise` started; nothing on others.
  static std::optional<RankReports> of_environment();
  static constexpr const char* kFolderVariable = "TESSERA_SUPERVISION";

  const std::string& folder() const { return folder_; }

  // Each of these is said by the process that it is about.
  void launcher_is_here() const;
  void started(int rank) const;
  void failed(const RankError& error) const;

  WatchedProcess launcher() const;
  std::vector<int> not_started(int ranks) const;
  bool any_running(int ranks) const;
  std::vector<int> stopped(int ranks) const;  // by a signal
  // The error that explains the others: by rank, one that is not only about a peer first.
  std::optional<RankError> cause(int ranks) const;
  // The same as soon as it is more than an error about a peer, or all ranks have failed; at most
  // `seconds` later in any case.
  std::optional<RankError> await_cause(int ranks, double seconds) const;
  // Kills the ranks that still run.
  void end_ranks(int ranks) const;

 private:
  void write(const std::string& name, const std::string& text) const;
  WatchedProcess read_process(const std::string& name) const;
  std::optional<RankError> error_of(int rank) const;
  std::vector<WatchedProcess> running(int ranks) const;

  std::string folder_;
};

}  // namespace tessera

#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "comm/activity.h"
#include "launcher/job_address.h"
#include "launcher/job_server.h"

namespace tessera {

enum class LinkEnd { gone, stopped, silent };

class JobLink;

struct JobLinkOptions {
  JobAddress address;
  int rank = 0;
  double timeout = 60;  // seconds that the launcher may be stopped, by a signal
  std::shared_ptr<Activity> activity;
  // Called on the link's thread when a signal to the launcher asks the job to leave in good order;
  // returns at once.
  std::function<void(int signal)> leave = {};
  // Called once, on the link's thread, when the launcher is gone; or is stopped (SIGSTOP, Ctrl-Z),
  // for the timeout or, with ranks on other hosts, for JobAddress::silence; or nothing has come
  // from it for that long, so that it or the network between has failed. `seconds` is how long.
  std::function<void(JobLink&, LinkEnd, double seconds)> end;
};

// A rank's end of the side channel of a job (job_server.h), on a thread of its own, as nobody else
// would end the rank when its launcher cannot. Every function may be called from any thread.
class JobLink {
 public:
  // Throws CommError when the launcher cannot be reached.
  explicit JobLink(JobLinkOptions options);
  ~JobLink();
  JobLink(const JobLink&) = delete;
  JobLink& operator=(const JobLink&) = delete;

  const JobAddress& address() const { return options_.address; }

  // How this rank failed; returns when it is sent, or after two seconds.
  void failed(int code, const std::string& text);
  // Returns when the launcher knows the cause of the failure, at most `seconds` later.
  void await_cause(double seconds);

 private:
  void serve();
  std::string sign_of_life() const;
  // Takes what came; false when the launcher is gone.
  bool listen();
  std::optional<LinkEnd> lost() const;
  double patience(LinkEnd how) const;

  const JobLinkOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  JobWire wire_;
  std::chrono::steady_clock::time_point heard_;
  bool explained_ = false;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace tessera

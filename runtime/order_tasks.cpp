#include "runtime/order_tasks.h"

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include "base/error.h"

namespace tessera {
namespace {

// Two streams that take turns: whichever can start its next task earlier does.
class Scheduler {
 public:
  Scheduler(const std::vector<Task>& tasks, const std::map<int, int64_t>& bytes)
      : tasks_(tasks),
        bytes_(bytes),
        users_(tasks.size()),
        missing_(tasks.size(), 0),
        end_(tasks.size(), 0) {
    for (size_t t = 0; t < tasks.size(); ++t) {
      missing_[t] = tasks[t].depends.size();
      for (int d : tasks[t].depends) users_[static_cast<size_t>(d)].push_back(t);
      if (communicates(tasks[t])) comm_.push_back(t);
      for (const int buffer : tasks[t].buffers) ++touching_[buffer];
    }
    find_tails();
    for (size_t t = 0; t < tasks.size(); ++t)
      if (missing_[t] == 0 && !communicates(tasks[t])) ready_.push_back(t);
  }

  std::vector<size_t> run() {
    while (order_.size() < tasks_.size()) {
      const std::optional<size_t> compute = next_compute();
      const bool comm_ready = next_comm_ < comm_.size() && missing_[comm_[next_comm_]] == 0;
      TESSERA_CHECK(compute || comm_ready) << "the tasks wait for one another in a circle";
      const double compute_start = compute ? start_of(*compute, compute_free_) : 0;
      const double comm_start = comm_ready ? start_of(comm_[next_comm_], comm_free_) : 0;
      if (comm_ready && (!compute || comm_start <= compute_start)) {
        const size_t task = comm_[next_comm_++];
        const bool both = tasks_[task].kind == TaskKind::loop;
        comm_free_ = finish(task, both ? std::max(comm_start, compute_free_) : comm_start);
        if (both) compute_free_ = comm_free_;
      } else {
        ready_.erase(std::find(ready_.begin(), ready_.end(), *compute));
        compute_free_ = finish(*compute, compute_start);
      }
    }
    return order_;
  }

 private:
  // Seconds from the start of a task to the end of all that hangs on it; and does something that
  // communicates hang on it?
  void find_tails() {
    tail_.assign(tasks_.size(), 0);
    awaited_.assign(tasks_.size(), false);
    std::vector<size_t> left(tasks_.size());
    std::vector<size_t> open;
    for (size_t t = 0; t < tasks_.size(); ++t) {
      left[t] = users_[t].size();
      if (left[t] == 0) open.push_back(t);
    }
    while (!open.empty()) {
      const size_t task = open.back();
      open.pop_back();
      double longest = 0;
      awaited_[task] = communicates(tasks_[task]);
      for (size_t user : users_[task]) {
        longest = std::max(longest, tail_[user]);
        if (awaited_[user]) awaited_[task] = true;
      }
      tail_[task] = longest + tasks_[task].estimate;
      for (int d : tasks_[task].depends)
        if (--left[static_cast<size_t>(d)] == 0) open.push_back(static_cast<size_t>(d));
    }
  }

  double start_of(size_t task, double stream_free) const {
    double start = stream_free;
    for (int d : tasks_[task].depends) start = std::max(start, end_[static_cast<size_t>(d)]);
    return start;
  }

  // Does it give back more memory than it takes?
  bool frees(size_t task) const {
    int64_t more = 0;
    for (const int buffer : tasks_[task].buffers) {
      const auto bytes = bytes_.find(buffer);
      if (bytes == bytes_.end()) continue;
      if (live_.count(buffer) == 0) more += bytes->second;
      if (touching_.at(buffer) == 1) more -= bytes->second;
    }
    return more < 0;
  }

  // The ready task that can start first; of those, one that a collective waits for; then one that
  // frees memory; then the one with the longest tail.
  std::optional<size_t> next_compute() const {
    using Key = std::tuple<double, bool, bool, double, size_t>;
    std::optional<Key> best;
    for (size_t task : ready_) {
      const Key key{start_of(task, compute_free_), !awaited_[task], awaited_[task] || !frees(task),
                    -tail_[task], task};
      if (!best || key < *best) best = key;
    }
    if (!best) return std::nullopt;
    return std::get<size_t>(*best);
  }

  double finish(size_t task, double start) {
    end_[task] = start + tasks_[task].estimate;
    order_.push_back(task);
    for (const int buffer : tasks_[task].buffers) {
      live_.insert(buffer);
      --touching_[buffer];
    }
    for (size_t user : users_[task])
      if (--missing_[user] == 0 && !communicates(tasks_[user])) ready_.push_back(user);
    return end_[task];
  }

  const std::vector<Task>& tasks_;
  const std::map<int, int64_t>& bytes_;  // of buffers that do not stay
  std::map<int, int> touching_;          // tasks to come, by buffer
  std::set<int> live_;                   // buffers touched so far
  std::vector<bool> awaited_;
  std::vector<std::vector<size_t>> users_;
  std::vector<size_t> missing_;
  std::vector<double> end_;
  std::vector<double> tail_;
  std::vector<size_t> comm_;
  std::vector<size_t> ready_;
  std::vector<size_t> order_;
  size_t next_comm_ = 0;
  double compute_free_ = 0;
  double comm_free_ = 0;
};

}  // namespace

void order_tasks(std::vector<Task>& tasks, const std::map<int, int64_t>& bytes) {
  const std::vector<size_t> order = Scheduler(tasks, bytes).run();
  std::vector<int> number(tasks.size());
  for (size_t i = 0; i < order.size(); ++i) number[order[i]] = static_cast<int>(i);
  std::vector<Task> sorted;
  int last[2] = {-1, -1};
  for (size_t old : order) {
    Task task = std::move(tasks[old]);
    for (int& d : task.depends) d = number[static_cast<size_t>(d)];
    for (int stream = 0; stream < 2; ++stream) {
      const bool on_it = stream == 1 ? communicates(task) : task.kind != TaskKind::communicate;
      if (!on_it) continue;
      if (last[stream] >= 0) task.depends.push_back(last[stream]);
      last[stream] = static_cast<int>(sorted.size());
    }
    std::sort(task.depends.begin(), task.depends.end());
    task.depends.erase(std::unique(task.depends.begin(), task.depends.end()), task.depends.end());
    sorted.push_back(std::move(task));
  }
  tasks = std::move(sorted);
}

}  // namespace tessera

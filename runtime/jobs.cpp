#include "runtime/jobs.h"

#include <algorithm>

namespace tessera {

bool Pointer::loose() const {
  constexpr int64_t kAligned = 16;
  bool any = place.offset * element % kAligned != 0;
  for (const StackMove& move : place.moves) any = any || move.stride * element % kAligned != 0;
  return any;
}

namespace {

bool is_collective(const Task& task) {
  return task.kind == TaskKind::communicate;
}

// Does task `of` depend on task `on`, with nothing but collectives between them?
bool follows(const std::vector<Task>& tasks, size_t of, size_t on) {
  const std::vector<int>& depends = tasks[of].depends;
  return std::any_of(depends.begin(), depends.end(), [&](int each) {
    const auto before = static_cast<size_t>(each);
    return before == on ||
           (before > on && is_collective(tasks[before]) && follows(tasks, before, on));
  });
}

bool is_waited_for(const std::vector<Task>& tasks, size_t collective) {
  size_t before = collective, after = collective + 1;
  while (before > 0 && is_collective(tasks[before - 1])) --before;
  while (after < tasks.size() && is_collective(tasks[after])) ++after;
  return (before == 0 || follows(tasks, collective, before - 1)) &&
         (after == tasks.size() || follows(tasks, after, collective));
}

}  // namespace

bool on_stream(const Job& job, bool communication) {
  if (job.task->kind == TaskKind::loop) return !communication || job.both;
  return communication == (job.communicates() && !job.at_once);
}

std::vector<Job> jobs_of(const std::vector<Task>& tasks, bool waits, JobCount& count) {
  std::vector<Job> list;
  for (const Task& task : tasks) {
    Job job;
    job.task = &task;
    job.number = count.jobs++;
    job.ordinal = count.tasks++;
    job.text = "task " + std::to_string(job.number) + ", " + task.name +
               (task.where.known() ? ", " + task.where.str() : "");
    for (int d : task.depends) job.depends.push_back(list[static_cast<size_t>(d)].number);
    job.body = jobs_of(task.body, waits, count);
    job.both = std::any_of(job.body.begin(), job.body.end(),
                           [](const Job& inner) { return on_stream(inner, true); });
    job.at_once = waits && is_collective(task) && is_waited_for(tasks, list.size());
    if (task.while_holds) job.decision = count.jobs++;
    for (const bool communication : {false, true}) {
      for (size_t i = job.body.size(); i-- > 0;) {
        if (!on_stream(job.body[i], communication)) continue;
        job.whole.push_back(job.body[i].number);
        break;
      }
    }
    list.push_back(std::move(job));
  }
  return list;
}

}  // namespace tessera

#include "runtime/jobs.h"

namespace tessera {

bool Pointer::loose() const {
  constexpr int64_t kAligned = 16;
  bool any = place.offset * element % kAligned != 0;
  for (const StackMove& move : place.moves) any = any || move.stride * element % kAligned != 0;
  return any;
}

bool on_stream(const Job& job, bool communication) {
  return communication ? communicates(*job.task) : !job.communicates();
}

std::vector<Job> jobs_of(const std::vector<Task>& tasks, JobCount& count) {
  std::vector<Job> list;
  for (const Task& task : tasks) {
    Job job;
    job.task = &task;
    job.number = count.jobs++;
    job.ordinal = count.tasks++;
    job.text = "task " + std::to_string(job.number) + ", " + task.name +
               (task.where.known() ? ", " + task.where.str() : "");
    for (int d : task.depends) job.depends.push_back(list[static_cast<size_t>(d)].number);
    job.body = jobs_of(task.body, count);
    job.both = task.kind == TaskKind::loop && communicates(task);
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

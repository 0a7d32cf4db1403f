#include "codegen/tune.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "codegen/schedule_space.h"
#include "codegen/tuned_schedules.h"

namespace tessera {
namespace {

constexpr double kLeastGain = 1.03;  // less is noise
constexpr double kHopeless = 1.15;   // slower than the best by this in kLooks runs: given up
constexpr int kLooks = 2;
constexpr int kRounds = 5;  // runs in turn that decide
constexpr size_t kSeedsBeforeSteps = 8;

// What some runs of a kernel took.
struct Sample {
  std::vector<double> seconds;

  double median() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
  double fastest() const { return *std::min_element(seconds.begin(), seconds.end()); }
};

// Both in the median and at their best, so that load that came and went decides nothing.
bool faster(const Sample& a, const Sample& b) {
  return a.median() * kLeastGain <= b.median() && a.fastest() < b.fastest();
}

// One kernel, wherever it is used.
struct Subject {
  std::string key;
  const KernelGroup* group;
  int uses = 1;
  double weight = 0;  // seconds of a step
  TunedKernel result;
};

// The search for one kernel's schedule. Kernels that it compiles are dropped with it.
class Search {
 public:
  Search(const Subject& subject, const ScheduleSpace& space, const ScheduleChoice& start,
         const TuneOptions& options)
      : subject_(subject), space_(space), options_(options), compiler_(options.compiler) {
    start_ = best_ = {start, compiler_.compile(*subject.group, start)};
    tried_.insert(print(start));
    const std::vector<ScheduleChoice> seeds = space.seeds();
    const auto head =
        seeds.begin() + static_cast<std::ptrdiff_t>(std::min(kSeedsBeforeSteps, seeds.size()));
    queue_.assign(seeds.begin(), head);
    if (start != space.model()) queue_.push_front(space.model());
    add(space.neighbours(start), false);
    queue_.insert(queue_.end(), head, seeds.end());
  }

  // Tries the next candidate; false when none is left.
  bool step() {
    while (!queue_.empty() && tried_.count(print(queue_.front())) != 0) queue_.pop_front();
    if (queue_.empty()) return false;
    Candidate next{queue_.front(), {}};
    queue_.pop_front();
    tried_.insert(print(next.choice));
    next.kernel = compiler_.compile(*subject_.group, next.choice);
    ++count_;
    if (hopeless(next)) return true;
    const auto [now, then] = compare(next, best_);
    if (!faster(now, then)) return true;
    best_ = std::move(next);
    speedup_ *= then.median() / now.median();
    add(space_.neighbours(best_.choice), true);
    return true;
  }

  int count() const { return count_; }
  double speedup() const { return speedup_; }
  const ScheduleChoice& best() const { return best_.choice; }
  // Of the best and of the start, in turn.
  std::pair<Sample, Sample> verdict() { return compare(best_, start_); }
  // Of the model's schedule, for the record.
  double model_seconds() {
    const Candidate model{space_.model(), compiler_.compile(*subject_.group, space_.model())};
    return compare(model, model).first.median();
  }

 private:
  struct Candidate {
    ScheduleChoice choice;
    Kernel kernel;
  };

  void add(const std::vector<ScheduleChoice>& choices, bool in_front) {
    queue_.insert(in_front ? queue_.begin() : queue_.end(), choices.begin(), choices.end());
  }
  double seconds_of(const Candidate& c) { return options_.measure(c.kernel, *subject_.group); }

  // Is it slower than the best by far in each of some runs?
  bool hopeless(const Candidate& candidate) {
    const double limit = kHopeless * seconds_of(best_);
    for (int look = 0; look < kLooks; ++look)
      if (seconds_of(candidate) <= limit) return false;
    return true;
  }

  std::pair<Sample, Sample> compare(const Candidate& a, const Candidate& b) {
    std::pair<Sample, Sample> samples;
    for (int round = 0; round < kRounds; ++round) {
      samples.first.seconds.push_back(seconds_of(a));
      samples.second.seconds.push_back(seconds_of(b));
    }
    return samples;
  }

  const Subject& subject_;
  const ScheduleSpace& space_;
  const TuneOptions& options_;
  Compiler compiler_;
  Candidate start_, best_;
  std::set<std::string> tried_;
  std::deque<ScheduleChoice> queue_;
  int count_ = 0;
  double speedup_ = 1;
};

class Tuner {
 public:
  Tuner(const std::vector<KernelGroup>& groups, const TuneOptions& options)
      : options_(options),
        store_(options.compiler.cache_dir.empty() ? default_cache_folder()
                                                  : options.compiler.cache_dir) {
    TESSERA_CHECK(options_.measure != nullptr) << "tuning measures";
    if (!options_.clock)
      options_.clock = [] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
            .count();
      };
    build_ = build_options(options.compiler);
    start_ = options_.clock();
    collect(groups);
  }

  TuneReport run() {
    double weights = 0;
    for (const Subject& subject : subjects_) weights += subject.weight;
    for (size_t i = 0; i < subjects_.size(); ++i) {
      Subject& subject = subjects_[i];
      const double left = options_.seconds - elapsed();
      if (subject.result.problem.empty() && left > 0)
        search(subject, i, elapsed() + left * subject.weight / weights);
      weights = std::max(weights - subject.weight, 1e-300);
      report_.kernels.push_back(subject.result);
    }
    report_.seconds = elapsed();
    return std::move(report_);
  }

 private:
  double elapsed() const { return options_.clock() - start_; }

  // The distinct kernels, measured as they are compiled now, those that cost most first.
  void collect(const std::vector<KernelGroup>& groups) {
    std::map<std::string, size_t> known;
    for (const KernelGroup& group : groups) {
      const std::string key = key_of_kernel(group, build_);
      const auto [it, added] = known.emplace(key, subjects_.size());
      if (added)
        subjects_.push_back({key, &group, 1, 0, {}});
      else
        ++subjects_[it->second].uses;
    }
    Compiler compiler(options_.compiler);
    for (Subject& subject : subjects_) {
      const Kernel kernel = compiler.compile(*subject.group);
      subject.result.name = kernel.name;
      subject.result.uses = subject.uses;
      try {
        subject.result.before = options_.measure(kernel, *subject.group);
      } catch (const UserError& error) {
        subject.result.problem = error.what();
      }
      subject.result.after = subject.result.before;
      subject.weight = subject.uses * subject.result.before;
    }
    std::stable_sort(subjects_.begin(), subjects_.end(),
                     [](const Subject& a, const Subject& b) { return a.weight > b.weight; });
  }

  void search(Subject& subject, size_t number, double deadline) {
    const ScheduleSpace space(*subject.group, build_);
    const std::optional<TunedSchedule> known = store_.read(subject.key);
    Search search(subject, space, known ? known->choice : space.model(), options_);
    TunedKernel& result = subject.result;
    while (elapsed() < deadline && search.step()) {
      ++report_.tried;
      if (options_.progress)
        options_.progress({result.name, static_cast<int>(number) + 1,
                           static_cast<int>(subjects_.size()), report_.tried, elapsed(),
                           search.speedup()});
    }
    result.tried = search.count();
    const auto [after, before] = search.verdict();
    result.before = before.median();
    result.improved = faster(after, before);
    result.after = result.improved ? after.median() : before.median();
    const ScheduleChoice kept = result.improved ? search.best()
                                : known         ? known->choice
                                                : space.model();
    result.schedule = space.describe(kept);
    if (!result.improved) return;
    if (kept == space.model())
      store_.erase(subject.key);
    else
      store_.write(subject.key, {kept, result.after, search.model_seconds()});
  }

  TuneOptions options_;
  TunedSchedules store_;
  BuildOptions build_;
  double start_ = 0;
  std::vector<Subject> subjects_;
  TuneReport report_;
};

}  // namespace

TuneReport tune(const std::vector<KernelGroup>& groups, const TuneOptions& options) {
  return Tuner(groups, options).run();
}

}  // namespace tessera

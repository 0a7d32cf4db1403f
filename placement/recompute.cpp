#include "placement/recompute.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "ir/early_order.h"
#include "ir/structure.h"
#include "placement/memory.h"
#include "placement/steps_again.h"

namespace tessera {
namespace {

constexpr int kMostTries = 400;             // of looking at what is held
constexpr double kLowers = 1e-4;            // a peak that falls by a smaller share does not
constexpr int kSpacings[] = {2, 4, 8, 16};  // of a chain, of which one in so many is kept

int64_t rounded_bytes(const Tensor& tensor) {
  constexpr int64_t kGranule = 64;  // as in memory.h
  const int64_t bytes = volume(tensor.dims()) * static_cast<int64_t>(size_of(tensor.type()));
  return (bytes + kGranule - 1) / kGranule * kGranule;
}

class Chooser {
 public:
  Chooser(const ProgramRules& rules, const Plan& plan, const ShardedProgram& local,
          const Prices& prices, int64_t memory)
      : rules_(rules), plan_(plan), local_(local), prices_(prices), limit_(memory) {}

  std::optional<RecomputationChoice> run() {
    for (const Step& step : local_.steps)
      if (std::holds_alternative<LoopStep>(step)) return std::nullopt;
    number();
    after_.assign(rules_.nests.size(), StepsAgain::kNever);
    now_ = steps_->held(after_, limit_);
    // What lowering counts and the numbers do not, such as updates that are not in place.
    const int64_t apart = std::max<int64_t>(memory_of(local_).peak - now_.peak, 0);
    limit_ -= apart;
    now_ = steps_->held(after_, limit_);
    if (now_.peak <= limit_) return least();
    while (now_.peak > limit_ && tries_ < kMostTries && drop_best_class()) {
    }
    if (dropped_.empty()) return std::nullopt;
    keep_after_all();
    return choice(apart);
  }

 private:
  // --- The steps in numbers ---------------------------------------------------------------------

  int number_of(const Tensor& tensor) {
    const auto [it, fresh] = numbers_.emplace(tensor, static_cast<int>(bytes_.size()));
    if (fresh) bytes_.push_back(rounded_bytes(tensor));
    return it->second;
  }

  void number() {
    std::map<std::string, int> nests;
    for (size_t n = 0; n < rules_.nests.size(); ++n)
      nests[rules_.nests[n].nest().out.name()] = static_cast<int>(n);
    std::map<std::string, const Assignment*> assignments;
    for (const NestDecision& nest : plan_.nests) assignments.emplace(nest.nest, &nest.assignment);
    std::vector<StepsAgain::Step> steps;
    for (const Step& step : local_.steps) {
      StepsAgain::Step made{number_of(outputs_of(step)[0]), {}};
      for (const Tensor& input : inputs_of(step)) made.in.push_back(number_of(input));
      const CommStep* comm = std::get_if<CommStep>(&step);
      const std::string& origin = comm ? comm->origin : std::get<ComputeStep>(step).origin;
      const auto nest = nests.find(origin);
      if (nest != nests.end()) made.group = nest->second;
      if (comm != nullptr) {
        made.seconds = prices_.comm.seconds(comm->kind, local_.mesh, comm->axes, comm->bytes);
        made.transient = std::max(rounded_bytes(comm->input), rounded_bytes(comm->output));
      } else if (std::get<ComputeStep>(step).nest.out.name() == origin && nest != nests.end()) {
        made.makes = true;
        made.seconds = prices_.kernels.of(rules_, static_cast<size_t>(nest->second),
                                          *assignments.at(origin), plan_.mesh);
      }
      steps.push_back(std::move(made));
    }
    int64_t kept = 0;
    std::set<int> stay;
    const auto keep = [&](const Tensor& tensor) {
      if (stay.insert(number_of(tensor)).second) kept += rounded_bytes(tensor);
      bytes_[static_cast<size_t>(number_of(tensor))] = 0;
    };
    for (const Border& border : local_.inputs) keep(border.local);
    for (const Border& border : local_.stored) keep(border.local);
    for (const Border& border : local_.outputs) keep(border.local);
    for (const LocalUpdate& update : local_.updates) {
      stay.insert(number_of(update.value));
      bytes_[static_cast<size_t>(number_of(update.value))] = 0;  // mostly in place
    }
    for (StepsAgain::Step& step : steps)
      if (stay.count(step.out) != 0) step.group = -1, step.makes = false;
    steps_.emplace(std::move(steps), bytes_, static_cast<int>(rules_.nests.size()), kept);
    for (size_t s = 0; s < steps_->steps().size(); ++s)
      if (steps_->steps()[s].makes) makes_[steps_->steps()[s].group] = static_cast<int>(s);
  }

  // --- Dropping ---------------------------------------------------------------------------------

  size_t class_of(int group) const { return rules_.classes.of[static_cast<size_t>(group)]; }

  bool may_drop(int group) const {
    const StepsAgain::Gap& gap = steps_->gap(group);
    return makes_.count(group) != 0 && gap.late > gap.early + 1 && !from_of(group).empty();
  }

  // The definition that a step computes.
  std::string reader_of(int step) const {
    const ComputeStep* compute = std::get_if<ComputeStep>(&local_.steps[static_cast<size_t>(step)]);
    return compute == nullptr || compute->nest.out.name() != compute->origin ? "" : compute->origin;
  }

  // The first definition after the last early use.
  std::string from_of(int group) const {
    const StepsAgain::Gap& gap = steps_->gap(group);
    std::string name;
    for (int step = gap.early + 1; name.empty() && step <= gap.late; ++step) name = reader_of(step);
    return name;
  }

  struct Candidate {
    double score;  // bytes for a second
    size_t nest_class;
  };

  // Classes by what dropping them gives at the fullest moment, for the seconds that it costs.
  std::vector<Candidate> candidates() const {
    std::map<size_t, int64_t> bytes;
    std::set<int> groups;
    for (const int tensor : now_.idle) {
      const int group = steps_->steps()[static_cast<size_t>(steps_->maker(tensor))].group;
      if (group < 0 || after_[static_cast<size_t>(group)] != StepsAgain::kNever || !may_drop(group))
        continue;
      const StepsAgain::Gap& gap = steps_->gap(group);
      if (gap.early >= now_.at || gap.late <= now_.at) continue;
      bytes[class_of(group)] += steps_->bytes(tensor);
      if (groups.insert(group).second) bytes[class_of(group)] -= more_held(group);
    }
    std::map<size_t, double> seconds;
    for (const int group : groups) seconds[class_of(group)] += seconds_of(group);
    std::vector<Candidate> result;
    for (const auto& [nest_class, freed] : bytes)
      if (freed > 0 && refused_.count(nest_class) == 0)
        result.push_back(
            {static_cast<double>(freed) / std::max(seconds[nest_class], 1e-12), nest_class});
    std::sort(result.begin(), result.end(),
              [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
    return result;
  }

  // What has to be held then, so that it can be made again.
  int64_t more_held(int group) const {
    int64_t bytes = 0;
    for (const int tensor : steps_->steps()[static_cast<size_t>(makes_.at(group))].in) {
      const int maker = steps_->maker(tensor);
      const int other = maker < 0 ? -1 : steps_->steps()[static_cast<size_t>(maker)].group;
      if (other >= 0 && after_[static_cast<size_t>(other)] != StepsAgain::kNever) continue;
      if (now_.there[static_cast<size_t>(tensor)] == 0) bytes += steps_->bytes(tensor);
    }
    return bytes;
  }

  double seconds_of(int group) const {
    return steps_->steps()[static_cast<size_t>(makes_.at(group))].seconds;
  }

  bool better(const StepsAgain::Held& next) const {
    if (static_cast<double>(next.peak) < static_cast<double>(now_.peak) * (1 - kLowers))
      return true;
    return next.peak <= now_.peak && next.area < now_.area * (1 - kLowers);
  }

  StepsAgain::Held look(const std::vector<int>& after) {
    ++tries_;
    return steps_->held(after, limit_);
  }

  bool drop_best_class() {
    for (const Candidate& candidate : candidates()) {
      std::vector<int> members;
      for (const auto& [group, step] : makes_)
        if (class_of(group) == candidate.nest_class && may_drop(group) &&
            after_[static_cast<size_t>(group)] == StepsAgain::kNever)
          members.push_back(group);
      if (try_dropping(members, 0)) return true;
      for (const int spacing : kSpacings)
        if (try_dropping(members, static_cast<size_t>(spacing))) return true;
      refused_.insert(candidate.nest_class);
    }
    return false;
  }

  // All of them, or all but each of so many.
  bool try_dropping(const std::vector<int>& members, size_t spacing) {
    std::vector<int> after = after_, taken;
    for (size_t i = 0; i < members.size(); ++i) {
      if (spacing > 0 && i % spacing == spacing - 1) continue;
      after[static_cast<size_t>(members[i])] = steps_->gap(members[i]).early;
      taken.push_back(members[i]);
    }
    if (taken.empty()) return false;
    StepsAgain::Held next = look(after);
    if (!better(next)) return false;
    after_ = std::move(after);
    now_ = std::move(next);
    dropped_.push_back(taken);
    refused_.clear();
    return true;
  }

  // --- Keeping what need not go -----------------------------------------------------------------

  // As many of each class as there is room for, the dearest class first.
  void keep_after_all() {
    std::stable_sort(dropped_.begin(), dropped_.end(), [&](const auto& a, const auto& b) {
      return seconds_of(a[0]) * static_cast<double>(a.size()) >
             seconds_of(b[0]) * static_cast<double>(b.size());
    });
    const int64_t allowed = std::max(limit_, now_.peak);
    for (const std::vector<int>& members : dropped_) {
      size_t fits = 0, too_many = members.size() + 1;
      while (too_many - fits > 1) {
        const size_t count =
            fits == 0 && too_many > members.size() ? members.size() : (fits + too_many) / 2;
        std::vector<int> after = after_;
        for (size_t i = 0; i < count; ++i)
          after[static_cast<size_t>(members[members.size() - 1 - i])] = StepsAgain::kNever;
        StepsAgain::Held next = look(after);
        const bool good = next.peak <= allowed && next.seconds <= now_.seconds;
        (good ? fits : too_many) = count;
        if (count == members.size() && !good) too_many = count;
      }
      for (size_t i = 0; i < fits; ++i)
        after_[static_cast<size_t>(members[members.size() - 1 - i])] = StepsAgain::kNever;
      if (fits > 0) now_ = look(after_);
    }
  }

  // Where the order is enough, which goes along with recomputation: what takes least.
  std::optional<RecomputationChoice> least() const {
    int best = -1;
    for (const auto& [group, step] : makes_)
      if (may_drop(group) && (best < 0 || seconds_of(group) < seconds_of(best))) best = group;
    if (best < 0) return std::nullopt;
    return RecomputationChoice{
        {{rules_.nests[static_cast<size_t>(best)].nest().out.name(), from_of(best)}},
        seconds_of(best),
        memory_of(local_).peak};
  }

  std::optional<RecomputationChoice> choice(int64_t apart) const {
    RecomputationChoice result;
    for (const auto& [group, step] : makes_)
      if (after_[static_cast<size_t>(group)] != StepsAgain::kNever)
        result.recomputed.push_back(
            {rules_.nests[static_cast<size_t>(group)].nest().out.name(), from_of(group)});
    if (result.recomputed.empty()) return std::nullopt;
    result.seconds = now_.seconds;
    result.peak = now_.peak + apart;
    return result;
  }

  const ProgramRules& rules_;
  const Plan& plan_;
  const ShardedProgram& local_;
  const Prices& prices_;
  int64_t limit_;
  std::map<Tensor, int> numbers_;
  std::vector<int64_t> bytes_;
  std::optional<StepsAgain> steps_;
  std::map<int, int> makes_;  // by group: the step that computes it
  std::vector<int> after_;    // by group: the step after which it is dropped
  StepsAgain::Held now_;
  std::vector<std::vector<int>> dropped_;
  std::set<size_t> refused_;  // classes, since something was dropped
  int tries_ = 0;
};

}  // namespace

std::optional<RecomputationChoice> choose_recomputation(const ProgramRules& rules, const Plan& plan,
                                                        const ShardedProgram& local,
                                                        const Prices& prices, int64_t memory) {
  return Chooser(rules, plan, local, prices, memory).run();
}

namespace {

// What a nest passes on or looks up in may be a copy now.
void read_copies(const Tensor& nest, const std::map<std::string, std::string>& copies,
                 Choice& choice) {
  if (choice.tensors.empty()) return;
  for (const Tensor& read : tensors_read(nest.value()))
    if (const auto of = copies.find(read.name()); of != copies.end())
      std::replace(choice.tensors.begin(), choice.tensors.end(), of->second, read.name());
  // Rules have an order of their own, which is that of making tensors.
  const auto names = [](const Choice& of) {
    return std::multiset<std::string>(of.tensors.begin(), of.tensors.end());
  };
  const NestRules rules(nest_of(nest));
  for (const Choice& legal : rules.choices())
    if (legal.kind == choice.kind && legal.dim == choice.dim && names(legal) == names(choice))
      choice = legal;
}

}  // namespace

Program in_early_order(const Program& normal) {
  Program result(normal.name(), normal.where());
  for (const Tensor& tensor : early_order(normal)) result.import(tensor);
  for (const Output& output : normal.outputs()) result.add_output(output);
  for (const Update& update : normal.updates()) result.add_update(update);
  for (const Pin& pin : normal.pins()) result.pin(pin.tensor, pin.dim, pin.axis, pin.where);
  return result;
}

Plan with_recomputation(const Program& normal, const Plan& plan,
                        const std::vector<Recomputation>& recomputed) {
  if (recomputed.empty()) return plan;
  const RecomputingProgram again = recomputing(normal, recomputed);
  Plan result = plan;
  result.recomputed = recomputed;
  std::map<std::string, NestDecision> decisions;
  for (const NestDecision& nest : plan.nests) decisions.emplace(nest.nest, nest);
  result.nests.clear();
  std::map<std::string, std::string> copy_of;  // by what is copied
  for (const auto& [copy, original] : again.copies) copy_of.emplace(original, copy);
  for (const Tensor& tensor : again.program.definitions()) {
    const auto copy = again.copies.find(tensor.name());
    NestDecision decision = decisions.at(copy == again.copies.end() ? tensor.name() : copy->second);
    if (copy != again.copies.end())
      decision.chosen = {ChosenBy::optimizer, "computed again, as " + copy->second + " is", {}};
    decision.nest = tensor.name();
    for (Choice& choice : decision.assignment.axes) read_copies(tensor, again.copies, choice);
    result.nests.push_back(std::move(decision));
  }
  for (const HeldDecision& held : plan.held) {
    const auto copy = copy_of.find(held.tensor);
    if (copy == copy_of.end()) continue;
    result.held.push_back(held);
    result.held.back().tensor = copy->second;
  }
  return result;
}

}  // namespace tessera

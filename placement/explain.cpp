#include "placement/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/units.h"
#include "ir/index_range.h"
#include "ir/print.h"
#include "partition/halo.h"
#include "partition/scopes.h"
#include "placement/table.h"

namespace tessera {
namespace {

constexpr size_t kMostRows = 12;  // of the lists that are sorted by size

using Rows = std::vector<std::vector<std::string>>;

std::string who(const Provenance& chosen) {
  std::string text = name_of(chosen.by);
  if (!chosen.why.empty()) text += ": " + chosen.why;
  if (chosen.where.known()) text += " at " + chosen.where.str();
  return text;
}

// "w1, w1_mean, w1_square", or the first two and how many more.
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kAll = 3, kFirst = 2;
  if (names.size() <= kAll) return join(names, ", ");
  return names[0] + ", " + names[kFirst - 1] + fmt::format(" and {} more", names.size() - kFirst);
}

// Rows that differ in their first cell only become one, where the first of them stands.
Rows merged(const Rows& rows) {
  using Cells = std::vector<std::string>;
  std::map<Cells, size_t> known;  // by the other cells
  std::vector<Cells> names;
  Rows result;
  for (const Cells& row : rows) {
    const Cells others(row.begin() + 1, row.end());
    const auto [it, added] = known.emplace(others, result.size());
    if (added) {
      result.push_back(row);
      names.emplace_back();
    }
    names[it->second].push_back(row[0]);
  }
  for (size_t i = 0; i < result.size(); ++i) result[i][0] = listed(names[i]);
  return result;
}

class Explanation {
 public:
  explicit Explanation(const PlanFacts& facts)
      : facts_(facts),
        program_(facts.program),
        plan_(facts.plan),
        cluster_(facts.cluster),
        line_(facts.line),
        memory_(facts.memory) {}

  std::string text() {
    header();
    templates();
    placements();
    nest_choices();
    computed_again();
    collectives();
    reasons();
    whole_reads();
    longest_nests();
    memory();
    return std::move(text_);
  }

 private:
  void section(const std::string& title, const Rows& rows, const std::vector<int>& right) {
    if (rows.size() < 2) return;
    text_ += "\n" + title + "\n" + aligned(rows, right);
  }

  void header() {
    const Prediction& p = plan_.predicted;
    std::string mesh = plan_.mesh.axes.empty() ? "one rank" : print(plan_.mesh);
    text_ += fmt::format("plan of {} for {}\n", plan_.program, describe(cluster_));
    Rows rows = {{"mesh", mesh}};
    if (p.seconds > 0) {
      rows.push_back({"predicted time per step",
                      fmt::format("{} ({} computing, {} communicating)", human_seconds(p.seconds),
                                  human_seconds(p.compute_seconds),
                                  human_seconds(p.seconds - p.compute_seconds))});
      rows.push_back({"with overlap", fmt::format("{}, of which {} waiting for communication",
                                                  human_seconds(line_.end),
                                                  human_seconds(p.exposed_comm_seconds))});
    }
    if (p.lower_bound_seconds > 0) {
      rows.push_back({"proven lower bound", human_seconds(p.lower_bound_seconds)});
      rows.push_back({"gap", p.gap < 1e-9 ? "0 (no plan in the space is faster)"
                                          : fmt::format("{:.2f}%", 100 * p.gap)});
    }
    rows.push_back({"peak memory per device", fmt::format("{} of {}", human_bytes(memory_.peak),
                                                          human_bytes(cluster_.device.memory))});
    text_ += aligned(rows, {});
  }

  void templates() {
    Rows rows = {{"template", "mesh", "time", "more than this plan"}};
    const double ours = plan_.predicted.seconds;
    for (const Prediction::Strategy& each : plan_.predicted.templates)
      rows.push_back({each.name, each.mesh, human_seconds(each.seconds),
                      each.seconds <= ours * (1 + 1e-9)
                          ? "nothing"
                          : fmt::format("{:.3g}%", 100 * (each.seconds / ours - 1))});
    section("strategies written by hand, each at its best", rows, {2, 3});
  }

  void placements() {
    Rows rows = {{"tensor", "kept as", "per device", "chosen by"}};
    auto add = [&](const StorageDecision& decision, const Tensor& tensor) {
      rows.push_back({decision.tensor, describe(decision.stored, decision.dims, plan_.mesh),
                      human_bytes(facts_.kept_bytes(decision, tensor)), who(decision.chosen)});
    };
    const auto section_of = [&](const std::string& title, bool carried) {
      for (const StorageDecision& decision : plan_.stored) {
        const Tensor tensor = program_.get(decision.tensor);
        if ((tensor.role() == Role::carried) == carried) add(decision, tensor);
      }
      section(title, merged(rows), {2});
      rows.resize(1);
    };
    section_of("inputs, parameters and states", false);
    section_of("what loops carry", true);
    for (const Output& output : program_.outputs()) add(plan_.output(output.name), output.value);
    section("outputs", merged(rows), {2});
  }

  void nest_choices() {
    if (plan_.mesh.axes.empty()) return;
    Rows rows = {{"nest"}};
    for (const Axis& axis : plan_.mesh.axes) rows[0].push_back(axis.name);
    rows[0].push_back("chosen by");
    for (const NestDecision& decision : plan_.nests) {
      std::vector<std::string> row = {decision.nest};
      for (const Choice& choice : decision.assignment.axes) row.push_back(describe(choice));
      row.push_back(who(decision.chosen));
      rows.push_back(std::move(row));
    }
    section("nests: the loop that each mesh axis splits", rows, {});
  }

  // What takes longest first, and in the title what all of it takes.
  void computed_again() {
    std::map<std::string, double> seconds;  // by what is copied
    double all = 0;
    for (const TimedStep& timed : line_.steps) {
      const ComputeStep* compute = std::get_if<ComputeStep>(timed.step);
      const auto copy = compute == nullptr ? facts_.planned.copies.end()
                                           : facts_.planned.copies.find(compute->origin);
      if (copy == facts_.planned.copies.end()) continue;
      seconds[copy->second] += timed.seconds;
      all += timed.seconds;
    }
    std::vector<const Recomputation*> order;
    for (const Recomputation& each : plan_.recomputed) order.push_back(&each);
    std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
      return seconds[a->tensor] > seconds[b->tensor];
    });
    Rows rows = {{"tensor", "time", "for"}};
    for (size_t i = 0; i < order.size() && i < kMostRows; ++i)
      rows.push_back({order[i]->tensor, human_seconds(seconds[order[i]->tensor]),
                      order[i]->from + " and what follows"});
    section(fmt::format("computed twice so that it need not be kept: {} tensors, {}", order.size(),
                        human_seconds(all)),
            rows, {1});
  }

  void collectives() {
    Rows rows = {{"collective", "over", "tensor", "bytes", "time", "hidden", "overlap"}};
    for (const Communication& each : facts_.communication) {
      double hidden = std::max(0.0, each.seconds - each.exposed);
      bool whole = hidden >= 0.99 * each.seconds, none = hidden <= 0.01 * each.seconds;
      const std::string times = each.times > 1 ? fmt::format(" x{}", each.times) : "";
      rows.push_back({name_of(each.step->kind) + times,
                      join(plan_.mesh.names(each.step->axes), " "), each.step->origin,
                      human_bytes(each.times * each.step->bytes), human_seconds(each.seconds),
                      human_seconds(hidden),
                      whole  ? "hidden behind computing"
                      : none ? "none: computing waits"
                             : "partly hidden"});
    }
    section("collectives of one device, in order", rows, {3, 4, 5});
    if (rows.size() < 2) text_ += "\nno communication\n";
  }

  static std::string place(const CommunicationEnd& end) {
    if (!end.where.known()) return end.name;
    const std::string line = end.where.str();
    return end.name + " (" + line.substr(line.rfind('/') + 1) + ")";
  }

  // Those that take longest.
  void reasons() {
    std::vector<const Communication*> order;
    for (const Communication& each : facts_.communication) order.push_back(&each);
    std::stable_sort(
        order.begin(), order.end(),
        [](const Communication* a, const Communication* b) { return a->seconds > b->seconds; });
    Rows rows = {{"collective", "tensor", "between which lines, and why"}};
    for (size_t i = 0; i < order.size() && i < kMostRows; ++i) {
      const Communication& each = *order[i];
      std::vector<std::string> to;
      for (const CommunicationEnd& end : each.to) to.push_back(place(end));
      rows.push_back({name_of(each.step->kind), each.step->origin,
                      "from " + place(each.from) + " to " + listed(to) + ": " + each.why});
    }
    section("why there is communication, what takes longest first", rows, {});
  }

  // A read whose index is not affine, and of which no window of a block will do.
  struct WholeRead {
    std::string dim;
    std::string user;
    std::string index;
  };

  static int64_t longest(const HaloWindow& window) {
    int64_t most = 0;
    for (const Interval& member : window.members) most = std::max(most, member.size());
    return most;
  }

  // By the tensor that is read.
  std::map<std::string, std::vector<WholeRead>> reads_without_windows() const {
    std::map<std::string, std::vector<WholeRead>> found;
    const Scopes scopes(program_);
    for (const NestDecision& decision : plan_.nests) {
      const Tensor user = program_.get(decision.nest);
      const NestRules rules(nest_of(user), scopes.dims(scopes.of(user)));
      for (size_t k = 0; k < rules.operands().size(); ++k) {
        const Read& read = *as<Read>(rules.operands()[k]);
        const auto halo = halo_demand(rules, k, decision.assignment, plan_.mesh);
        for (size_t d = 0; d < read.indices.size(); ++d) {
          const Expr& index = read.indices[d].value;
          const int64_t extent = read.tensor.dims()[d].extent();
          const bool served = halo && std::any_of(halo->windows.begin(), halo->windows.end(),
                                                  [&](const HaloWindow& window) {
                                                    return window.dim == static_cast<int>(d) &&
                                                           longest(window) < extent;
                                                  });
          if (!affine_form(index) && !served)
            found[read.tensor.name()].push_back(
                {read.tensor.dims()[d].name(), user.name(), print(index)});
        }
      }
    }
    return found;
  }

  void whole_reads() {
    Rows rows = {{"tensor", "read by", "as"}};
    std::optional<std::map<std::string, std::vector<WholeRead>>> reads;
    for (const Communication& each : facts_.communication) {
      const CommStep& comm = *each.step;
      if (comm.kind != CommKind::all_gather) continue;
      if (!reads) reads = reads_without_windows();
      const std::string local = comm.output.dims()[static_cast<size_t>(comm.gather_dim)].name();
      for (const WholeRead& read : (*reads)[comm.origin]) {
        if (read.dim != local.substr(0, local.find('.'))) continue;
        const std::vector<std::string> row = {comm.origin, read.user, read.dim + ": " + read.index};
        if (std::find(rows.begin(), rows.end(), row) == rows.end()) rows.push_back(row);
      }
    }
    section("gathered whole, as these indices may reach all of a dim from any block of their loops",
            rows, {});
  }

  void longest_nests() {
    std::vector<const TimedStep*> order;
    for (const TimedStep& timed : line_.steps)
      if (std::holds_alternative<ComputeStep>(*timed.step)) order.push_back(&timed);
    std::stable_sort(order.begin(), order.end(), [](const TimedStep* a, const TimedStep* b) {
      return a->seconds > b->seconds;
    });
    Rows rows = {{"nest", "time", "share", "local loops"}};
    for (size_t i = 0; i < order.size() && i < kMostRows; ++i) {
      const ComputeStep& step = std::get<ComputeStep>(*order[i]->step);
      std::vector<std::string> loops;
      for (const Dim& dim : step.nest.loops())
        loops.push_back(dim.name() + "=" + std::to_string(dim.extent()));
      rows.push_back({step.nest.out.name(), human_seconds(order[i]->seconds),
                      fmt::format("{:.1f}%", 100 * order[i]->seconds / line_.compute),
                      join(loops)});
    }
    section("nests that take longest", rows, {1, 2});
  }

  void memory() {
    Rows rows = {{"tensor", "bytes"}};
    for (size_t i = 0; i < memory_.holdings.size() && i < kMostRows; ++i)
      rows.push_back({memory_.holdings[i].tensor, human_bytes(memory_.holdings[i].bytes)});
    section("memory at the fullest moment, computing " + memory_.at, rows, {1});
  }

  const PlanFacts& facts_;
  const Program& program_;
  const Plan& plan_;
  const Cluster& cluster_;
  const Timeline& line_;
  const MemoryUse& memory_;
  std::string text_;
};

}  // namespace

std::string explain(const PlanFacts& facts) {
  return Explanation(facts).text();
}

std::string explain(const Program& normal, const Plan& plan, const Cluster& cluster,
                    const KernelSeconds& kernels) {
  return explain(PlanFacts(normal, plan, cluster, kernels));
}

}  // namespace tessera

#include "launcher/report/plan_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/units.h"
#include "launcher/report/chart.h"
#include "launcher/report/html.h"
#include "launcher/report/page_parts.h"
#include "placement/explain.h"

namespace tessera {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string figures(const PlanFacts& facts) {
  const Prediction& p = facts.plan.predicted;
  std::string text = "<div class=figures>\n";
  add_figure(text, human_seconds(p.seconds), "a step, one thing after the other");
  add_figure(text, human_seconds(facts.line.end), "with overlap");
  add_figure(text, human_seconds(p.lower_bound_seconds), "is the least that any plan takes");
  add_figure(text, human_bytes(facts.memory.peak),
             "per device, of " + human_bytes(facts.cluster.device.memory));
  add_figure(text, std::to_string(facts.plan.mesh.ranks()),
             "devices, mesh " + print(facts.plan.mesh));
  return text + "</div>\n";
}

// "batch in 40 nests, hidden in 3"
std::string what_it_splits(const Plan& plan, size_t axis) {
  std::map<std::string, int> counts;
  for (const NestDecision& nest : plan.nests) {
    const Choice& choice = nest.assignment.axes[axis];
    if (choice.kind != Choice::Kind::none) ++counts[describe(choice)];
  }
  std::vector<std::pair<int, std::string>> order;
  for (const auto& [name, count] : counts) order.emplace_back(count, name);
  std::sort(order.rbegin(), order.rend());
  constexpr size_t kMost = 8;
  std::vector<std::string> parts;
  for (size_t i = 0; i < order.size() && i < kMost; ++i)
    parts.push_back(order[i].second + " in " + std::to_string(order[i].first) +
                    (order[i].first == 1 ? " nest" : " nests"));
  if (order.size() > kMost) parts.push_back(std::to_string(order.size() - kMost) + " more");
  return join(parts);
}

std::string mesh(const PlanFacts& facts) {
  const std::vector<Axis>& axes = facts.plan.mesh.axes;
  Rows rows;
  int stride = facts.plan.mesh.ranks();
  for (size_t a = 0; a < axes.size(); ++a) {
    const int span = stride;
    stride /= axes[a].size;
    const std::string joined_by =
        facts.cluster.levels.empty() ? "" : level_of(facts.cluster, span).name;
    rows.push_back({html(axes[a].name), std::to_string(axes[a].size), html(joined_by),
                    std::to_string(stride), html(what_it_splits(facts.plan, a))});
  }
  return rows.empty()
             ? "<p>One device.</p>\n"
             : html_table({"axis", "devices", "joined by", "ranks apart", "what it splits"}, rows,
                          {false, true, false, true, false});
}

std::string placements(const PlanFacts& facts) {
  Rows rows;
  const auto add = [&](const StorageDecision& decision, const Tensor& tensor,
                       const std::string& role) {
    std::string who = name_of(decision.chosen.by);
    if (!decision.chosen.why.empty()) who += ": " + decision.chosen.why;
    rows.push_back({html(decision.tensor), role,
                    html(describe(decision.stored, decision.dims, facts.plan.mesh)),
                    human_bytes(facts.kept_bytes(decision, tensor)), html(who),
                    line_cell(tensor.where().str())});
  };
  for (const StorageDecision& decision : facts.plan.stored) {
    const Tensor tensor = facts.program.get(decision.tensor);
    add(decision, tensor,
        tensor.role() == Role::input       ? "input"
        : tensor.role() == Role::parameter ? "parameter"
        : tensor.role() == Role::state     ? "state"
                                           : "carried");
  }
  for (const Output& output : facts.program.outputs())
    add(facts.plan.output(output.name), output.value, "output");
  return html_table({"tensor", "is", "kept as", "per device", "chosen by", "line"}, rows,
                    {false, false, false, true, false, false});
}

// What lies on one stream, drawn: what is too short to be seen is drawn with its neighbours.
class Lane {
 public:
  Lane(double end, double y, const char* kind) : scale_(kWidth / end), y_(y), kind_(kind) {}

  void add(double start, double seconds, const std::string& name) {
    const double from = start * scale_, to = (start + seconds) * scale_;
    if (count_ > 0 && (from - to_ > kGap || to - from_ > kLeast)) flush();
    if (count_ == 0) from_ = from;
    to_ = std::max(to, to_);
    seconds_ += seconds;
    name_ = ++count_ == 1 ? name : std::to_string(count_) + " short ones";
    if (to_ - from_ > kLeast) flush();
  }

  std::string text() {
    flush();
    return std::move(text_);
  }

  static constexpr double kLeft = 110;
  static constexpr double kWidth = 840;

 private:
  static constexpr double kLeast = 1;  // pixels
  static constexpr double kGap = 0.5;

  void flush() {
    if (count_ == 0) return;
    text_ += fmt::format(
        "<rect class={} x={:.2f} y={} width={:.2f} height=34><title>{}, {}</title></rect>\n", kind_,
        kLeft + from_, y_, std::max(to_ - from_, 0.3), html(name_), human_seconds(seconds_));
    count_ = 0;
    seconds_ = 0;
    to_ = 0;
  }

  const double scale_;
  const double y_;
  const char* kind_;
  std::string text_, name_;
  double from_ = 0, to_ = 0, seconds_ = 0;
  int count_ = 0;
};

std::string timeline(const PlanFacts& facts) {
  if (!(facts.line.end > 0)) return "";
  Lane computing(facts.line.end, 8, "measured"), communicating(facts.line.end, 50, "predicted");
  for (const TimedStep& timed : facts.line.steps) {
    if (const CommStep* comm = std::get_if<CommStep>(timed.step))
      communicating.add(timed.start, timed.seconds,
                        std::string(name_of(comm->kind)) + " of " + comm->origin);
    else
      computing.add(timed.start, timed.seconds, std::get<ComputeStep>(*timed.step).nest.out.name());
  }
  std::string text = "<svg viewBox=\"0 0 960 112\" role=img>\n";
  text +=
      "<text class=name x=0 y=30>computing</text><text class=name x=0 y=72>communicating</text>\n";
  for (const double tick : round_ticks(0, 1e3 * facts.line.end, 8))
    if (tick <= 1e3 * facts.line.end)
      text += fmt::format("<text x={:.1f} y=106 text-anchor=middle>{:.6g} ms</text>\n",
                          Lane::kLeft + tick * 1e-3 / facts.line.end * Lane::kWidth, tick);
  return text + computing.text() + communicating.text() +
         "</svg>\n<p>Of the first device, as predicted. A pointer that rests on a task shows its "
         "name.</p>\n";
}

std::string memory(const PlanFacts& facts) {
  std::map<const Step*, double> start;
  for (const TimedStep& timed : facts.line.steps) start.emplace(timed.step, timed.start);
  const auto first_of = [&](const Step& step) {
    const Step* at = &step;
    while (const LoopStep* loop = std::get_if<LoopStep>(at)) {
      if (loop->body.empty()) return 0.0;
      at = loop->body.data();
    }
    const auto it = start.find(at);
    return it == start.end() ? 0.0 : it->second;
  };
  ChartLine held;
  double now = 0;
  for (size_t i = 0; i < facts.local.steps.size(); ++i) {
    now = std::max(now, 1e3 * first_of(facts.local.steps[i]));
    held.x.push_back(now);
    held.y.push_back(static_cast<double>(facts.memory.over_steps[i]));
  }
  Chart chart{"ms", "memory of the first device", {held}, true};
  chart.y_text = [](double value) { return human_bytes(static_cast<int64_t>(value)); };
  while (1024 * chart.y_unit <= static_cast<double>(facts.memory.peak)) chart.y_unit *= 1024;
  Rows rows;
  constexpr size_t kMost = 25;
  for (size_t i = 0; i < facts.memory.holdings.size() && i < kMost; ++i)
    rows.push_back(
        {html(facts.memory.holdings[i].tensor), human_bytes(facts.memory.holdings[i].bytes)});
  return svg(chart) + "<p>At the fullest moment, computing " + html(facts.memory.at) + ":</p>\n" +
         html_table({"tensor", "bytes"}, rows, {false, true});
}

std::string end_cell(const CommunicationEnd& end) {
  return html(end.name) + (end.where.known() ? " " + line_cell(end.where.str()) : "");
}

std::string communication(const PlanFacts& facts) {
  if (facts.communication.empty()) return "<p>There is none.</p>\n";
  Rows rows;
  for (const Communication& each : facts.communication) {
    std::vector<std::string> to;
    for (const CommunicationEnd& end : each.to) to.push_back(end_cell(end));
    rows.push_back({html(name_of(each.step->kind)),
                    html(join(facts.plan.mesh.names(each.step->axes), " ")),
                    html(each.step->origin), human_bytes(each.times * each.step->bytes),
                    human_seconds(each.seconds), human_seconds(each.exposed), end_cell(each.from),
                    join(to), html(each.why)});
  }
  return html_table(
      {"collective", "over", "tensor", "bytes", "time", "computing waits", "from", "to", "why"},
      rows, {false, false, false, true, true, true, false, false, false});
}

std::string others(const PlanFacts& facts, const std::vector<Alternative>& alternatives) {
  Rows rows;
  const auto more = [&](double seconds) {
    return fmt::format("{:.3g}%", 100 * (seconds / facts.plan.predicted.seconds - 1));
  };
  for (const Alternative& each : alternatives)
    rows.push_back({html(each.name), html(print(each.mesh)), human_seconds(each.predicted.seconds),
                    more(each.predicted.seconds), human_bytes(each.predicted.peak_bytes),
                    html(each.why)});
  if (rows.empty())
    for (const Prediction::Strategy& each : facts.plan.predicted.templates)
      rows.push_back({html(each.name), html(each.mesh), human_seconds(each.seconds),
                      more(each.seconds), "", ""});
  if (rows.empty()) return "";
  return html_table({"strategy", "mesh", "time", "more", "memory", "why not"}, rows,
                    {false, false, true, true, true, false});
}

}  // namespace

std::string plan_page(const PlanFacts& facts, const std::vector<Alternative>& alternatives) {
  return page_head(facts.plan.program) + "<h1>" + html("plan of " + facts.plan.program) +
         "</h1>\n<p>" + html("for " + describe(facts.cluster)) + "</p>\n" + figures(facts) +
         section("Mesh", mesh(facts)) + section("The predicted step", timeline(facts)) +
         section("Memory over the step", memory(facts)) +
         section("Where each tensor lives", placements(facts)) +
         section("Communication, and why", communication(facts)) +
         section("What else there is", others(facts, alternatives)) +
         section("As text", folded("the page that `tessera plan` prints", explain(facts))) +
         "</body></html>\n";
}

}  // namespace tessera

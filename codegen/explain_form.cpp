#include "codegen/explain_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "codegen/schedule_model.h"
#include "codegen/transposed_loads.h"
#include "ir/print_expression.h"
#include "ir/structure.h"

namespace tessera {
namespace {

std::string names_of(const Dims& dims) {
  std::vector<std::string> names;
  for (const Dim& dim : dims) names.push_back(fmt::format("{}={}", dim.name(), dim.extent()));
  return names.empty() ? "no dims" : join(names, " ");
}

std::string levels_text(const IndexLevels& levels) {
  std::vector<std::string> names;
  for (const IndexLevel& level : levels)
    names.push_back(fmt::format("{}={}", level.dim.name(), level.extent));
  return names.empty() ? "1" : join(names, " x ");
}

std::string operand_text(const Expr& operand) {
  std::vector<std::string> names;
  for (const Tensor& tensor : tensors_read(operand)) names.push_back(tensor.name());
  return names.empty() ? "numbers" : join(names, " and ");
}

std::string feed_text(const char* name, const Expr& operand, Feed feed, bool meets_pad = false) {
  const char* how = meets_pad ? "read where it lies, and packed into panels where rows meet the pad"
                    : feed == Feed::direct         ? "read where it lies"
                    : as<Read>(operand) != nullptr ? "packed into panels"
                                                   : "computed while it is packed into panels";
  return fmt::format("{} ({}) {}", name, operand_text(operand), how);
}

std::string count_of(int64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::vector<ScheduleFact> explain(const ContractionPlan& plan) {
  const Contraction& c = plan.group.contraction;
  const ContractionSchedule& s = plan.schedule;
  std::vector<ScheduleFact> facts;
  facts.push_back({"sides", fmt::format("m = {}; n = {}; k = {}; batch = {}{}", names_of(c.m),
                                        names_of(c.n), names_of(c.k), names_of(c.batch),
                                        plan.swapped ? "; the sides are exchanged" : "")});
  facts.push_back({"loops", fmt::format("batch {}, n {} by {}, m {} by {}, k {} by {}, tiles",
                                        levels_text(plan.layout.batch), levels_text(plan.layout.n),
                                        s.n_block, levels_text(plan.layout.m), s.m_block,
                                        levels_text(plan.layout.k), s.k_block)});
  facts.push_back({"tile", fmt::format("{} x {} of {} in registers", count_of(s.rows, "row"),
                                       count_of(s.vectors, "vector"), count_of(s.lanes, "lane")) +
                               (s.batched ? ", which are batches" : "")});
  facts.push_back(
      {"fed", feed_text("a", c.a, s.a, !edges_of(plan).empty()) + "; " + feed_text("b", c.b, s.b)});
  if (c.pair)
    facts.push_back({"pairs", "combined as " + ExpressionPrinter({}).definition(c.pair->value)});
  if (c.guarded_a || c.guarded_b)
    facts.push_back(
        {"guarded", fmt::format("products count where {} is not -0", c.guarded_a ? "a" : "b")});
  std::vector<std::string> names;
  for (const Nest& nest : plan.group.epilogue) names.push_back(nest.out.name());
  if (!names.empty()) facts.push_back({"on a tile", join(names) + " while it is hot"});
  facts.push_back({"chunks", fmt::format("{}, each a block of m and n", s.chunks)});
  return facts;
}

std::string loops_text(const LoopNest& nest, const std::vector<int>& loops, int lane, int lanes) {
  std::vector<std::string> names;
  for (const int loop : loops) {
    const NestedLoop& each = nest.loops[static_cast<size_t>(loop)];
    names.push_back(fmt::format("{}={}", each.name, each.extent) +
                    (loop == lane && lanes > 1 ? fmt::format(" by {} lanes", lanes) : ""));
  }
  return names.empty() ? "none" : join(names);
}

std::string step_text(const std::optional<int64_t>& step) {
  if (!step) return "gathered";
  if (*step == 0) return "one for all lanes";
  if (*step == 1) return "whole vectors";
  return fmt::format("with stride {}", *step);
}

// How the stage's loads move along the lanes: "x whole vectors, w one for all lanes".
std::string loads_text(const LoopNest& nest, const Stage& stage, int lane) {
  std::map<std::string, std::string> loads;
  const auto is_transposed = [&](int node) {
    return std::count(stage.transposed.begin(), stage.transposed.end(), node) != 0;
  };
  for (const int node : use_of(nest, stage).nodes) {
    const Node& each = nest.nodes[static_cast<size_t>(node)];
    if (each.kind != Node::Kind::load) continue;
    const std::string how = lane < 0              ? "one by one"
                            : is_transposed(node) ? "transposed"
                                                  : step_text(step_of(nest, each.address, lane));
    std::string& text = loads[nest.buffers[static_cast<size_t>(each.address.buffer)].name];
    if (text.find(how) == std::string::npos) text += (text.empty() ? "" : " and ") + how;
  }
  std::vector<std::string> parts;
  for (const auto& [name, how] : loads) parts.push_back(name + " " + how);
  return join(parts);
}

std::string stage_text(const LoopNest& nest, const Stage& stage) {
  const int lane = stage.lane >= 0 ? stage.lane : nest.lane;
  const int lanes = stage.lane >= 0 ? stage.lanes : nest.lanes;
  std::string text = "for " + loops_text(nest, stage.free, lane, lanes);
  if (!stage.reduced.empty())
    text += "; combined over " + loops_text(nest, stage.reduced, lane, lanes);
  if (stage.scan) text += "; running along " + nest.loops[static_cast<size_t>(stage.scan->in)].name;
  if (stage.scatters) text += "; added where data says";
  std::vector<std::string> stored;
  const TransposedStores rows = transposed_stores(nest);
  for (const std::vector<Store>* stores : {&stage.inner, &stage.outer})
    for (size_t i = 0; i < stores->size(); ++i) {
      const bool in_rows = std::count(rows.stores.begin(), rows.stores.end(), i) != 0 &&
                           (stores == &stage.outer) != stage.reduced.empty();
      stored.push_back(nest.buffers[static_cast<size_t>((*stores)[i].address.buffer)].name +
                       (in_rows ? " transposed" : ""));
    }
  if (!stored.empty()) text += "; stores " + join(stored);
  const std::string loads = loads_text(nest, stage, lane);
  return loads.empty() ? text : text + "; loads " + loads;
}

std::vector<ScheduleFact> explain(const LoopNest& nest) {
  std::vector<ScheduleFact> facts;
  if (!nest.shared.empty())
    facts.push_back({"loops", loops_text(nest, nest.shared, nest.lane, nest.lanes) +
                                  (nest.stages.size() > 1 ? ", shared by all stages" : "")});
  for (const Stage& stage : nest.stages) facts.push_back({"stage", stage_text(nest, stage)});
  facts.push_back(
      {"chunks", fmt::format("{}, each {} of the {} points of the outermost {}", nest.chunks,
                             nest.grain, nest.points, count_of(nest.collapsed, "loop"))});
  if (nest.strip > 0)
    facts.push_back(
        {"strips", fmt::format("of {} steps of {}, by all points of a chunk in turn", nest.strip,
                               loops_text(nest, {nest.stages[0].reduced[0]}, -1, 1))});
  if (nest.scratch_bytes > 0)
    facts.push_back({"scratch", fmt::format("{} bytes a thread", nest.scratch_bytes)});
  return facts;
}

// Each part's facts follow its name.
std::vector<ScheduleFact> explain(const BlockedForm& form) {
  const std::vector<BlockWalk>& walks = form.group.walks;
  std::vector<ScheduleFact> facts;
  facts.push_back({"blocks", describe(walks)});
  for (const BlockWalk& walk : walks)
    if (walk.serial)
      facts.push_back({"in order", walk.dim.name() + ", since blocks add to the same sums"});
  const std::vector<BlockPart>& parts = form.group.variants[0].parts;
  for (size_t p = 0; p < parts.size(); ++p) {
    std::vector<std::string> names;
    for (const Tensor& tensor : parts[p].group.outputs) names.push_back(tensor.name());
    const PartForm& part = form.parts[0][p];
    const ContractionPlan* plan = std::get_if<ContractionPlan>(&part);
    const bool keeps = plan != nullptr && plan->schedule.keeps_b;
    facts.push_back({"part", join(names) + (plan != nullptr ? ": a tiled contraction" : "") +
                                 (keeps ? ", whose b stays packed" : "")});
    for (const ScheduleFact& fact :
         std::visit([](const auto& each) { return explain(each); }, part))
      if (fact.what != "chunks") facts.push_back({"  " + fact.what, fact.text});
  }
  facts.push_back({"chunks", fmt::format("{}, each a block of what is not walked in order",
                                         form.group.points())});
  return facts;
}

}  // namespace

std::vector<ScheduleFact> explain(const KernelForm& form) {
  return std::visit([](const auto& each) { return explain(each); }, form);
}

std::string kind_of(const KernelForm& form) {
  if (std::holds_alternative<BlockedForm>(form)) return "blocks";
  return std::holds_alternative<ContractionPlan>(form) ? "tiled contraction" : "loop nest";
}

}  // namespace tessera

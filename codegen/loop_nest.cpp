#include "codegen/loop_nest.h"

#include <fmt/format.h>

namespace tessera {
namespace {

std::string text(const LoopNest& nest, const LoopAffine& affine) {
  std::string result;
  for (const auto& [loop, coefficient] : affine.terms)
    result += (result.empty() ? "" : " + ") +
              (coefficient == 1 ? "" : fmt::format("{}*", coefficient)) +
              nest.loops[static_cast<size_t>(loop)].name;
  if (affine.constant != 0 || result.empty())
    result += fmt::format("{}{}", result.empty() ? "" : " + ", affine.constant);
  return result;
}

std::string text(const LoopNest& nest, const Address& address) {
  std::string result =
      nest.buffers[static_cast<size_t>(address.buffer)].name + "[" + text(nest, address.affine);
  for (const auto& [node, stride] : address.terms) result += fmt::format(" + {}*%{}", stride, node);
  result += "]";
  for (const Guard& guard : address.guards)
    result +=
        fmt::format(" if {} < {}{}",
                    guard.node >= 0 ? fmt::format("%{}", guard.node) : text(nest, guard.affine),
                    guard.extent, guard.fault != 0 ? " else fault" : "");
  return result;
}

std::string text(const LoopNest& nest, const Node& node) {
  switch (node.kind) {
    case Node::Kind::constant:
      return describe(node.value);
    case Node::Kind::loop:
      return text(nest, node.index);
    case Node::Kind::load:
      return text(nest, node.address);
    case Node::Kind::result:
      return fmt::format("result {}", node.reduction);
    case Node::Kind::apply:
      break;
  }
  std::string result = info(node.fn).name;
  for (int arg : node.args) result += fmt::format(" %{}", arg);
  return result;
}

std::string text(const LoopNest& nest, const std::vector<int>& loops) {
  std::string result;
  for (int loop : loops)
    result += fmt::format(" {}={}", nest.loops[static_cast<size_t>(loop)].name,
                          nest.loops[static_cast<size_t>(loop)].extent);
  return result;
}

std::string text(const LoopNest& nest, const std::vector<Store>& stores, const char* indent) {
  std::string result;
  for (const Store& store : stores)
    result += fmt::format("{}{} {} %{}{}\n", indent, text(nest, store.address),
                          store.accumulate ? "<- combined with" : "=", store.node,
                          store.lost ? ", what is lost to " + text(nest, *store.lost) : "");
  return result;
}

}  // namespace

int64_t LoopAffine::coefficient(int loop) const {
  for (const auto& [other, value] : terms)
    if (other == loop) return value;
  return 0;
}

int64_t LoopNest::trips(int loop) const {
  const int64_t extent = loops[static_cast<size_t>(loop)].extent;
  return loop == lane ? (extent + lanes - 1) / lanes : extent;
}

double LoopNest::argument_bytes() const {
  double bytes = 0;
  for (const NestBuffer& buffer : buffers)
    if (buffer.argument >= 0)
      bytes += static_cast<double>(buffer.elements) * static_cast<double>(size_of(buffer.type));
  return bytes;
}

size_t LoopNest::strip_bytes() const {
  size_t bytes = 0;
  if (strip > 0)
    for (const Accumulation& reduction : reductions)
      bytes += 2 * static_cast<size_t>(lanes) * size_of(sum_type(reduction.type));
  return bytes;
}

std::string describe(const LoopNest& nest) {
  std::string result =
      fmt::format("shared{}; {} points in {} chunks, {} bytes of scratch\n",
                  text(nest, nest.shared), nest.points, nest.chunks, nest.scratch_bytes);
  if (nest.strip > 0) result += fmt::format("in strips of {}\n", nest.strip);
  if (nest.lane >= 0)
    result += fmt::format("{} lanes along {}\n", nest.lanes,
                          nest.loops[static_cast<size_t>(nest.lane)].name);
  for (size_t i = 0; i < nest.nodes.size(); ++i)
    result +=
        fmt::format("  %{} = {} {}\n", i, name_of(nest.nodes[i].type), text(nest, nest.nodes[i]));
  for (const Stage& stage : nest.stages) {
    result +=
        fmt::format("stage free{}; reduced{}", text(nest, stage.free), text(nest, stage.reduced));
    if (stage.scan)
      result +=
          fmt::format("; scan{} into{} offset {}{}", text(nest, std::vector<int>{stage.scan->in}),
                      text(nest, std::vector<int>{stage.scan->out}), stage.scan->offset,
                      stage.scan->descending ? ", descending" : "");
    if (stage.lane >= 0)
      result += fmt::format("; {} lanes along {}", stage.lanes,
                            nest.loops[static_cast<size_t>(stage.lane)].name);
    result += "\n" + text(nest, stage.inner, "    ");
    for (int r : stage.reductions) {
      const Accumulation& reduction = nest.reductions[static_cast<size_t>(r)];
      result += fmt::format("    result {} = {} %{}\n", r, name_of(reduction.op), reduction.node);
    }
    result += text(nest, stage.outer, "  ");
  }
  return result;
}

}  // namespace tessera

#include "codegen/lane_places.h"

#include <algorithm>

namespace tessera {

std::optional<LaneQuotient> lane_quotient(const LoopNest& nest, int node, int lane, int lanes) {
  const Node& divided = nest.nodes[static_cast<size_t>(node)];
  if (divided.kind != Node::Kind::apply || (divided.fn != Fn::floordiv && divided.fn != Fn::mod))
    return std::nullopt;
  // The steps of a scan begin anywhere.
  if (std::any_of(nest.stages.begin(), nest.stages.end(),
                  [](const Stage& stage) { return stage.scan.has_value(); }))
    return std::nullopt;
  const Node& index = nest.nodes[static_cast<size_t>(divided.args[0])];
  const Node& by = nest.nodes[static_cast<size_t>(divided.args[1])];
  if (index.kind != Node::Kind::loop || by.kind != Node::Kind::constant) return std::nullopt;
  const int64_t divisor = by.value.i;
  if (divisor <= 0 || lanes % divisor != 0 || index.index.coefficient(lane) != 1 ||
      index.index.constant % divisor != 0)
    return std::nullopt;
  for (const auto& [loop, coefficient] : index.index.terms)
    if (loop != lane && coefficient % divisor != 0) return std::nullopt;
  return LaneQuotient{index.index, divisor, divided.fn == Fn::mod};
}

std::optional<std::vector<int64_t>> lane_places(const LoopNest& nest, const Address& address,
                                                int lane, int lanes) {
  std::vector<int64_t> places(static_cast<size_t>(lanes));
  const int64_t step = address.affine.coefficient(lane);
  for (int64_t l = 0; l < lanes; ++l) places[static_cast<size_t>(l)] = step * l;
  for (const auto& [node, stride] : address.terms) {
    if ((nest.nodes[static_cast<size_t>(node)].loops >> lane & 1) == 0) continue;
    const std::optional<LaneQuotient> quotient = lane_quotient(nest, node, lane, lanes);
    if (!quotient) return std::nullopt;
    for (int64_t l = 0; l < lanes; ++l)
      places[static_cast<size_t>(l)] +=
          stride * (quotient->rest ? l % quotient->by : l / quotient->by);
  }
  return places;
}

int64_t registers_of(const std::vector<int64_t>& places, int lanes) {
  const auto [low, high] = std::minmax_element(places.begin(), places.end());
  return (*high - *low) / lanes + 1;
}

}  // namespace tessera

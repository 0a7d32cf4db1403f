#include "models/capsules.h"
#include "models/mixture_of_experts.h"
#include "tests/models/case.h"

namespace tessera {
namespace {

Case expert_case(const std::string& name, const std::string& route,
                 std::vector<Route> (*routes)(const Dim&, const Dim&, const Expr&)) {
  const Dim token("token", 7), expert("expert", 3), slot("slot", 3), model("model", 4);
  const Dim out("out", 2);
  return {name,
          {route, "dispatch", "combine"},
          {{"x", {token, model}}, {"logits", {token, expert}, -2, 2}, {"w", {expert, model, out}}},
          {{token, out}},
          [=](const auto& a) {
            const std::vector<Route> chosen = routes(token, expert, a[1]);
            const Tensor seen = dispatch(chosen, token, expert, slot, a[0]);
            const Tensor answer = sum(model, seen * a[2]);
            return std::vector<Expr>{combine(chosen, expert, slot, answer)};
          }};
}

// Two kinds of children on a 5x7 image, three kinds of parents in windows of 3x3 and 3x2.
Routing overlapping() {
  const Dim y("y", 5), ky("ky", 3), oy("oy", 2), x("x", 7), kx("kx", 2), ox("ox", 6);
  return {{{y, ky, oy, 2}, {x, kx, ox, 1}},
          {Dim("cin", 2)},
          {Dim("cout", 3)},
          {Dim("row", 2), Dim("col", 3)}};
}

Case routing_case(const std::string& name, const Routing& routing, const EmOptions& options) {
  Dims vote = routing.child;
  Dims active = routing.child;
  Dims parents = routing.parent;
  for (const Window& window : routing.windows) {
    vote.push_back(window.out);
    vote.push_back(window.kernel);
    active.push_back(window.in);
    parents.push_back(window.out);
  }
  vote.insert(vote.end(), routing.parent.begin(), routing.parent.end());
  vote.insert(vote.end(), routing.pose.begin(), routing.pose.end());
  Dims pose = parents;
  pose.insert(pose.end(), routing.pose.begin(), routing.pose.end());
  return {name,
          {"em_routing"},
          {{"vote", vote},
           {"active", active, 0.1, 1},
           {"beta_u", routing.parent},
           {"beta_a", routing.parent}},
          {pose, parents},
          [=](const auto& a) {
            const Capsules found = em_routing(routing, {a[0], a[1], a[2], a[3]}, options);
            return std::vector<Expr>{found.pose, found.activation};
          }};
}

}  // namespace

std::vector<Case> expert_cases() {
  const Dim token("token", 7), expert("expert", 3);
  return {
      expert_case("experts_top1", "route_top1", route_top1),
      expert_case("experts_top2", "route_top2", route_top2),
      {"load_balancing_loss",
       {"load_balancing_loss"},
       {{"logits", {token, expert}, -2, 2}},
       {{}},
       [=](const auto& a) { return std::vector<Expr>{load_balancing_loss(token, expert, a[0])}; }},
  };
}

std::vector<Case> capsule_cases() {
  const Routing conv = overlapping();
  const Dim mid("mid", 2), row = conv.pose[0], col = conv.pose[1];
  const Dim child("child", 5), parent("parent", 3);
  const Window& down = conv.windows[0];
  const Window& across = conv.windows[1];
  EmOptions warm;
  warm.lambda = 1;
  EmOptions scaled = warm;
  scaled.expected_mass = 2;
  return {
      {"capsule_votes",
       {"capsule_votes"},
       {{"pose", {down.in, across.in, conv.child[0], row, mid}},
        {"w", {down.kernel, across.kernel, conv.child[0], conv.parent[0], mid, col}}},
       {{down.out, across.out, down.kernel, across.kernel, conv.child[0], conv.parent[0], row,
         col}},
       [=](const auto& a) { return std::vector<Expr>{capsule_votes(conv, mid, a[0], a[1])}; }},
      {"add_coordinates",
       {"add_coordinates"},
       {{"vote", {child, row, col}}, {"place_y", {child}, 0, 1}, {"place_x", {child}, 0, 1}},
       {{child, row, col}},
       [=](const auto& a) {
         return std::vector<Expr>{add_coordinates(row, col, a[0], a[1], a[2])};
       }},
      routing_case("em_routing_overlapping", conv, warm),
      routing_case("em_routing_paper", conv, {}),
      routing_case("em_routing_class", {{}, {child}, {parent}, {row, col}}, scaled),
      {"spread_margin",
       {"spread_margin"},
       {{"step", {}, 0, 9, DType::i32}},
       {{}},
       [=](const auto& a) { return std::vector<Expr>{spread_margin(a[0], 3)}; }},
  };
}

}  // namespace tessera

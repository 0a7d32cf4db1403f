#include "placement/skeleton.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "base/error.h"

namespace tessera {

Likeness all_alone(const ProgramRules& rules) {
  Likeness alone;
  alone.nests.resize(rules.nests.size());
  std::iota(alone.nests.begin(), alone.nests.end(), 0);
  std::map<Tensor, int32_t> nest_of;
  for (size_t n = 0; n < rules.nests.size(); ++n)
    nest_of.emplace(rules.nests[n].nest().out, static_cast<int32_t>(n));
  int32_t next = static_cast<int32_t>(rules.nests.size());
  for (const Tensor& tensor : rules.program.tensors()) {
    const auto it = nest_of.find(tensor);
    alone.tensors.push_back(it != nest_of.end() ? it->second : next++);
  }
  return alone;
}

namespace {

class Builder {
  using Kind = Skeleton::Kind;
  using Meeting = Skeleton::Meeting;

 public:
  Builder(const ProgramRules& rules, const Likeness& likeness)
      : rules_(rules), likeness_(likeness), tensors_(rules.program.tensors()) {
    for (size_t t = 0; t < tensors_.size(); ++t) result_.numbers.emplace(tensors_[t], t);
    scopes_.reserve(tensors_.size());
    for (const Tensor& tensor : tensors_) scopes_.push_back(&rules.scopes.of(tensor));
  }

  Skeleton run() {
    collect_needs();
    for (size_t t = 0; t < tensors_.size(); ++t)
      if (tensors_[t].role() != Role::definition)
        result_.stored.emplace(t, variable(Kind::stored, likeness_.tensors[t], t, 0));
    for (size_t n = 0; n < rules_.nests.size(); ++n)
      result_.nests.push_back(variable(Kind::nest, likeness_.nests[n], n, 0));
    for (size_t o = 0; o < rules_.program.outputs().size(); ++o)
      result_.outputs.push_back(variable(Kind::output, static_cast<int32_t>(o), o, 0));
    add_held();
    for (const Need& need : needs_) add_need(need);
    find_types();
    return std::move(result_);
  }

 private:
  // Somebody reads a tensor.
  struct Need {
    size_t tensor;
    size_t loops;  // around the conversion
    Meeting meeting;
    int32_t reader;  // a nest, a number in tensors_, or -1 - an output
    std::vector<int> detail;
  };
  // An end of an edge: the copy of a variable.
  struct Node {
    Kind kind;
    size_t number;
    size_t loops;
    auto operator<=>(const Node&) const = default;
  };

  size_t number(const Tensor& tensor) const { return result_.numbers.at(tensor); }

  void collect_needs() {
    size_t n = 0;
    for (const Tensor& tensor : tensors_of(rules_.scopes.sequence())) {
      if (tensor.role() == Role::definition) {
        nest_of_.emplace(number(tensor), n);
        add_nest_needs(n++);
      } else {
        add_kept(as<Read>(tensor.value())->tensor, tensor, rules_.scopes.of(tensor));
      }
    }
    for (const Update& carry : rules_.program.carries())
      add_kept(carry.value, carry.target, rules_.scopes.of(carry.target));
    for (const Update& update : rules_.program.updates()) add_kept(update.value, update.target, {});
    const std::vector<Output>& outputs = rules_.program.outputs();
    for (size_t o = 0; o < outputs.size(); ++o) {
      std::vector<int> same(outputs[o].value.dims().size());
      std::iota(same.begin(), same.end(), 0);
      needs_.push_back({number(outputs[o].value), 0, Meeting::kept, -1 - static_cast<int32_t>(o),
                        std::move(same)});
    }
  }

  void add_nest_needs(size_t n) {
    const NestRules& nest = rules_.nests[n];
    const NestClass& known = rules_.classes.classes[rules_.classes.of[n]];
    const Scope& user = rules_.scopes.of(nest.nest().out);
    int next = 0;
    for (size_t k = 0; k < nest.operands().size(); ++k) {
      if (known.distinct_of[k] != next) continue;
      const size_t t = number(nest.operand_tensor(k));
      needs_.push_back(
          {t, common(*scopes_[t], user).size(), Meeting::read, static_cast<int32_t>(n), {next++}});
    }
  }

  void add_kept(const Tensor& value, const Tensor& target, const Scope& user) {
    std::vector<int> places;
    for (const Dim& dim : value.dims()) places.push_back(position(target.dims(), dim));
    const size_t t = number(value);
    needs_.push_back({t, common(*scopes_[t], user).size(), Meeting::kept,
                      static_cast<int32_t>(number(target)), std::move(places)});
  }

  int32_t variable(Kind kind, int32_t like, size_t number, size_t loops) {
    const auto [it, fresh] = variables_.emplace(std::make_tuple(kind, like, loops),
                                                static_cast<int32_t>(result_.variables.size()));
    if (fresh) result_.variables.push_back({kind, number, loops, 0});
    ++result_.variables[static_cast<size_t>(it->second)].copies;
    return it->second;
  }

  // A stored tensor with one reader, as have all that are decided like it, goes to it straight.
  void add_held() {
    std::map<std::pair<size_t, size_t>, int> readers;
    for (const Need& need : needs_) ++readers[{need.tensor, need.loops}];
    std::map<std::pair<int32_t, size_t>, int> most;  // of likes
    for (const auto& [key, count] : readers) {
      int& known = most[{likeness_.tensors[key.first], key.second}];
      known = std::max(known, count);
    }
    for (const auto& [key, count] : readers) {
      const auto [t, loops] = key;
      const int32_t like = likeness_.tensors[t];
      const bool computed = tensors_[t].role() == Role::definition;
      if (!computed && most.at({like, loops}) == 1) continue;
      result_.held.emplace(key, variable(Kind::held, like, t, loops));
      const double times = times_of(t, loops);
      if (computed)
        add_edge(Meeting::made, {Kind::nest, nest_of_.at(t), 0}, {Kind::held, t, loops}, {}, loops,
                 times);
      else
        add_edge(Meeting::made, {Kind::stored, t, 0}, {Kind::held, t, loops}, {}, loops, times);
    }
  }

  double times_of(size_t t, size_t loops) const {
    const Scope& scope = *scopes_[t];
    return static_cast<double>(rules_.scopes.times(
        Scope(scope.begin(), scope.begin() + static_cast<std::ptrdiff_t>(loops))));
  }

  void add_need(const Need& need) {
    const bool held = result_.held.count({need.tensor, need.loops}) != 0;
    const Node from =
        held ? Node{Kind::held, need.tensor, need.loops} : Node{Kind::stored, need.tensor, 0};
    Node to{Kind::nest, 0, 0};
    if (need.meeting == Meeting::read)
      to.number = static_cast<size_t>(need.reader);
    else if (need.reader < 0)
      to = {Kind::output, static_cast<size_t>(-1 - need.reader), 0};
    else
      to = {Kind::stored, static_cast<size_t>(need.reader), 0};
    add_edge(need.meeting, from, to, need.detail, need.loops, times_of(need.tensor, need.loops));
  }

  int32_t variable_of(const Node& node) const {
    switch (node.kind) {
      case Kind::nest:
        return result_.nests[node.number];
      case Kind::stored:
        return result_.stored.at(node.number);
      case Kind::held:
        return result_.held.at({node.number, node.loops});
      case Kind::output:
        return result_.outputs[node.number];
    }
    return -1;
  }

  int32_t node_of(const Node& node) {
    const auto [it, fresh] = nodes_.emplace(node, static_cast<int32_t>(node_edges_.size()));
    if (fresh) {
      node_edges_.emplace_back();
      node_variables_.push_back(variable_of(node));
    }
    return it->second;
  }

  void add_edge(Meeting meeting, const Node& from, const Node& to, const std::vector<int>& detail,
                size_t loops, double times) {
    const int32_t a = node_of(from), b = node_of(to);
    std::vector<int64_t> key = {static_cast<int64_t>(meeting),
                                node_variables_[static_cast<size_t>(a)],
                                node_variables_[static_cast<size_t>(b)],
                                static_cast<int64_t>(loops), static_cast<int64_t>(times)};
    key.insert(key.end(), detail.begin(), detail.end());
    const auto [it, fresh] =
        edges_.emplace(std::move(key), static_cast<int32_t>(result_.edges.size()));
    if (fresh)
      result_.edges.push_back({meeting, node_variables_[static_cast<size_t>(a)],
                               node_variables_[static_cast<size_t>(b)], detail, loops, times, 0, -1,
                               -1});
    ++result_.edges[static_cast<size_t>(it->second)].copies;
    node_edges_[static_cast<size_t>(a)].push_back(it->second);
    node_edges_[static_cast<size_t>(b)].push_back(it->second);
    ends_.push_back({it->second, a, b});
  }

  void find_types() {
    // Variables that meet nobody have copies without edges.
    std::map<std::pair<int32_t, std::vector<std::pair<int32_t, int>>>, int32_t> known;
    const auto type_of = [&](int32_t variable, std::vector<std::pair<int32_t, int>> edges) {
      const auto [it, fresh] = known.emplace(std::make_pair(variable, edges),
                                             static_cast<int32_t>(result_.types.size()));
      if (fresh) result_.types.push_back({variable, 0, std::move(edges)});
      return it->second;
    };
    std::vector<int32_t> types;
    std::vector<int64_t> counted(result_.variables.size(), 0);
    for (size_t node = 0; node < node_edges_.size(); ++node) {
      std::vector<int32_t>& list = node_edges_[node];
      std::sort(list.begin(), list.end());
      std::vector<std::pair<int32_t, int>> edges;
      for (const int32_t edge : list)
        if (!edges.empty() && edges.back().first == edge)
          ++edges.back().second;
        else
          edges.emplace_back(edge, 1);
      types.push_back(type_of(node_variables_[node], std::move(edges)));
      ++result_.types[static_cast<size_t>(types.back())].copies;
      ++counted[static_cast<size_t>(node_variables_[node])];
    }
    for (size_t v = 0; v < result_.variables.size(); ++v)
      if (const int64_t left = result_.variables[v].copies - counted[v]; left > 0)
        result_.types[static_cast<size_t>(type_of(static_cast<int32_t>(v), {}))].copies += left;
    result_.types_of.resize(result_.variables.size());
    for (size_t t = 0; t < result_.types.size(); ++t)
      result_.types_of[static_cast<size_t>(result_.types[t].variable)].push_back(
          static_cast<int32_t>(t));
    find_usual_types(types);
  }

  void find_usual_types(const std::vector<int32_t>& types) {
    std::map<std::tuple<int32_t, int32_t, int32_t>, int64_t> counts;
    for (const Ends& ends : ends_)
      ++counts[{ends.edge, types[static_cast<size_t>(ends.from)],
                types[static_cast<size_t>(ends.to)]}];
    std::vector<int64_t> most(result_.edges.size(), 0);
    for (const auto& [key, count] : counts) {
      const auto [edge, from, to] = key;
      if (count <= most[static_cast<size_t>(edge)]) continue;
      most[static_cast<size_t>(edge)] = count;
      result_.edges[static_cast<size_t>(edge)].from_type = from;
      result_.edges[static_cast<size_t>(edge)].to_type = to;
    }
  }

  struct Ends {
    int32_t edge;
    int32_t from;
    int32_t to;
  };

  const ProgramRules& rules_;
  const Likeness& likeness_;
  const std::vector<Tensor>& tensors_;
  std::vector<const Scope*> scopes_;  // by tensor
  std::map<size_t, size_t> nest_of_;  // by tensor
  std::vector<Need> needs_;
  std::map<std::tuple<Kind, int32_t, size_t>, int32_t> variables_;
  std::map<Node, int32_t> nodes_;
  std::vector<std::vector<int32_t>> node_edges_;
  std::vector<int32_t> node_variables_;
  std::map<std::vector<int64_t>, int32_t> edges_;
  std::vector<Ends> ends_;
  Skeleton result_;
};

}  // namespace

Skeleton skeleton_of(const ProgramRules& rules, const Likeness& likeness) {
  return Builder(rules, likeness).run();
}

}  // namespace tessera

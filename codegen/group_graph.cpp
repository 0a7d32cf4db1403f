#include "codegen/group_graph.h"

#include <algorithm>
#include <iterator>

namespace tessera {
namespace {

bool holds(const std::vector<size_t>& groups, size_t group) {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

// Everything that can be reached from `sets`.
std::set<size_t> reached(const std::set<size_t>& sets,
                         const std::map<size_t, std::set<size_t>>& edges) {
  std::set<size_t> found;
  std::vector<size_t> open(sets.begin(), sets.end());
  while (!open.empty()) {
    const auto next = edges.find(open.back());
    open.pop_back();
    if (next == edges.end()) continue;
    for (size_t set : next->second)
      if (found.insert(set).second) open.push_back(set);
  }
  return found;
}

}  // namespace

GroupGraph::GroupGraph(std::vector<KernelGroup> groups, const std::set<Tensor>& needed_outside)
    : groups_(std::move(groups)), needed_(needed_outside), sources_(groups_.size()) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (const Tensor& tensor : groups_[g].inputs) {
      readers_[tensor].push_back(g);
      const auto it = writer_.find(tensor);
      if (it == writer_.end()) continue;
      passed_.insert(tensor);
      sources_[g].insert(it->second);
    }
    for (const Tensor& tensor : groups_[g].outputs) writer_[tensor] = g;
    set_of_.push_back(g);
  }
}

std::vector<size_t> GroupGraph::members_of(const std::set<size_t>& sets) const {
  std::vector<size_t> members;
  for (size_t g = 0; g < groups_.size(); ++g)
    if (sets.count(set_of_[g]) != 0) members.push_back(g);
  return members;
}

GroupGraph::Edges GroupGraph::edges_between_sets(bool forward) const {
  Edges edges;
  for (size_t g = 0; g < groups_.size(); ++g)
    for (size_t source : sources_[g])
      if (set_of_[source] != set_of_[g])
        edges[set_of_[forward ? source : g]].insert(set_of_[forward ? g : source]);
  return edges;
}

void GroupGraph::add_between(std::set<size_t>& sets) const {
  const std::set<size_t> after = reached(sets, edges_between_sets(true));
  const std::set<size_t> before = reached(sets, edges_between_sets(false));
  std::set_intersection(after.begin(), after.end(), before.begin(), before.end(),
                        std::inserter(sets, sets.end()));
}

void GroupGraph::join(const std::set<size_t>& sets) {
  for (size_t g : members_of(sets)) set_of_[g] = *sets.begin();
}

bool GroupGraph::is_read_outside(const Tensor& tensor, const std::vector<size_t>& members) const {
  if (needed_.count(tensor) != 0) return true;
  const auto it = readers_.find(tensor);
  return it == readers_.end() ||
         std::any_of(it->second.begin(), it->second.end(),
                     [&](size_t reader) { return !holds(members, reader); });
}

KernelGroup GroupGraph::joined(const std::vector<size_t>& members) const {
  if (members.size() == 1) return groups_[members[0]];
  std::vector<Nest> nests;
  std::set<Tensor> outputs;
  for (size_t g : members) {
    nests.insert(nests.end(), groups_[g].nests.begin(), groups_[g].nests.end());
    for (const Tensor& tensor : groups_[g].outputs)
      if (is_read_outside(tensor, members)) outputs.insert(tensor);
  }
  return make_group(nests, outputs);
}

std::vector<std::vector<size_t>> GroupGraph::order() const {
  const Edges sources = edges_between_sets(false), readers = edges_between_sets(true);
  std::map<size_t, std::vector<size_t>> members;
  for (size_t g = 0; g < groups_.size(); ++g) members[set_of_[g]].push_back(g);
  std::map<size_t, size_t> missing;
  std::set<size_t> ready;
  for (const auto& [set, groups] : members) {
    const auto it = sources.find(set);
    missing[set] = it == sources.end() ? 0 : it->second.size();
    if (missing[set] == 0) ready.insert(set);
  }
  std::vector<std::vector<size_t>> result;
  while (!ready.empty()) {
    const size_t next = *ready.begin();
    ready.erase(ready.begin());
    result.push_back(members.at(next));
    const auto it = readers.find(next);
    if (it == readers.end()) continue;
    for (size_t reader : it->second)
      if (--missing.at(reader) == 0) ready.insert(reader);
  }
  return result;
}

double GroupGraph::peak_bytes() const {
  const std::vector<std::vector<size_t>> sets = order();
  std::vector<size_t> place(groups_.size());
  for (size_t i = 0; i < sets.size(); ++i)
    for (size_t g : sets[i]) place[g] = i;
  std::vector<double> change(sets.size() + 1, 0);
  for (const auto& [tensor, writer] : writer_) {
    size_t last = needed_.count(tensor) != 0 ? sets.size() - 1 : place[writer];
    bool within = needed_.count(tensor) == 0;
    if (const auto it = readers_.find(tensor); it != readers_.end()) {
      for (size_t reader : it->second) {
        last = std::max(last, place[reader]);
        within = within && set_of_[reader] == set_of_[writer];
      }
    }
    if (within) continue;
    change[place[writer]] += bytes_of(tensor);
    change[last + 1] -= bytes_of(tensor);
  }
  double now = 0, most = 0;
  for (double step : change) most = std::max(most, now += step);
  return most;
}

double bytes_of(const Tensor& tensor) {
  return static_cast<double>(volume(tensor.dims())) * static_cast<double>(size_of(tensor.type()));
}

}  // namespace tessera

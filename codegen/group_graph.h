#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <vector>

#include "codegen/kernel_group.h"

namespace tessera {

// Kernel groups, what they pass to each other, and which of them are to become one. Groups are
// named by position; a set of groups by the smallest of its members.
//
//   GroupGraph graph({z, w, o}, {});  graph.join({0, 2})    // refused by no one: the caller first
//   graph.add_between(sets)                                 // asks what must come along: {0, 1, 2}
class GroupGraph {
 public:
  // `groups` are in an order in which each reads only what earlier ones write.
  GroupGraph(std::vector<KernelGroup> groups, const std::set<Tensor>& needed_outside);

  const std::vector<KernelGroup>& groups() const { return groups_; }
  // The tensors that one group writes and others read.
  const std::set<Tensor>& passed() const { return passed_; }
  size_t writer_of(const Tensor& tensor) const { return writer_.at(tensor); }
  const std::vector<size_t>& readers_of(const Tensor& tensor) const { return readers_.at(tensor); }
  size_t set_of(size_t group) const { return set_of_[group]; }
  std::vector<size_t> members_of(const std::set<size_t>& sets) const;

  // Adds the sets that would have to run both before and after these, were they one.
  void add_between(std::set<size_t>& sets) const;
  void join(const std::set<size_t>& sets);

  // Is the tensor needed by others than these groups?
  bool is_read_outside(const Tensor& tensor, const std::vector<size_t>& members) const;
  // These groups as one, whose outputs are what is read outside.
  KernelGroup joined(const std::vector<size_t>& members) const;

  // The sets in an order in which each follows those that it depends on, as near to that of the
  // groups as can be.
  std::vector<std::vector<size_t>> order() const;
  // Of what sets pass to each other, in that order, where it is most; what is needed outside stays.
  double peak_bytes() const;

 private:
  using Edges = std::map<size_t, std::set<size_t>>;
  Edges edges_between_sets(bool forward) const;

  std::vector<KernelGroup> groups_;
  std::set<Tensor> needed_, passed_;
  std::map<Tensor, size_t> writer_;
  std::map<Tensor, std::vector<size_t>> readers_;
  std::vector<std::set<size_t>> sources_;  // by group: those whose results it reads
  std::vector<size_t> set_of_;             // by group
};

// The size of the whole tensor.
double bytes_of(const Tensor& tensor);

}  // namespace tessera

#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "ir/nest.h"

namespace tessera {

// Nests that become one kernel. They run in order; a tensor that is written here and is not among
// `outputs` is private and never leaves caches or registers. Every buffer is dense and row-major in
// `Tensor::dims()` order. An extent may be 0 (an empty shard): a reduction over nothing gives its
// identity.
//
//   m = max[k](x); e = exp(x - m); s = sum[k](e); p = e / s      inputs {x}, outputs {p}
struct KernelGroup {
  std::vector<Nest> nests;
  std::vector<Tensor> inputs;   // in order of first reading
  std::vector<Tensor> outputs;  // in order of writing
  // Of the outputs: those too large for caches to keep, which are written past them. Each lies at
  // an address that 64 divides, and not where an input lies.
  std::set<Tensor> past_caches = {};

  bool operator==(const KernelGroup& other) const;  // the same tensors and formulas
};

// The group of these nests: inputs are what it reads and does not write, outputs what it writes
// and `needed_outside` holds.
KernelGroup make_group(std::vector<Nest> nests, const std::set<Tensor>& needed_outside);

// The group with dims and tensors numbered in order of appearance: equal texts mean the same
// machine code. Linear in the number of distinct nodes.
std::string canonical_text(const KernelGroup& group);

// One line a nest, as in a program, for people.
std::string describe(const KernelGroup& group);

// May `output` lie in the buffer of `input`? Yes when both have the same type and shape, every read
// of `input` has exactly the index at which `output` is written, and none comes later.
bool can_run_in_place(const KernelGroup& group, const Tensor& output, const Tensor& input);

// Operations and bytes of one run: private tensors move no bytes.
double flops_of(const KernelGroup& group);
double bytes_of(const KernelGroup& group);

}  // namespace tessera

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codegen/machine.h"
#include "ir/nest.h"

namespace tessera {

// Predicted time of a nest's kernel when its loops have given local extents: a roofline whose
// compute side knows the waste of tile edges, of small k, of packing and of storing for
// contractions, and counts vector instructions for other nests. Analysed once (some 20 us), asked
// many times (well under a microsecond). An immutable value; any thread may ask.
//
//   KernelModel model(nest, machine);       // loops batch, cout, cin with extents 64, 128, 32
//   model.seconds({{16, 128, 32}}, 2);      // the batch split four ways, on two threads
class KernelModel {
 public:
  KernelModel(const Nest& nest, const Machine& machine);

  // Seconds of one run on `threads` cores, launch included. `extents` in the order of nest.loops().
  double seconds(std::span<const int64_t> extents, int threads) const;

 private:
  enum class Role : uint8_t { batch, m, n, k };
  struct Term {
    size_t loop;
    int64_t coefficient;
  };
  // One tensor: for each of its dims the terms of the index, or all of it (a gather).
  struct Traffic {
    double element_bytes;
    std::vector<std::vector<Term>> indices;
    std::vector<int64_t> limits;  // the extents of the dims
  };
  // How one choice of the vectorised side packs and stores; cycles for each element.
  struct Side {
    double pack_m, pack_n, store;
  };

  void add_traffic(const Tensor& tensor, const std::vector<Expr>& indices, const Dims& loops);
  double compute_cycles(std::span<const int64_t> extents) const;
  double tiled_cycles(std::span<const int64_t> extents) const;
  double bytes(std::span<const int64_t> extents) const;

  Machine machine_;
  int lanes_ = 1;
  double cycle_ = 0;  // seconds of one vector multiply-add
  bool tiled_ = false;
  double pair_cycles_ = 1;  // where it is: of a word, which holds `group_` steps of k
  double group_ = 1;
  std::vector<Role> roles_;  // of each loop, when tiled
  Side plain_{}, swapped_{};
  double point_cycles_ = 0;  // of one point of a nest that is not tiled
  std::vector<Traffic> traffic_;
};

// Operations of one run as kernels do it: as flops_of (nest.h), when equations among guards are
// solved, what a scatter adds goes to its place at once, and operands of a contraction that are
// formulas are computed once, while they are packed.
double operations_of(const Nest& nest);

// KernelModel, analysed and asked at once.
double predict_seconds(const Nest& local, const Machine& machine, int threads);

}  // namespace tessera

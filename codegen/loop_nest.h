#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ir/dim.h"
#include "ir/scalar.h"

namespace tessera {

// A kernel group as loops over buffers, with its schedule: what is emitted as machine code. Loops,
// buffers, nodes and reductions are named by their position in the vectors of LoopNest.
//
//   for each chunk of points:                  the outermost `collapsed` shared loops, flattened
//     for the other shared loops:
//       for each stage:                        e.g. softmax: maximum; exponentials and sum;
//       quotient
//         for its free loops:
//           for its reduced loops: inner stores, accumulate
//           outer stores
//
// One loop is the lane loop: it advances by `lanes`, and every value that depends on it is a
// vector. It is a shared loop (`lane`, for all stages) or a loop of each stage.

// So many terms of a sum of floats are added one after the other (llvm/compensated_sum.h).
constexpr int64_t kPlainTerms = 128;

// constant + sum of coefficient * loop. Terms are sorted by loop; no coefficient is 0.
struct LoopAffine {
  std::vector<std::pair<int, int64_t>> terms;
  int64_t constant = 0;

  int64_t coefficient(int loop) const;
  bool operator==(const LoopAffine&) const = default;
};

// A position along one dim that may lie outside: `affine`, or the value of `node`. Outside 0 …
// extent-1 the pad is read; with a fault code that code is reported as well.
struct Guard {
  LoopAffine affine;
  int node = -1;
  int64_t extent = 0;
  int64_t fault = 0;

  bool operator==(const Guard&) const = default;
};

// Elements from the start of a buffer: affine + sum of stride * value of a node.
struct Address {
  int buffer = -1;
  LoopAffine affine;
  std::vector<std::pair<int, int64_t>> terms;  // node, stride
  std::vector<Guard> guards;

  bool operator==(const Address&) const = default;
};

// One value of a formula; equal formulas within a stage are one node.
struct Node {
  enum class Kind : uint8_t { constant, loop, load, apply, result };
  Kind kind = Kind::constant;
  DType type = DType::f32;
  Scalar value;           // of a constant; of a load: the pad
  LoopAffine index;       // of a loop node: its i32 value
  Address address;        // of a load
  Fn fn = Fn::add;        // of an apply
  std::vector<int> args;  // of an apply
  int reduction = -1;     // of a result
  uint64_t loops = 0;     // bit i: the value depends on loop i
  bool faulting = false;  // its computation may report a fault
};

struct NestedLoop {
  std::string name;
  int64_t extent = 1;
  std::vector<Dim> dims = {};  // that it runs over together, outermost first
};

struct NestBuffer {
  std::string name;
  DType type = DType::f32;
  int argument = -1;          // or scratch
  int64_t elements = 0;       // of scratch: of one shared point, before lanes
  size_t scratch_offset = 0;  // bytes; a multiple of 64
  bool per_lane = false;      // scratch of a kernel whose lane loop is shared: lanes are innermost
  bool past_caches = false;   // written with stores that leave caches alone; 64 divides its address
};

struct Store {
  Address address;  // guards: outside, nothing is stored
  int node = -1;
  std::optional<ReduceOp> accumulate;  // into what the buffer holds
  std::optional<Address> lost;         // of a sum: where what its additions lose is kept
};

struct Accumulation {
  ReduceOp op = ReduceOp::sum;
  DType type = DType::f32;
  int node = -1;  // what is combined
};

// Loops that run together (see scan.h): at each step one index of `in` is taken into the
// reductions, where there is one, and then the outer stores run for `out` = in - offset, where
// there is one.
struct ScanLoops {
  int out = -1;
  int in = -1;
  bool descending = false;
  int64_t offset = 0;
};

struct Stage {
  std::vector<int> free;     // outermost first
  std::vector<int> reduced;  // outermost first
  std::vector<Store> inner;  // at each point of free and reduced
  std::vector<int> reductions;
  std::vector<Store> outer;  // at each point of free, after the reductions
  int lane = -1;             // or the kernel's
  int lanes = 1;
  std::vector<int> transposed = {};  // nodes: loads that run along the innermost loop instead
  bool scatters = false;  // `inner` accumulates at computed places: the lane loop is free or none
  std::optional<ScanLoops> scan;  // in place of reduced loops; the lane loop is free, `in` or none
};

struct LoopNest {
  std::vector<NestedLoop> loops;
  std::vector<NestBuffer> buffers;
  std::vector<Node> nodes;
  std::vector<Accumulation> reductions;
  std::vector<int> shared;  // outermost first
  std::vector<Stage> stages;
  int lane = -1;  // a shared loop, or -1
  int lanes = 1;
  int collapsed = 0;   // how many shared loops are flattened into points
  int64_t points = 1;  // product of their trip counts
  int64_t grain = 1;   // points of a chunk
  // Steps of the outermost reduced loop that all points of a chunk make before the next ones, so
  // that they read what lies side by side; 0: each point makes all of its own steps. Then there is
  // one stage, and `collapsed` are all shared loops.
  int64_t strip = 0;
  int64_t chunks = 1;
  int arguments = 0;
  size_t strip_offset = 0;  // in scratch, of the running values of a chunk's points
  size_t scratch_bytes = 0;
  std::vector<std::string> faults;  // by code - 1

  int64_t trips(int loop) const;  // of a shared loop: extent, or blocks of lanes
  size_t strip_bytes() const;     // of the running values of one point, in strips
  double argument_bytes() const;  // of all arrays that it reads and writes
};

// For people and for golden tests.
std::string describe(const LoopNest& nest);

}  // namespace tessera

#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/task_graph.h"

namespace tessera {

// A step that was stopped at a NaN or an infinity.
class NotFinite : public Error {
 public:
  using Error::Error;
};

// Looks at every float that tasks write, and stops a step at the first NaN or infinity:
//
//   `odds` is nan at [3], the first of 5 NaNs and 1 infinity in f32[8]; task 2, odds, computes it
//   (fit.tess:7:1) from `x` (-1.5 to 0.25)
//
// Infinities that a formula writes itself, as `where(s <= t, score, -inf)` does, or that come with
// inputs and parameters, are meant; so are those of what reads a tensor that holds some. A NaN
// never is. One for each rank; computing and communicating tasks may be looked at at once, as none
// writes what another one reads.
class FiniteCheck {
 public:
  using Address = std::function<const std::byte*(const Tensor&)>;

  FiniteCheck(const TaskGraph& graph, std::string rank)
      : graph_(graph), rank_(std::move(rank)), infinite_(graph.buffers.size(), 0) {}

  // What the step begins with: inputs and what is kept.
  void begin(const Address& address);
  // A kernel or collective that has run, in the iteration with these indices. `address`: of each of
  // the tensors that it names.
  void after(const Task& task, int number, const Address& address, const std::vector<int64_t>& at);
  // A copy.
  void copied(const Task& task);

 private:
  size_t buffer_of(const Tensor& tensor) const;
  std::string read_text(const Task& task, const Address& address) const;

  const TaskGraph& graph_;
  const std::string rank_;      // " on rank 1", or ""
  std::vector<char> infinite_;  // by buffer: does it hold infinities that are meant?
};

}  // namespace tessera

#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "partition/sharded_program.h"

namespace tessera {

// The steps of one rank in numbers, to see fast what is held when some of them are done twice.
// Tensors are numbered; a *group* is a definition with all forms that it is brought to.
//
//   step 3: h = …  (group 1)   step 4: all-gather of h  (group 1)   step 9: d = …(h)  (group 5)
//   group 1 dropped after step 4: steps 3 and 4 are done again right before step 9
class StepsAgain {
 public:
  static constexpr int kNever = std::numeric_limits<int>::max();

  struct Step {
    int out;
    std::vector<int> in;
    double seconds = 0;
    int64_t transient = 0;  // bytes held while it runs
    int group = -1;         // none: of what is kept in the whole step
    bool makes = false;     // computes the definition itself
  };
  struct Gap {
    int early = -1;  // the last step that uses the group before the longest time without
    int late = -1;   // the first one after
  };
  struct Held {
    int64_t peak = 0;
    double area = 0;          // bytes above the limit, summed over steps
    double seconds = 0;       // of what is done again
    int at = 0;               // original step at the fullest moment
    std::vector<int> idle;    // tensors held then that are not used before a later original step
    std::vector<char> there;  // by tensor: held then
  };

  // `groups`: how many; `bytes` by tensor, 0 for what takes no room of its own.
  StepsAgain(std::vector<Step> steps, std::vector<int64_t> bytes, int groups, int64_t kept);

  // What is held if each group is dropped after step `after[g]`, or kNever.
  Held held(const std::vector<int>& after, int64_t limit) const;

  const std::vector<Step>& steps() const { return steps_; }
  const Gap& gap(int group) const { return gaps_[static_cast<size_t>(group)]; }
  int maker(int tensor) const { return makers_[static_cast<size_t>(tensor)]; }  // -1: none
  int64_t bytes(int tensor) const { return bytes_[static_cast<size_t>(tensor)]; }

 private:
  const std::vector<Step> steps_;
  const std::vector<int64_t> bytes_;
  const int64_t kept_;
  std::vector<int> makers_;
  std::vector<Gap> gaps_;
};

}  // namespace tessera

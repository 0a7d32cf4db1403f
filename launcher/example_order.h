#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

// In which order an epoch goes through the examples: a function of seed and epoch alone, the same
// on every rank and for any number of them.
//
// Sets of up to 1 GiB and 2^26 examples are shuffled as one (Fisher and Yates). Of larger ones, no
// list of all examples is kept: they are taken as blocks of neighbours of about 1 MiB; the blocks
// are shuffled, and then the examples of each 64 blocks among themselves. So whoever reads goes
// through 64 MiB of the files at a time.
//
//   8 blocks of 2 examples, 4 blocks together:
//   blocks 6 1 4 3 | 0 7 2 5   ->   9 2 13 6 3 12 8 7 | 11 0 15 1 4 14 10 5
class ExampleOrder {
 public:
  ExampleOrder(int64_t examples, int64_t bytes_each, uint64_t seed);
  // With other limits, for tests.
  struct Limits {
    int64_t most_bytes = int64_t{1} << 30;  // that are shuffled as one
    int64_t most_examples = int64_t{1} << 26;
    int64_t block_bytes = int64_t{1} << 20;
    int64_t blocks_together = 64;
  };
  ExampleOrder(int64_t examples, int64_t bytes_each, uint64_t seed, const Limits& limits);

  // The example at a position of an epoch. Quick where positions come one after the other.
  int64_t at(int64_t epoch, int64_t position);

  // Examples that come after those of the window that was asked for last, neighbours together: to
  // be announced to a reader. Once for each window; empty where all are shuffled as one.
  struct Range {
    int64_t first = 0;
    int64_t count = 0;
  };
  std::vector<Range> take_upcoming();

 private:
  void begin_epoch(int64_t epoch);
  void enter_window(int64_t position);
  Range block_range(int64_t block) const;

  int64_t examples_;
  uint64_t seed_;
  int64_t each_;      // examples of a block; all of them where they are shuffled as one
  int64_t together_;  // blocks
  int64_t epoch_ = -1;
  uint64_t key_ = 0;             // of the epoch
  std::vector<int32_t> blocks_;  // shuffled
  std::vector<int64_t> begins_;  // of the windows, positions; and the end
  int64_t window_ = -1;
  std::vector<int64_t> shuffled_;  // the examples of the window
  std::vector<Range> upcoming_;
};

}  // namespace tessera

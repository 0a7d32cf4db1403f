#include "launcher/example_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "launcher/random.h"

namespace tessera {
namespace {

// Fisher and Yates's shuffle, drawing from a counter.
template <typename T>
void shuffle(std::vector<T>& values, uint64_t key) {
  for (uint64_t i = values.size(); i-- > 1;)
    std::swap(values[i], values[random_below(key, i, i + 1)]);
}

}  // namespace

ExampleOrder::ExampleOrder(int64_t examples, int64_t bytes_each, uint64_t seed)
    : ExampleOrder(examples, bytes_each, seed, Limits{}) {}

ExampleOrder::ExampleOrder(int64_t examples, int64_t bytes_each, uint64_t seed,
                           const Limits& limits)
    : examples_(examples), seed_(seed), together_(limits.blocks_together) {
  bytes_each = std::max<int64_t>(1, bytes_each);
  const bool as_one =
      examples <= limits.most_examples && examples <= limits.most_bytes / bytes_each;
  each_ = as_one ? std::max<int64_t>(1, examples)
                 : std::max<int64_t>(1, limits.block_bytes / bytes_each);
}

ExampleOrder::Range ExampleOrder::block_range(int64_t block) const {
  return {block * each_, std::min(each_, examples_ - block * each_)};
}

void ExampleOrder::begin_epoch(int64_t epoch) {
  epoch_ = epoch;
  window_ = -1;
  key_ = random_bits(seed_, static_cast<uint64_t>(epoch));
  blocks_.resize(static_cast<size_t>((examples_ + each_ - 1) / each_));
  std::iota(blocks_.begin(), blocks_.end(), 0);
  shuffle(blocks_, random_bits(key_, uint64_t{1} << 40));
  begins_ = {0};
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const bool fresh = b % static_cast<size_t>(together_) == 0;
    if (fresh) begins_.push_back(begins_.back());
    begins_.back() += block_range(blocks_[b]).count;
  }
}

void ExampleOrder::enter_window(int64_t position) {
  const auto after = std::upper_bound(begins_.begin(), begins_.end(), position);
  window_ = after - begins_.begin() - 1;
  const auto blocks_of = [&](int64_t window) {
    const auto size = static_cast<int64_t>(blocks_.size());
    std::vector<Range> ranges;
    for (int64_t b = window * together_; b < std::min(size, (window + 1) * together_); ++b)
      ranges.push_back(block_range(blocks_[static_cast<size_t>(b)]));
    return ranges;
  };
  shuffled_.clear();
  for (const Range& range : blocks_of(window_))
    for (int64_t i = 0; i < range.count; ++i) shuffled_.push_back(range.first + i);
  const bool as_one = blocks_.size() == 1;
  shuffle(shuffled_, as_one ? key_ : random_bits(key_, static_cast<uint64_t>(window_)));
  if (!as_one) upcoming_ = blocks_of(window_ + 1);
}

int64_t ExampleOrder::at(int64_t epoch, int64_t position) {
  TESSERA_CHECK(0 <= position && position < examples_) << position << " of " << examples_;
  if (epoch != epoch_) begin_epoch(epoch);
  if (window_ < 0 || position < begins_[static_cast<size_t>(window_)] ||
      position >= begins_[static_cast<size_t>(window_) + 1])
    enter_window(position);
  return shuffled_[static_cast<size_t>(position - begins_[static_cast<size_t>(window_)])];
}

std::vector<ExampleOrder::Range> ExampleOrder::take_upcoming() {
  return std::exchange(upcoming_, {});
}

}  // namespace tessera

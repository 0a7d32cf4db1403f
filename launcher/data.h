#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "ir/box.h"
#include "launcher/dataset.h"
#include "launcher/example_order.h"

namespace tessera {

// How a program input is fed from a data set's field.
struct BatchInput {
  std::string input;           // the program's name, for messages
  std::string field;           // the data set's
  DType type = DType::f32;     // of the program's input
  std::vector<int64_t> shape;  // of the whole input, in the border's order
  int batch_axis = 0;          // which of its dims counts examples
};

enum class Order { shuffled, sequential };

// Serves batches of a data set, or any part of one: every rank makes its own BatchSource with the
// same arguments and asks for its shard only; nothing is communicated. The order of an epoch is a
// permutation that depends on seed and epoch alone (launcher/example_order.h).
//
//   shuffled    steps_per_epoch = examples / batch; what does not fill a batch waits for another
//               epoch
//   sequential  rounded up: the last batch is filled with the last example again; valid_rows says
//               how many rows of a step are new (for evaluation)
//
// Not thread-safe: one BatchSource per thread.
class BatchSource {
 public:
  // Throws UserError when a field is missing, its type or size does not fit the input, the inputs
  // disagree about the batch, or the set is smaller than one batch.
  BatchSource(DatasetPtr data, std::vector<BatchInput> inputs, Order order, uint64_t seed);

  int64_t batch() const { return batch_; }
  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  int64_t valid_rows(int64_t step) const;
  const std::vector<BatchInput>& inputs() const { return inputs_; }

  // Writes the box of input number `input` for step `step` (counted from 0 over all epochs),
  // row-major in the border's order; `into` must have exactly the box's size.
  void fill(int64_t step, size_t input, const Box& box, std::span<std::byte> into);
  // The whole input.
  void fill(int64_t step, size_t input, std::span<std::byte> into);

  // The example at row `row` of step `step`, among those of the whole set.
  int64_t example(int64_t step, int64_t row);
  // By how many values the examples of that step's epoch are shifted.
  int64_t shift(int64_t step) const;

 private:
  void check_input(const BatchInput& input);
  void announce_upcoming();
  const std::byte* row(const Field& field, int64_t example);

  DatasetPtr data_;
  std::vector<BatchInput> inputs_;
  Order order_;
  uint64_t seed_;
  int64_t batch_ = 0;
  int64_t steps_per_epoch_ = 0;
  std::optional<ExampleOrder> shuffled_;
  std::vector<std::byte> read_;  // an example of a field that is in files
};

}  // namespace tessera

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "launcher/row_reader.h"

namespace tessera {

// One named column of a data set: for each example the same number of values, row-major.
// Small values are kept as they came, one byte each, and are widened batch by batch: as integers
// to 0..255, as floats to scale * byte + shift.
struct Field {
  std::string name;
  DType type = DType::f32;         // what it holds; for bytes, what it is meant as
  std::vector<int64_t> row_shape;  // of one example; {} for a label
  bool is_bytes = false;           // `data` holds unsigned bytes
  float scale = 1;
  float shift = 0;
  std::vector<std::byte> data;
  // Where the examples stay in their files: `data` is empty, and nothing overlaps.
  std::shared_ptr<const RowReader> rows = {};
  int64_t row_step = 0;  // values from one example to the next, which may overlap; 0: row_size()
  int64_t below = 0;     // integers lie in [0, below), if it is not 0

  int64_t row_size() const;  // values per example
  size_t element_bytes() const { return is_bytes ? 1 : size_of(type); }
};

struct Dataset {
  std::string name;
  int64_t examples = 0;
  std::vector<Field> fields;
  // An epoch may begin every example up to so many values later, less one (see load_text).
  int64_t shifts = 1;
  double load_seconds = 0;  // reading and unpacking, wall time

  // A part of another set, of which it has the fields: example i is row(i) there.
  std::shared_ptr<const Dataset> whole = {};
  std::function<int64_t(int64_t)> row = {};
  int64_t row_of(int64_t example) const { return row ? row(example) : example; }

  const std::vector<Field>& all_fields() const { return whole ? whole->all_fields() : fields; }
  // Throws UserError naming the nearest field when there is none of that name.
  const Field& field(const std::string& field_name) const;
};

// A hash of what a field holds, wherever it lies. Of more than 1 GiB, or 4 Mi examples, it takes
// the first 4 KiB of 4,096 examples from all over: reading everything may take as long as an epoch.
uint64_t content_hash(const Field& field, int64_t examples);

using DatasetPtr = std::shared_ptr<const Dataset>;

enum class Split { train, test };

// Fashion-MNIST: `images` f32, 28 x 28, scaled to mean 0 and standard deviation 1 over the training
// set (mean 0.2860, deviation 0.3530 of the values in [0, 1]); `labels` i32 from 0 to 9. Training
// has 60,000 examples, testing 10,000; `limit` takes only the first so many.
constexpr const char* kFashionMnistFolder = "/usr/share/datasets/fashion-mnist";
Dataset load_fashion_mnist(const std::string& folder, Split split,
                           std::optional<int64_t> limit = std::nullopt);

// The part of a set that is for training, or the share of it that is held out for testing, at least
// one example of each. What is held out lies evenly over the set, as sets may be sorted:
//
//   10 examples, 0.2 for testing:  4 and 9; the others are for training
Dataset part_for(Split split, std::shared_ptr<const Dataset> whole, double test);

// Fields to make up: floats are normal-like values of mean 0 and deviation 1, integers lie in
// [0, below), booleans are even odds. A value depends on seed, field number and position only.
struct SyntheticField {
  std::string name;
  DType type = DType::f32;
  std::vector<int64_t> row_shape;
  int64_t below = 2;
};
Dataset make_synthetic_dataset(const std::vector<SyntheticField>& fields, int64_t examples,
                               uint64_t seed);

// Starts loading on another thread, so that planning and compiling can go on meanwhile. get()
// throws what the loader threw.
template <typename Load>
std::future<DatasetPtr> load_async(Load load) {
  return std::async(std::launch::async,
                    [load = std::move(load)] { return std::make_shared<const Dataset>(load()); });
}

}  // namespace tessera

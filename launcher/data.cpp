#include "launcher/data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/convert.h"
#include "base/error.h"
#include "launcher/random.h"
#include "storage/npy.h"

namespace tessera {
namespace {

// Where the rows of a box come from and go to; all counts in elements. The inner dims are those of
// one example.
struct RowCopy {
  std::vector<int64_t> extent;       // of the box, inner dims
  std::vector<int64_t> from_stride;  // in the example
  std::vector<int64_t> to_stride;    // in the box
  int64_t from_offset = 0;
  int64_t batch_stride = 1;  // in the box
};

RowCopy plan_copy(const BatchInput& input, const Box& box) {
  RowCopy copy;
  int64_t from = 1;
  int64_t to = 1;
  for (size_t d = input.shape.size(); d-- > 0;) {
    const int64_t extent = box.end[d] - box.begin[d];
    if (static_cast<int>(d) == input.batch_axis) {
      copy.batch_stride = to;
    } else {
      copy.extent.insert(copy.extent.begin(), extent);
      copy.from_stride.insert(copy.from_stride.begin(), from);
      copy.to_stride.insert(copy.to_stride.begin(), to);
      copy.from_offset += box.begin[d] * from;
      from *= input.shape[d];
    }
    to *= extent;
  }
  // Neighbouring dims that lie as densely as each other are one dim: a whole image is one run.
  for (size_t d = copy.extent.size(); d-- > 1;) {
    if (copy.from_stride[d - 1] != copy.from_stride[d] * copy.extent[d] ||
        copy.to_stride[d - 1] != copy.to_stride[d] * copy.extent[d])
      continue;
    copy.extent[d - 1] *= copy.extent[d];
    copy.from_stride[d - 1] = copy.from_stride[d];
    copy.to_stride[d - 1] = copy.to_stride[d];
    const auto at = static_cast<std::ptrdiff_t>(d);
    copy.extent.erase(copy.extent.begin() + at);
    copy.from_stride.erase(copy.from_stride.begin() + at);
    copy.to_stride.erase(copy.to_stride.begin() + at);
  }
  if (copy.extent.empty()) {
    copy.extent = {1};
    copy.from_stride = {1};
    copy.to_stride = {1};
  }
  return copy;
}

// One example: `convert` maps a stored element to the program's type.
template <typename To, typename From, typename Convert>
void copy_row(const RowCopy& copy, size_t dim, const From* from, To* to, const Convert& convert) {
  const int64_t from_stride = copy.from_stride[dim];
  const int64_t to_stride = copy.to_stride[dim];
  const int64_t extent = copy.extent[dim];
  if (dim + 1 < copy.extent.size()) {
    for (int64_t i = 0; i < extent; ++i)
      copy_row(copy, dim + 1, from + i * from_stride, to + i * to_stride, convert);
  } else if (from_stride == 1 && to_stride == 1) {
    for (int64_t i = 0; i < extent; ++i) to[i] = convert(from[i]);
  } else {
    for (int64_t i = 0; i < extent; ++i) to[i * to_stride] = convert(from[i * from_stride]);
  }
}

bool can_feed(const Field& field, DType type) {
  return field.type == type || (field.is_bytes && type != DType::b8 && type != DType::i8);
}

}  // namespace

BatchSource::BatchSource(DatasetPtr data, std::vector<BatchInput> inputs, Order order,
                         uint64_t seed)
    : data_(std::move(data)), inputs_(std::move(inputs)), order_(order), seed_(seed) {
  TESSERA_CHECK(!inputs_.empty()) << "a batch source without inputs";
  for (const BatchInput& input : inputs_) check_input(input);
  const int64_t examples = data_->examples;
  if (order_ == Order::shuffled && examples < batch_)
    throw UserError(
        fmt::format("data set {} has {} examples, less than one batch of {}; lower "
                    "data.batch or raise data.limit",
                    data_->name, examples, batch_));
  steps_per_epoch_ =
      order_ == Order::shuffled ? examples / batch_ : (examples + batch_ - 1) / batch_;
  int64_t bytes = 0;  // of an example
  for (const BatchInput& input : inputs_) {
    const Field& field = data_->field(input.field);
    bytes += field.row_size() * static_cast<int64_t>(field.element_bytes());
  }
  if (order_ == Order::shuffled) shuffled_.emplace(examples, bytes, seed);
}

void BatchSource::check_input(const BatchInput& input) {
  const auto axis = static_cast<size_t>(input.batch_axis);
  TESSERA_CHECK(axis < input.shape.size()) << input.input << " has no dim " << axis;
  const Field& field = data_->field(input.field);
  if (batch_ == 0) batch_ = input.shape[axis];
  if (input.shape[axis] != batch_)
    throw UserError(fmt::format("input `{}` has a batch of {}, but `{}` has {}", input.input,
                                input.shape[axis], inputs_[0].input, batch_));
  int64_t row = 1;
  for (size_t d = 0; d < input.shape.size(); ++d)
    if (d != axis) row *= input.shape[d];
  if (row != field.row_size())
    throw UserError(
        fmt::format("input `{}` takes {} values per example, but field `{}` of {} has "
                    "{}: {}",
                    input.input, row, field.name, data_->name, field.row_size(),
                    describe(field.type, field.row_shape)));
  if (!can_feed(field, input.type))
    throw UserError(fmt::format("input `{}` is {}, but field `{}` of {} is {}", input.input,
                                name_of(input.type), field.name, data_->name, name_of(field.type)));
}

int64_t BatchSource::valid_rows(int64_t step) const {
  const int64_t first = (step % steps_per_epoch_) * batch_;
  return std::min(batch_, data_->examples - first);
}

int64_t BatchSource::example(int64_t step, int64_t row) {
  const int64_t at = (step % steps_per_epoch_) * batch_ + row;
  if (!shuffled_) return data_->row_of(std::min(at, data_->examples - 1));
  const int64_t found = shuffled_->at(step / steps_per_epoch_, at);
  announce_upcoming();
  return data_->row_of(found);
}

void BatchSource::announce_upcoming() {
  for (const ExampleOrder::Range& range : shuffled_->take_upcoming()) {
    const int64_t first = data_->row_of(range.first);
    const int64_t last = data_->row_of(range.first + range.count - 1);
    for (const BatchInput& input : inputs_)
      if (const Field& field = data_->field(input.field); field.rows)
        field.rows->announce(first, last - first + 1);
  }
}

// Where an example begins, until the next call.
const std::byte* BatchSource::row(const Field& field, int64_t example) {
  const int64_t step = field.row_step > 0 ? field.row_step : field.row_size();
  if (!field.rows)
    return field.data.data() + static_cast<size_t>(example * step) * field.element_bytes();
  read_.resize(field.rows->row_bytes());
  field.rows->read(example, 0, read_);
  return read_.data();
}

int64_t BatchSource::shift(int64_t step) const {
  if (order_ == Order::sequential || data_->shifts <= 1) return 0;
  const uint64_t key = random_bits(seed_, static_cast<uint64_t>(step / steps_per_epoch_));
  // No counter of the shuffle is as large.
  constexpr uint64_t kCounter = uint64_t{1} << 32;
  return static_cast<int64_t>(random_below(key, kCounter, static_cast<uint64_t>(data_->shifts)));
}

void BatchSource::fill(int64_t step, size_t number, std::span<std::byte> into) {
  const std::vector<int64_t>& shape = inputs_.at(number).shape;
  fill(step, number, Box{std::vector<int64_t>(shape.size(), 0), shape}, into);
}

void BatchSource::fill(int64_t step, size_t number, const Box& box, std::span<std::byte> into) {
  const BatchInput& input = inputs_.at(number);
  const Field& field = data_->field(input.field);
  TESSERA_CHECK(box.begin.size() == input.shape.size() && box.end.size() == input.shape.size())
      << "box of rank " << box.begin.size() << " for " << describe(input.type, input.shape);
  size_t size = size_of(input.type);
  for (size_t d = 0; d < input.shape.size(); ++d) {
    TESSERA_CHECK(0 <= box.begin[d] && box.begin[d] <= box.end[d] && box.end[d] <= input.shape[d])
        << "[" << box.begin[d] << ", " << box.end[d] << ") of " << input.shape[d];
    size *= static_cast<size_t>(box.end[d] - box.begin[d]);
  }
  TESSERA_CHECK(into.size() == size) << into.size() << " bytes for a box of " << size;
  if (size == 0) return;

  const RowCopy copy = plan_copy(input, box);
  const auto axis = static_cast<size_t>(input.batch_axis);
  const int64_t offset = shift(step) + copy.from_offset;
  const auto rows = [&](auto* to, auto stored, const auto& convert) {
    using Stored = decltype(stored);
    for (int64_t r = box.begin[axis]; r < box.end[axis]; ++r)
      copy_row(copy, 0, reinterpret_cast<const Stored*>(row(field, example(step, r))) + offset,
               to + (r - box.begin[axis]) * copy.batch_stride, convert);
  };
  const auto same = [](auto value) { return value; };
  if (field.is_bytes) {
    constexpr uint8_t from = 0;
    const auto scaled = [&](uint8_t byte) {
      return static_cast<float>(byte) * field.scale + field.shift;
    };
    switch (input.type) {
      case DType::f32:
        return rows(reinterpret_cast<float*>(into.data()), from, scaled);
      case DType::f64:
        return rows(reinterpret_cast<double*>(into.data()), from, scaled);
      case DType::i32:
        return rows(reinterpret_cast<int32_t*>(into.data()), from, same);
      case DType::i64:
        return rows(reinterpret_cast<int64_t*>(into.data()), from, same);
      case DType::bf16:
        return rows(reinterpret_cast<uint16_t*>(into.data()), from,
                    [&](uint8_t byte) { return f32_to_bf16(scaled(byte)); });
      case DType::f16:
        return rows(reinterpret_cast<uint16_t*>(into.data()), from,
                    [&](uint8_t byte) { return f32_to_f16(scaled(byte)); });
      case DType::u8:
      case DType::i8:
      case DType::b8:
        break;
    }
  }
  // Equal types on both sides, or bytes on both: only the width matters.
  const auto plain = [&](auto element) {
    using T = decltype(element);
    rows(reinterpret_cast<T*>(into.data()), T{}, same);
  };
  if (size_of(input.type) == 1) return plain(uint8_t{});
  if (size_of(input.type) == 2) return plain(uint16_t{});
  if (size_of(input.type) == 4) return plain(uint32_t{});
  plain(uint64_t{});
}

}  // namespace tessera

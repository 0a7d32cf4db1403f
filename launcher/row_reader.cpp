#include "launcher/row_reader.h"

#include <algorithm>

#include "base/error.h"

namespace tessera {

RowReader::RowReader(std::vector<Part> parts, size_t row_bytes, bool booleans)
    : parts_(std::move(parts)), first_{0}, row_bytes_(row_bytes), booleans_(booleans) {
  for (const Part& part : parts_) first_.push_back(first_.back() + part.examples);
}

size_t RowReader::part_of(int64_t example) const {
  TESSERA_CHECK(0 <= example && example < examples()) << example << " of " << examples();
  return static_cast<size_t>(std::upper_bound(first_.begin(), first_.end(), example) -
                             first_.begin() - 1);
}

void RowReader::read(int64_t example, size_t offset, std::span<std::byte> into) const {
  const size_t number = part_of(example);
  const Part& part = parts_[number];
  const auto row = static_cast<uint64_t>(example - first_[number]);
  part.file->read(part.offset + row * row_bytes_ + offset, into);
  if (booleans_)
    for (std::byte& each : into) each = std::byte{each != std::byte{0}};
}

void RowReader::announce(int64_t first, int64_t count) const {
  while (count > 0) {
    const size_t number = part_of(first);
    const int64_t here = std::min(count, first_[number + 1] - first);
    const auto row = static_cast<uint64_t>(first - first_[number]);
    parts_[number].file->announce(parts_[number].offset + row * row_bytes_,
                                  static_cast<uint64_t>(here) * row_bytes_);
    first += here;
    count -= here;
  }
}

}  // namespace tessera

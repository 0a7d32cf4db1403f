#include "storage/byte_range.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ir/array_box.h"

namespace tessera {

Array read_box(const FileReader& file, uint64_t offset, DType type,
               const std::vector<int64_t>& whole_shape, const Box& box) {
  Array result = make_array(type, shape(box));
  if (result.data.empty()) return result;
  size_t begin = SIZE_MAX, end = 0;
  each_run(whole_shape, box, [&](size_t at, size_t count) {
    begin = std::min(begin, at);
    end = at + count;
  });
  const size_t element = size_of(type);
  if ((end - begin) * element == result.data.size()) {  // it lies in one piece
    file.read(offset + begin * element, result.data);
  } else {
    std::vector<std::byte> range((end - begin) * element);
    file.read(offset + begin * element, range);
    std::byte* to = result.data.data();
    each_run(whole_shape, box, [&](size_t at, size_t count) {
      std::memcpy(to, range.data() + (at - begin) * element, count * element);
      to += count * element;
    });
  }
  if (type == DType::b8)
    for (std::byte& value : result.data) value = std::byte{value != std::byte{0}};
  return result;
}

}  // namespace tessera

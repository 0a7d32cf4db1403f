#include "storage/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/host_memory.h"
#include "storage/atomic_file.h"
#include "storage/file_reader.h"
#include "storage/npy_header.h"

namespace tessera {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kMaxHeader = 1 << 20;

uint64_t little_endian(const char* bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i)
    value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

// The bytes of a Fortran-ordered array (first dim varies fastest) in row-major order.
std::vector<std::byte> to_row_major(const std::vector<std::byte>& data,
                                    const std::vector<int64_t>& shape, size_t element) {
  std::vector<std::byte> result(data.size());
  std::vector<size_t> stride(shape.size());
  size_t step = element;
  for (size_t d = 0; d < shape.size(); ++d) {
    stride[d] = step;
    step *= static_cast<size_t>(shape[d]);
  }
  std::vector<int64_t> at(shape.size(), 0);
  size_t from = 0;
  for (size_t to = 0; to < result.size(); to += element) {
    std::memcpy(result.data() + to, data.data() + from, element);
    for (size_t d = shape.size(); d-- > 0;) {
      from += stride[d];
      if (++at[d] < shape[d]) break;
      from -= stride[d] * static_cast<size_t>(shape[d]);
      at[d] = 0;
    }
  }
  return result;
}

template <typename T>
Array widened(const Array& bytes, DType type) {
  Array result{type, bytes.shape, std::vector<std::byte>(bytes.data.size() * sizeof(T))};
  for (size_t i = 0; i < bytes.data.size(); ++i) {
    const T value = static_cast<T>(std::to_integer<uint8_t>(bytes.data[i]));
    std::memcpy(result.data.data() + i * sizeof(T), &value, sizeof(T));
  }
  return result;
}

NpyHeader header_of(const FileReader& file) {
  return read_npy_header(file.path(), file.size(),
                         [&](uint64_t offset, size_t bytes) { return file.text(offset, bytes); });
}

}  // namespace

int64_t count_elements(const std::string& file, const std::vector<int64_t>& shape) {
  // A zero extent makes the product zero, but the others must still be sane.
  int64_t count = 1;
  bool empty = false;
  for (const int64_t extent : shape) {
    if (extent == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(count, extent, &count) || count > (int64_t{1} << 59)) {
      std::vector<std::string> parts;
      for (const int64_t e : shape) parts.push_back(std::to_string(e));
      throw UserError(file + ": the shape [" + join(parts) + "] has more elements than can exist");
    }
  }
  return empty ? 0 : count;
}

std::string describe(DType type, const std::vector<int64_t>& shape) {
  std::vector<std::string> parts;
  for (const int64_t extent : shape) parts.push_back(std::to_string(extent));
  return std::string(name_of(type)) + "[" + join(parts) + "]";
}

NpyHeader read_npy_header(const std::string& name, uint64_t size, const ReadText& read,
                          bool any_type) {
  const std::string start = read(0, std::min<uint64_t>(size, 12));
  if (start.rfind("PK\x03\x04", 0) == 0)
    throw UserError(name +
                    ": is a .npz archive where one array is expected; save each array with "
                    "numpy.save");
  if (start.size() < 10 || std::string_view(start).substr(0, 6) != kMagic)
    throw UserError(name + ": is not a .npy file: it does not start with \\x93NUMPY");
  const int major = start[6];
  if (major < 1 || major > 3)
    throw UserError(fmt::format("{}: has .npy version {}.{}; expected 1.0, 2.0 or 3.0", name, major,
                                static_cast<int>(start[7])));
  const int width = major == 1 ? 2 : 4;
  const uint64_t length =
      little_endian(start.data() + 8, std::min<int>(width, static_cast<int>(start.size()) - 8));
  if (length > kMaxHeader)
    throw UserError(fmt::format("{}: has a .npy header of {} bytes; at most {} are read", name,
                                length, kMaxHeader));
  const auto before = static_cast<size_t>(8 + width);
  if (before + length > size)
    throw UserError(name + ": ends inside its .npy header; the file is damaged");
  NpyHeader header = internal::parse_npy_header(name, read(before, length), any_type);
  header.data_offset = before + length;
  if (!header.other_type.empty()) return header;
  const uint64_t expected =
      static_cast<uint64_t>(count_elements(name, header.shape)) * size_of(header.type);
  const uint64_t held = size - header.data_offset;
  if (held != expected)
    throw UserError(fmt::format("{}: {} needs {} bytes of data, found {}; the file is {}", name,
                                describe(header.type, header.shape), expected, held,
                                held < expected ? "cut short" : "too long"));
  return header;
}

Array npy_array(const NpyHeader& header, std::vector<std::byte> data) {
  Array array{header.type, header.shape, std::move(data)};
  if (header.fortran && header.shape.size() > 1)
    array.data = to_row_major(array.data, header.shape, size_of(header.type));
  if (header.type == DType::b8)
    for (std::byte& value : array.data) value = std::byte{value != std::byte{0}};
  return array;
}

NpyHeader read_npy_header(const std::string& file) {
  const FileReader reader(file);
  return header_of(reader);
}

Array read_npy(const std::string& file, U1 bytes) {
  const FileReader reader(file);
  const NpyHeader header = header_of(reader);
  const auto held = static_cast<int64_t>(reader.size() - header.data_offset);
  const bool wider = header.type == DType::u8 && bytes != U1::as_u8;
  const int64_t copies = 1 + (header.fortran ? 1 : 0) + (wider ? 4 : 0);
  require_memory(copies * held, file + ": " + describe(header.type, header.shape),
                 "use a smaller array, or free memory");
  std::vector<std::byte> data(static_cast<size_t>(held));
  reader.read(header.data_offset, data);
  Array array = npy_array(header, std::move(data));
  if (header.type == DType::u8 && bytes == U1::as_i32) return widened<int32_t>(array, DType::i32);
  if (header.type == DType::u8 && bytes == U1::as_f32) return widened<float>(array, DType::f32);
  return array;
}

void write_npy(const std::string& file, const Array& array) {
  const size_t expected =
      static_cast<size_t>(count_elements(file, array.shape)) * size_of(array.type);
  TESSERA_CHECK(array.data.size() == expected)
      << describe(array.type, array.shape) << " has " << array.data.size() << " bytes of data";
  std::string header = internal::npy_header_text(array);
  // The data begins at a multiple of 64 bytes, and the header ends in a newline.
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string start(kMagic);
  start += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};
  start += header;
  write_file(file, {std::as_bytes(std::span(start.data(), start.size())), array.data});
}

}  // namespace tessera

#include "storage/npy.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/host_memory.h"
#include "base/read_file.h"
#include "storage/atomic_file.h"
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

std::ifstream open(const std::string& file) {
  require_regular_file(file);
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw UserError(file + ": cannot be opened: " + std::strerror(errno));
  return stream;
}

uint64_t size_of_file(std::ifstream& stream) {
  stream.clear();
  stream.seekg(0, std::ios::end);
  return static_cast<uint64_t>(stream.tellg());
}

NpyHeader read_header(std::ifstream& stream, const std::string& file) {
  char start[12] = {};
  stream.read(start, 10);
  if (stream.gcount() >= 4 && std::memcmp(start, "PK\x03\x04", 4) == 0)
    throw UserError(file +
                    ": is a .npz archive, which is not read; save each array with numpy.save");
  if (stream.gcount() < 10 || std::string_view(start, 6) != kMagic)
    throw UserError(file + ": is not a .npy file: it does not start with \\x93NUMPY");
  const int major = start[6];
  if (major < 1 || major > 3)
    throw UserError(fmt::format("{}: has .npy version {}.{}; expected 1.0, 2.0 or 3.0", file, major,
                                static_cast<int>(start[7])));
  const int width = major == 1 ? 2 : 4;
  if (width == 4) stream.read(start + 10, 2);
  const uint64_t length = little_endian(start + 8, width);
  if (!stream || length > kMaxHeader)
    throw UserError(fmt::format("{}: has a .npy header of {} bytes; at most {} are read", file,
                                length, kMaxHeader));
  std::string text(length, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(length));
  if (!stream) throw UserError(file + ": ends inside its .npy header; the file is damaged");
  NpyHeader header = internal::parse_npy_header(file, text);
  header.data_offset = static_cast<size_t>(8 + width) + length;
  const uint64_t expected =
      static_cast<uint64_t>(count_elements(file, header.shape)) * size_of(header.type);
  const uint64_t held = size_of_file(stream) - header.data_offset;
  if (held != expected)
    throw UserError(fmt::format("{}: {} needs {} bytes of data, found {}; the file is {}", file,
                                describe(header.type, header.shape), expected, held,
                                held < expected ? "cut short" : "too long"));
  return header;
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

NpyHeader read_npy_header(const std::string& file) {
  std::ifstream stream = open(file);
  return read_header(stream, file);
}

Array read_npy(const std::string& file, U1 bytes) {
  std::ifstream stream = open(file);
  const NpyHeader header = read_header(stream, file);
  const auto held = static_cast<int64_t>(count_elements(file, header.shape)) *
                    static_cast<int64_t>(size_of(header.type));
  const bool wider = header.type == DType::u8 && bytes != U1::as_u8;
  const int64_t copies = 1 + (header.fortran ? 1 : 0) + (wider ? 4 : 0);
  require_memory(copies * held, file + ": " + describe(header.type, header.shape),
                 "use a smaller array, or free memory");
  Array array{header.type, header.shape, {}};
  array.data.resize(static_cast<size_t>(count_elements(file, header.shape)) * size_of(header.type));
  stream.seekg(static_cast<std::streamoff>(header.data_offset));
  stream.read(reinterpret_cast<char*>(array.data.data()),
              static_cast<std::streamsize>(array.data.size()));
  if (!stream) throw UserError(file + ": cannot be read to its end: " + std::strerror(errno));
  if (header.fortran && header.shape.size() > 1)
    array.data = to_row_major(array.data, header.shape, size_of(header.type));
  if (header.type == DType::u8) {
    if (bytes == U1::as_i32) return widened<int32_t>(array, DType::i32);
    if (bytes == U1::as_f32) return widened<float>(array, DType::f32);
  } else if (header.type == DType::b8) {
    for (std::byte& value : array.data) value = std::byte{value != std::byte{0}};
  }
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

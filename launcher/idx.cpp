#include "launcher/idx.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "launcher/gzip_file.h"

namespace tessera {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 36;

std::vector<int64_t> read_shape(gzFile stream, const std::string& file) {
  uint8_t magic[4] = {};
  if (read_some(stream, file, magic, 4) < 4 || magic[0] != 0 || magic[1] != 0 || magic[2] != 8 ||
      magic[3] < 1 || magic[3] > 4)
    throw UserError(
        fmt::format("{}: is not an IDX file of unsigned bytes: it starts with {:02x} "
                    "{:02x} {:02x} {:02x}, expected 00 00 08 and 1 to 4 dims",
                    file, magic[0], magic[1], magic[2], magic[3]));
  std::vector<int64_t> shape;
  for (int d = 0; d < magic[3]; ++d) {
    uint8_t extent[4] = {};
    if (read_some(stream, file, extent, 4) < 4)
      throw UserError(file + ": ends inside its IDX header; the file is damaged");
    shape.push_back(int64_t{extent[0]} << 24 | extent[1] << 16 | extent[2] << 8 | extent[3]);
  }
  return shape;
}

}  // namespace

std::vector<int64_t> read_idx_shape(const std::string& file) {
  return read_shape(open_gzip(file).get(), file);
}

IdxArray read_idx(const std::string& file, std::optional<int64_t> limit) {
  const GzipFile stream = open_gzip(file);
  IdxArray array;
  array.shape = read_shape(stream.get(), file);
  const bool whole = !limit || *limit >= array.shape[0];
  if (!whole) array.shape[0] = *limit;
  int64_t bytes = 1;
  for (const int64_t extent : array.shape)
    if (__builtin_mul_overflow(bytes, extent, &bytes) || bytes > kMaxBytes)
      throw UserError(file + ": the IDX header announces more than 64 GiB; the file is damaged");
  // Grown as bytes arrive, so that a header cannot claim memory its file does not fill.
  constexpr size_t kFirst = size_t{1} << 20;
  constexpr size_t kStep = size_t{64} << 20;
  const auto wanted = static_cast<size_t>(bytes);
  while (array.data.size() < wanted) {
    const size_t begin = array.data.size();
    const size_t step = std::min(std::clamp(begin, kFirst, kStep), wanted - begin);
    array.data.resize(begin + step);
    const size_t got =
        read_some(stream.get(), file, reinterpret_cast<uint8_t*>(array.data.data()) + begin, step);
    if (got < step)
      throw UserError(
          fmt::format("{}: its header announces {} bytes of data, found {}; the file "
                      "is cut short",
                      file, wanted, begin + got));
  }
  if (!whole) return array;
  uint8_t extra = 0;
  if (read_some(stream.get(), file, &extra, 1) != 0)
    throw UserError(file + ": has more data than its header announces; the file is damaged");
  int code = Z_OK;
  gzerror(stream.get(), &code);
  if (code == Z_BUF_ERROR)
    throw UserError(file + ": ends before its checksum; the file is cut short");
  return array;
}

}  // namespace tessera

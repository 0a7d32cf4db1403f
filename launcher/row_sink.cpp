#include "launcher/row_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "storage/write_through.h"

namespace tessera {
namespace {

constexpr size_t kPiece = size_t{4} << 20;

}  // namespace

RowSink::RowSink(size_t row_bytes, int64_t most_bytes)
    : row_bytes_(row_bytes), most_bytes_(most_bytes) {}

RowSink::~RowSink() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

RowSink::RowSink(RowSink&& other) noexcept
    : row_bytes_(other.row_bytes_),
      most_bytes_(other.most_bytes_),
      rows_(std::move(other.rows_)),
      examples_(other.examples_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)) {}

std::byte* RowSink::next_row() {
  const size_t most =
      descriptor_ >= 0 ? kPiece : std::max(kPiece, static_cast<size_t>(most_bytes_));
  if (!rows_.empty() && rows_.size() + row_bytes_ > most) write_out();
  ++examples_;
  rows_.resize(rows_.size() + row_bytes_);
  return rows_.data() + rows_.size() - row_bytes_;
}

void RowSink::write_out() {
  if (descriptor_ < 0) {
    std::error_code ignored;
    path_ = (std::filesystem::temp_directory_path(ignored) / "tessera-rows-XXXXXX").string();
    descriptor_ = ::mkostemp(path_.data(), O_CLOEXEC);
    if (descriptor_ < 0)
      throw DeviceError(path_ + ": cannot be made: " + std::strerror(errno) +
                        "; set TMPDIR to a folder with room for the data");
    ::unlink(path_.c_str());
  }
  if (const int error = write_all(descriptor_, rows_))
    throw DeviceError(path_ + ": cannot hold the data, which is too large for data.memory: " +
                      std::strerror(error) + "; set TMPDIR to a folder with room for it");
  rows_.clear();
  rows_.shrink_to_fit();
}

void RowSink::finish(Field& field) {
  if (descriptor_ < 0) {
    field.data = std::move(rows_);
    return;
  }
  write_out();
  const std::string reopened = "/proc/self/fd/" + std::to_string(descriptor_);
  const auto file = std::make_shared<const FileReader>(reopened);
  field.rows = std::make_shared<const RowReader>(std::vector<RowReader::Part>{{file, 0, examples_}},
                                                 row_bytes_, false);
}

}  // namespace tessera

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "launcher/dataset.h"

namespace tessera {

// Takes rows one after the other, in memory, and from some size on in a temporary file that has no
// name and goes with the process. DeviceError when there is no room.
class RowSink {
 public:
  RowSink(size_t row_bytes, int64_t most_bytes);
  ~RowSink();
  RowSink(RowSink&& other) noexcept;
  RowSink& operator=(RowSink&&) = delete;

  // Where the next row is to be written, before the next call.
  std::byte* next_row();
  // The field takes all rows; the sink is of no more use.
  void finish(Field& field);

 private:
  void write_out();

  size_t row_bytes_;
  int64_t most_bytes_;
  std::vector<std::byte> rows_;
  int64_t examples_ = 0;
  int descriptor_ = -1;
  std::string path_;
};

}  // namespace tessera

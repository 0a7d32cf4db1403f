#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

// CRC-32C (Castagnoli) of the bytes, as TFRecord files use it: crc32c("123456789") == 0xe3069283.
uint32_t crc32c(std::string_view bytes);

// A file of events that TensorBoard reads, written as it goes. A record is
//
//   length, 8 bytes, little-endian | masked CRC of these 8 | bytes | masked CRC of the bytes
//
// and its bytes are one message `Event` of protocol buffers: 1 wall_time (double), 2 step (int64),
// 3 file_version (string), 5 summary, of which each 1 is a value: 1 tag (string), 2 simple_value
// (float). The first event says the version, "brain.Event:2".
class EventFile {
 public:
  // Makes `dir`/events.out.tfevents.SECONDS.HOST.PROCESS.tessera. DeviceError when it cannot.
  explicit EventFile(const std::string& dir);
  ~EventFile();
  EventFile(EventFile&& other) noexcept;
  EventFile& operator=(EventFile&&) = delete;

  // One event with the values of a step; it is in the file when the call returns.
  void add(int64_t step, const std::vector<std::pair<std::string, double>>& values);

  const std::string& path() const { return path_; }

 private:
  void write(const std::string& event);

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace tessera

#include "launcher/event_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "storage/write_through.h"

namespace tessera {
namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = crc_table();

// So that the CRC of bytes that hold CRCs is no trivial one.
uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

template <typename T>
void put(std::string& into, T value) {
  static_assert(std::endian::native == std::endian::little);
  into.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_varint(std::string& into, uint64_t value) {
  for (; value >= 0x80; value >>= 7) into += static_cast<char>(value | 0x80);
  into += static_cast<char>(value);
}

// Fields of a message: the number and the kind of what follows.
enum : uint64_t { kVarint = 0, kEightBytes = 1, kLength = 2, kFourBytes = 5 };
void put_key(std::string& into, uint64_t field, uint64_t kind) {
  put_varint(into, field << 3 | kind);
}
void put_bytes(std::string& into, uint64_t field, std::string_view bytes) {
  put_key(into, field, kLength);
  put_varint(into, bytes.size());
  into += bytes;
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string event_at(double seconds) {
  std::string event;
  put_key(event, 1, kEightBytes);
  put(event, seconds);
  return event;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char c : bytes)
    crc = kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ crc >> 8;
  return ~crc;
}

EventFile::EventFile(const std::string& dir) {
  const double now = wall_time();
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') std::strcpy(host, "host");
  path_ = fmt::format("{}/events.out.tfevents.{:010}.{}.{}.tessera", dir, static_cast<int64_t>(now),
                      host, ::getpid());
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw DeviceError(path_ + ": cannot be made: " + std::strerror(errno));
  std::string event = event_at(now);
  put_bytes(event, 3, "brain.Event:2");
  write(event);
}

EventFile::~EventFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

EventFile::EventFile(EventFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

void EventFile::add(int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  std::string event = event_at(wall_time());
  put_key(event, 2, kVarint);
  put_varint(event, static_cast<uint64_t>(step));
  std::string summary;
  for (const auto& [tag, number] : values) {
    std::string value;
    put_bytes(value, 1, tag);
    put_key(value, 2, kFourBytes);
    put(value, static_cast<float>(number));
    put_bytes(summary, 1, value);
  }
  put_bytes(event, 5, summary);
  write(event);
}

void EventFile::write(const std::string& event) {
  std::string record;
  put(record, static_cast<uint64_t>(event.size()));
  put(record, masked_crc(record));
  record += event;
  put(record, masked_crc(event));
  const auto* bytes = reinterpret_cast<const std::byte*>(record.data());
  if (const int error = write_all(descriptor_, {bytes, record.size()}))
    throw DeviceError(path_ + ": cannot append an event: " + std::strerror(error) +
                      (error == ENOSPC ? "; free some space or choose another output.dir" : ""));
}

}  // namespace tessera

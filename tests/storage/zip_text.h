#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

inline void put(std::string& text, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
}

// A member as it lies in the archive, stored unless `method` says otherwise; what its records say
// can be bent before they are written.
struct ZipText {
  std::string name;
  std::string data;
  int flags = 0;
  int method = 0;
  uint64_t size = 0;    // 0: of the data
  uint32_t crc = 0;     // 0: of the data
  uint64_t packed = 0;  // 0: of the data
  uint64_t offset = 0;  // added to the right one
};

inline uint32_t crc_of(const std::string& data) {
  uint32_t crc = ~0u;
  for (const char c : data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

inline std::string zip_of(const std::vector<ZipText>& members) {
  std::string text, directory;
  for (const ZipText& member : members) {
    const uint64_t at = text.size();
    text += "PK\x03\x04";
    put(text, 20, 2), put(text, 0, 2), put(text, 0, 2), put(text, 0, 4);
    put(text, member.crc ? member.crc : crc_of(member.data), 4);
    put(text, member.data.size(), 4), put(text, member.data.size(), 4);
    put(text, member.name.size(), 2), put(text, 0, 2);
    text += member.name + member.data;
    directory += "PK\x01\x02";
    put(directory, 20, 2), put(directory, 20, 2);
    put(directory, static_cast<uint64_t>(member.flags), 2);
    put(directory, static_cast<uint64_t>(member.method), 2), put(directory, 0, 4);
    put(directory, member.crc ? member.crc : crc_of(member.data), 4);
    put(directory, member.packed ? member.packed : member.data.size(), 4);
    put(directory, member.size ? member.size : member.data.size(), 4);
    put(directory, member.name.size(), 2), put(directory, 0, 2), put(directory, 0, 2);
    put(directory, 0, 8);
    put(directory, at + member.offset, 4);
    directory += member.name;
  }
  const size_t at = text.size();
  text += directory + "PK\x05\x06";
  put(text, 0, 4), put(text, members.size(), 2), put(text, members.size(), 2);
  put(text, directory.size(), 4), put(text, at, 4), put(text, 0, 2);
  return text;
}

}  // namespace tessera

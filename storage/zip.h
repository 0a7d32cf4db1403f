#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/file_reader.h"

namespace tessera {

struct ZipMember {
  std::string name;
  bool deflated = false;
  uint64_t packed = 0;  // bytes in the file
  uint64_t size = 0;    // bytes of the member
  uint32_t crc = 0;
  uint64_t offset = 0;  // of its data in the file
};

// The members of a zip archive, as .npz files are: stored or deflated, one part, no encryption;
// with the 64-bit extension. Throws UserError that begins with the path for anything else, for
// ranges that leave the file or overlap, and for members that claim to hold more than deflate can
// pack.
std::vector<ZipMember> read_zip(const FileReader& file);

// The first `bytes` of a member.
std::string zip_member_start(const FileReader& file, const ZipMember& member, size_t bytes);

// All of it, its checksum compared.
std::vector<std::byte> read_zip_member(const FileReader& file, const ZipMember& member);

}  // namespace tessera

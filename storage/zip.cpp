#include "storage/zip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "base/error.h"
#include "base/host_memory.h"
#include "storage/inflate.h"

namespace tessera {
namespace {

constexpr uint64_t kMostMembers = 1 << 20;
constexpr uint64_t kMostDirectory = 256 << 20;
constexpr uint32_t kIn64 = 0xffffffff;  // stands for: see the 64-bit extension

[[noreturn]] void fail(const FileReader& file, const std::string& text) {
  throw UserError(file.path() + ": " + text + "; the archive is damaged, or no .npz file");
}

// Little-endian numbers of a record that was read whole.
class Record {
 public:
  Record(const FileReader& file, std::string bytes) : file_(file), bytes_(std::move(bytes)) {}

  size_t left() const { return bytes_.size() - at_; }
  void skip(size_t bytes) { at_ += need(bytes); }
  std::string text(size_t bytes) {
    need(bytes);
    at_ += bytes;
    return bytes_.substr(at_ - bytes, bytes);
  }
  template <typename T>
  T number() {
    need(sizeof(T));
    uint64_t value = 0;
    for (size_t i = sizeof(T); i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(bytes_[at_ + i]);
    at_ += sizeof(T);
    return static_cast<T>(value);
  }

 private:
  size_t need(size_t bytes) const {
    if (bytes > left()) fail(file_, "a record of its directory is too short");
    return bytes;
  }

  const FileReader& file_;
  std::string bytes_;
  size_t at_ = 0;
};

struct Directory {
  uint64_t members = 0;
  uint64_t bytes = 0;
  uint64_t offset = 0;
};

// The end record is the last thing in the file, up to a comment of 64 KiB.
Directory find_directory(const FileReader& file) {
  constexpr size_t kEnd = 22;
  constexpr size_t kLocator = 20;
  const auto tail = static_cast<size_t>(std::min<uint64_t>(file.size(), kEnd + 0xffff));
  const std::string text = file.text(file.size() - tail, tail);
  const size_t at = text.rfind("PK\x05\x06");
  if (at == std::string::npos || at + kEnd > text.size()) fail(file, "has no directory of members");
  Record end(file, text.substr(at + 4));
  if (end.number<uint16_t>() != 0 || end.number<uint16_t>() != 0)
    fail(file, "is a part of an archive of several files");
  end.skip(2);
  Directory found;
  found.members = end.number<uint16_t>();
  found.bytes = end.number<uint32_t>();
  found.offset = end.number<uint32_t>();
  const uint64_t end_offset = file.size() - tail + at;
  if (end_offset < kLocator || file.text(end_offset - kLocator, 4) != "PK\x06\x07") return found;
  Record locator(file, file.text(end_offset - kLocator + 8, 8));
  Record large(file, file.text(locator.number<uint64_t>(), 56));
  if (large.number<uint32_t>() != 0x06064b50) fail(file, "has no 64-bit directory where it says");
  large.skip(28);
  found.members = large.number<uint64_t>();
  found.bytes = large.number<uint64_t>();
  found.offset = large.number<uint64_t>();
  return found;
}

// Sizes and offset that did not fit their 32 bits, in the order in which they are needed.
void read_extra(const FileReader& file, Record extra, ZipMember& member, bool size, bool packed,
                bool offset) {
  while (extra.left() >= 4) {
    const auto kind = extra.number<uint16_t>();
    const auto length = extra.number<uint16_t>();
    Record field(file, extra.text(length));
    if (kind != 1) continue;
    if (size) member.size = field.number<uint64_t>();
    if (packed) member.packed = field.number<uint64_t>();
    if (offset) member.offset = field.number<uint64_t>();
    return;
  }
  if (size || packed || offset) fail(file, "`" + member.name + "` has no 64-bit sizes");
}

ZipMember read_entry(const FileReader& file, Record& directory) {
  if (directory.number<uint32_t>() != 0x02014b50)
    fail(file, "an entry of its directory is no entry");
  directory.skip(4);
  const auto flags = directory.number<uint16_t>();
  const auto method = directory.number<uint16_t>();
  directory.skip(4);
  ZipMember member;
  member.crc = directory.number<uint32_t>();
  member.packed = directory.number<uint32_t>();
  member.size = directory.number<uint32_t>();
  const auto name = directory.number<uint16_t>();
  const auto extra = directory.number<uint16_t>();
  const auto comment = directory.number<uint16_t>();
  directory.skip(8);
  member.offset = directory.number<uint32_t>();
  member.name = directory.text(name);
  read_extra(file, Record(file, directory.text(extra)), member, member.size == kIn64,
             member.packed == kIn64, member.offset == kIn64);
  directory.skip(comment);
  if ((flags & 1) != 0) fail(file, "`" + member.name + "` is encrypted");
  if (method != 0 && method != 8)
    fail(file, fmt::format("`{}` is packed by method {}; stored and deflated are read", member.name,
                           method));
  member.deflated = method == 8;
  return member;
}

// From the entry's local header to its data, with every size checked.
void locate(const FileReader& file, ZipMember& member) {
  Record local(file, file.text(member.offset, 30));
  if (local.number<uint32_t>() != 0x04034b50)
    fail(file, "`" + member.name + "` is not where the directory says");
  local.skip(22);
  const auto name = local.number<uint16_t>();
  member.offset += 30 + uint64_t{name} + local.number<uint16_t>();
  if (member.offset > file.size() || member.packed > file.size() - member.offset)
    fail(file, fmt::format("`{}` ends after the file does", member.name));
  if (!member.deflated && member.size != member.packed)
    fail(file, fmt::format("`{}` is stored, but its sizes {} and {} differ", member.name,
                           member.size, member.packed));
  // Deflate makes at most 258 bytes of 2 bits.
  if (member.deflated && member.size / 1032 > member.packed)
    fail(file, fmt::format("`{}` says that its {} bytes hold {}, more than they can", member.name,
                           member.packed, member.size));
}

}  // namespace

std::vector<ZipMember> read_zip(const FileReader& file) {
  const Directory directory = find_directory(file);
  if (directory.members > kMostMembers || directory.bytes > kMostDirectory)
    fail(file, fmt::format("says that it has {} members", directory.members));
  Record entries(file, file.text(directory.offset, directory.bytes));
  std::vector<ZipMember> members;
  for (uint64_t i = 0; i < directory.members; ++i) {
    members.push_back(read_entry(file, entries));
    locate(file, members.back());
  }
  if (entries.left() != 0) fail(file, "has more in its directory than it says");
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const ZipMember& member : members)
    ranges.emplace_back(member.offset, member.offset + member.packed);
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second) fail(file, "has members that overlap");
  return members;
}

std::string zip_member_start(const FileReader& file, const ZipMember& member, size_t bytes) {
  bytes = static_cast<size_t>(std::min<uint64_t>(bytes, member.size));
  if (!member.deflated) return file.text(member.offset, bytes);
  std::string text(bytes, '\0');
  inflate_member(file, member, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

std::vector<std::byte> read_zip_member(const FileReader& file, const ZipMember& member) {
  require_memory(static_cast<int64_t>(member.size), file.path() + ": `" + member.name + "`",
                 "use a smaller array, or free memory");
  std::vector<std::byte> data(member.size);
  if (member.deflated)
    inflate_member(file, member, data);
  else
    file.read(member.offset, data);
  const auto* bytes = reinterpret_cast<const Bytef*>(data.data());
  const uLong crc = ::crc32_z(0, bytes, data.size());
  if (crc != member.crc)
    fail(file, fmt::format("`{}` has the checksum {:08x}, and its bytes have {:08x}", member.name,
                           member.crc, crc));
  return data;
}

}  // namespace tessera

#include "storage/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "base/error.h"

namespace tessera {
namespace {

// zlib's state for raw deflate, as zip has it.
class Inflater {
 public:
  Inflater() {
    if (::inflateInit2(&stream_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream* operator->() { return &stream_; }
  int run() { return ::inflate(&stream_, Z_NO_FLUSH); }

 private:
  z_stream stream_{};
};

}  // namespace

void inflate_member(const FileReader& file, const ZipMember& member, std::span<std::byte> into) {
  constexpr uint64_t kChunk = 256 << 10;
  const auto damaged = [&](const char* how) {
    throw UserError(file.path() + ": `" + member.name + "` cannot be unpacked: " + how +
                    "; the archive is damaged");
  };
  Inflater inflater;
  std::string packed;
  uint64_t read = 0;
  size_t done = 0;
  std::byte beyond{};
  for (;;) {
    if (inflater->avail_in == 0 && read < member.packed) {
      packed = file.text(member.offset + read, std::min(kChunk, member.packed - read));
      read += packed.size();
      inflater->next_in = reinterpret_cast<Bytef*>(packed.data());
      inflater->avail_in = static_cast<uInt>(packed.size());
    }
    // When all is there, one byte more tells the end of the member from a longer one.
    const bool full = done == into.size();
    if (full && into.size() < member.size) return;
    const size_t room = full ? 1 : std::min<size_t>(into.size() - done, size_t{1} << 30);
    inflater->next_out = reinterpret_cast<Bytef*>(full ? &beyond : into.data() + done);
    inflater->avail_out = static_cast<uInt>(room);
    const uInt before = inflater->avail_in;
    const int status = inflater.run();
    const size_t made = room - inflater->avail_out;
    if (full && made > 0) damaged("it holds more than it says");
    done += made;
    if (status == Z_STREAM_END) break;
    if (status != Z_OK && status != Z_BUF_ERROR) damaged("its bytes are no deflate stream");
    if (made == 0 && inflater->avail_in == before && read == member.packed)
      damaged("it ends too early");
  }
  if (done < into.size()) damaged("it holds less than it says");
}

}  // namespace tessera

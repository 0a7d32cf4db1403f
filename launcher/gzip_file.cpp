#include "launcher/gzip_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/read_file.h"

namespace tessera {

GzipFile open_gzip(const std::string& file) {
  require_regular_file(file);
  errno = 0;
  GzipFile stream(gzopen(file.c_str(), "rb"));
  if (!stream)
    throw UserError(file + ": cannot be opened: " + std::strerror(errno ? errno : ENOMEM));
  gzbuffer(stream.get(), 1 << 18);
  return stream;
}

size_t read_some(gzFile stream, const std::string& file, uint8_t* into, size_t size) {
  size_t done = 0;
  while (done < size) {
    const auto chunk = static_cast<unsigned>(std::min<size_t>(size - done, 1u << 24));
    const int got = gzread(stream, into + done, chunk);
    if (got < 0) {
      int code = 0;
      const char* reason = gzerror(stream, &code);
      throw UserError(file +
                      ": cannot be unpacked: " + (code == Z_ERRNO ? std::strerror(errno) : reason));
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

std::string read_gzip(const std::string& file, size_t most_bytes) {
  const GzipFile stream = open_gzip(file);
  std::string bytes;
  for (size_t chunk = size_t{1} << 20;; chunk *= 2) {
    const size_t before = bytes.size();
    bytes.resize(before + chunk);
    const size_t got =
        read_some(stream.get(), file, reinterpret_cast<uint8_t*>(bytes.data()) + before, chunk);
    bytes.resize(before + got);
    if (bytes.size() > most_bytes)
      throw UserError(file + ": is larger than " + size_text(most_bytes) + " once unpacked");
    if (got == chunk) continue;
    int code = Z_OK;
    gzerror(stream.get(), &code);
    if (code == Z_BUF_ERROR)
      throw UserError(file + ": ends before its checksum; the file is cut short");
    return bytes;
  }
}

}  // namespace tessera

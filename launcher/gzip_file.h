#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace tessera {

struct CloseGzip {
  void operator()(gzFile file) const { gzclose(file); }
};
using GzipFile = std::unique_ptr<gzFile_s, CloseGzip>;

// A regular file, compressed by gzip or plain. UserError that begins with the file's name.
GzipFile open_gzip(const std::string& file);

// Reads up to `size` bytes; fewer only at the end of the file. UserError for a damaged one.
size_t read_some(gzFile stream, const std::string& file, uint8_t* into, size_t size);

// All of it, at most `most_bytes`:  read_gzip("A.json.gz", 1 << 30)
std::string read_gzip(const std::string& file, size_t most_bytes);

}  // namespace tessera

#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace tessera {

// Every file that is read whole comes through here, so that no reader is without an end: not in
// bytes, where a device or a pipe goes on for ever, and not in time, where nobody writes.
struct ReadLimits {
  const char* what = "a file";  // "a program", for messages
  size_t most_bytes = 0;
  double most_seconds = 20;  // that a pipe or a device may take
};

// All bytes of a regular file, a pipe (`--in <(…)`, a fifo, /dev/stdin) or a device, at most
// `most_bytes`. Throws UserError that begins with `file`:
//
//   x.tess: cannot be opened: No such file or directory
//   /dev/zero: is larger than 64 MiB, the most that a program may have
//   fifo: did not end within 20 s; nobody writes to it, or too slowly: use a regular file
std::string read_file(const std::string& file, const ReadLimits& limits);

// The same for a file of a cache, which is regular or damaged: nothing when there is none.
// Throws UserError when it is anything but a regular file of at most `most_bytes`.
std::optional<std::string> read_regular_file(const std::string& file, size_t most_bytes);

// Throws UserError when `file` cannot be opened, or is not a regular file (nor a link to one): for
// readers that move about in it.
void require_regular_file(const std::string& file);

// "64 MiB", "1 GiB", "100 bytes".
std::string size_text(size_t bytes);

}  // namespace tessera

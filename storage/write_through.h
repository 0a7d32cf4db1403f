#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tessera {

// Where bytes for a path go when the links on the way are followed.
struct WriteTarget {
  std::string path;
  bool replace = true;  // a file, or nothing yet; else something to write to
  int descriptor = -1;  // of ours, which the path names (/dev/stdout); not to be closed
  int error = 0;        // errno where the way ends: links in a circle, a descriptor not open
};
WriteTarget write_target(const std::string& path);

// Writes to a device, a pipe or a descriptor. Returns 0 or the errno of what failed; ETIMEDOUT when
// nobody reads from a pipe for kReaderSeconds.
inline constexpr double kReaderSeconds = 20;
int write_through(const WriteTarget& target, const std::vector<std::span<const std::byte>>& parts);

// Writes all of it, in spite of interruptions: 0 or an errno. Where the descriptor does not block
// it waits as long as above.
int write_all(int descriptor, std::span<const std::byte> bytes);

}  // namespace tessera

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// Replaces `path` with the given bytes, all or nothing: they are written to a new file beside it,
// which is synced and renamed over `path`, and then the folder is synced. On failure the new file
// is removed and `path` is as before. Throws DeviceError with the path, the size and the system's
// reason (a full disk, no such folder, not allowed).
void write_file(const std::string& path, const std::vector<std::span<const std::byte>>& parts);
void write_file(const std::string& path, std::string_view text);

}  // namespace tessera

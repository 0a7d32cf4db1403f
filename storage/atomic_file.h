#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// Gives the file `path` these bytes. What that means depends on what is there:
//
//   nothing, or a file       all or nothing: they are written to a new file beside it, which is
//                            synced and renamed over it, and then the folder is synced. On failure
//                            the new file is removed and `path` is as before
//   a link                   the same for what it leads to; the link stays
//   a device or a pipe       they are written to it (storage/write_through.h)
//   /dev/stdout, /dev/fd/5   they are written to what that descriptor of ours stands for
//
// Throws DeviceError with the path, the size and the system's reason (a full disk, no such folder,
// not allowed).
void write_file(const std::string& path, const std::vector<std::span<const std::byte>>& parts);
void write_file(const std::string& path, std::string_view text);

// Do two paths name one file, so that writing both would lose one of them? Devices may be named as
// often as one likes.
bool name_one_file(const std::string& a, const std::string& b);

}  // namespace tessera

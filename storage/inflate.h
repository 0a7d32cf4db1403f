#pragma once

#include <span>

#include "storage/zip.h"

namespace tessera {

// Unpacks the first bytes of a deflated member, as many as `into` takes: the whole member, which
// must then end there, or its start. Used by storage/zip.cpp.
void inflate_member(const FileReader& file, const ZipMember& member, std::span<std::byte> into);

}  // namespace tessera

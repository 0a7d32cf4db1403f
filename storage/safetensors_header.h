#pragma once

#include <string>
#include <string_view>

#include "storage/safetensors.h"

// The JSON header of safetensors; used by storage/safetensors*.cpp only.
namespace tessera::internal {

// Parses and checks `text`, the header of a file with `data_bytes` of data. The offsets of the
// result count from the start of the data.
SafetensorsHeader parse_safetensors_header(const std::string& file, std::string_view text,
                                           uint64_t data_bytes);

// The header for tensors that lie one behind the other in the order given.
std::string safetensors_header_text(const std::vector<TensorToWrite>& tensors,
                                    const std::map<std::string, std::string>& metadata);

}  // namespace tessera::internal

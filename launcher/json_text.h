#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tessera {

// Bytes that are no UTF-8, as a file's name may hold, become U+FFFD.
template <typename Json>
std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera

#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/cpu_level.h"
#include "launcher/config.h"
#include "partition/mesh.h"
#include "runtime/device/device_kind.h"

namespace tessera {

// Values that several commands take, read the same way everywhere. All throw UserError that names
// the option.

// {"batch=32"} -> {{"batch", 32}}
std::map<std::string, int64_t> parse_dims(const std::vector<std::string>& values);
// {"x=a.npy"} -> {{"x", "a.npy"}}; `option` is "--in".
std::map<std::string, std::string> parse_assignments(const std::vector<std::string>& values,
                                                     const std::string& option);
// "" is nothing, "2GiB" its bytes.
std::optional<int64_t> parse_memory(const std::string& value);
// "" and "auto" are nothing.
std::optional<Mesh> parse_mesh_option(const std::string& value);

// --weights and --rename, read into `weights`.
void add_weights_options(CLI::App& command, WeightsConfig& weights);

// --device, read into `kind` when it is given.
void add_device_option(CLI::App& command, std::optional<DeviceKind>& kind);

// --cpu, read into `level` when it is given.
CLI::Option* add_cpu_option(CLI::App& command, std::optional<CpuLevel>& level);

}  // namespace tessera

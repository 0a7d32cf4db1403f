#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "ir/program.h"
#include "launcher/config.h"

namespace tessera {

// The training step that a config describes: a model of ours with its optimizer, or a user's .tess
// file, which either updates its parameters itself or leaves it to `train.optimizer`, which then
// minimizes its definition `loss` over the parameters that the program does not update. `batch`
// replaces the extent of dim `batch`.
// Throws UserError that points at the config or the program.
Program training_program(const Config& config, std::optional<int64_t> batch = std::nullopt);

// The same without updates: what evaluation runs.
Program evaluation_program(const Config& config, std::optional<int64_t> batch = std::nullopt);

// `program` with its outputs and without its updates.
Program without_updates(const Program& program);

// A program for commands that take one by name: a .tess file, a config, or a model's name. `dims`
// replaces extents (of a model, its options).
Program named_program(const std::string& name, const std::map<std::string, int64_t>& dims);

// Is this the name of a YAML file, or of a .tess file or any that exists?
bool is_config_file(const std::string& name);
bool is_program_file(const std::string& name);

}  // namespace tessera

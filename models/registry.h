#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/program.h"

namespace tessera {

// Models that a config or the command line names: `program: {model: mlp, hidden: [512, 512]}`.

// What a config gives a model: whole numbers, one or several for each key.
using ModelOptions = std::map<std::string, std::vector<int64_t>>;

struct ModelInfo {
  std::string name;
  std::string summary;
  ModelOptions defaults;  // every key that the model takes
};

const std::vector<ModelInfo>& all_models();

// Throws UserError for an unknown model or option (with the nearest one), a wrong count of numbers
// or a number below 1. Without an optimizer: one evaluation, no updates.
Program build_model(const std::string& name, const ModelOptions& options,
                    const Optimizer& optimizer = nullptr);

}  // namespace tessera

#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "launcher/config.h"
#include "runtime/executable.h"
#include "storage/tensor_file.h"

namespace tessera {

// What `eval` and `run` do with files of weights: they take the values of parameters from one, and
// those of states where it has them, and `run` leaves one in its folder.

// What a file gives, as whole arrays, to a program that runs without an executable.
std::map<std::string, Array> read_weights(const Program& program, const WeightsConfig& weights,
                                          const std::set<std::string>& elsewhere);

// Parameters in `elsewhere` need not be in the file. Rank 0 says what the file and the program do
// not have in common, unless `quiet`. Together.
void load_weights(Executable& executable, const WeightsConfig& weights,
                  const std::set<std::string>& elsewhere, bool quiet);

// Throws what load_weights would; needs no ranks.
void check_weights(const Program& program, const WeightsConfig& weights,
                   const std::set<std::string>& elsewhere);

// Writes the parameters and those states that `model` has, too, to one .safetensors file, all or
// nothing: the states of an optimizer are no part of a model. Rank 0 writes. Together.
void save_weights(Executable& executable, Communicator& world, const Program& model,
                  const std::string& file);

}  // namespace tessera

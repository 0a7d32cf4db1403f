#include "launcher/weights.h"

#include <fmt/format.h>

#include "base/error.h"
#include "launcher/standard_streams.h"
#include "runtime/load_values.h"
#include "runtime/save_values.h"
#include "storage/safetensors.h"

namespace tessera {
namespace {

LoadOptions options_of(const WeightsConfig& weights, const std::set<std::string>& elsewhere) {
  LoadOptions options;
  options.elsewhere = elsewhere;
  for (const std::string& rule : weights.rename) options.rename.push_back(parse_rename(rule));
  return options;
}

TensorMatch match(const TensorFile& file, const Program& program, const LoadOptions& options) {
  return match_tensors(file, wanted_tensors(program, options), options.rename,
                       "program `" + program.name() + "`");
}

void say_differences(const std::string& file, const TensorMatch& match) {
  if (!match.unused.empty())
    print_err("{}: not used, as the program has no such tensors: {}\n", file,
              list_some(match.unused));
  if (!match.missing.empty())
    print_err("{}: has no {}, which keep their first values\n", file, list_some(match.missing));
}

}  // namespace

std::map<std::string, Array> read_weights(const Program& program, const WeightsConfig& weights,
                                          const std::set<std::string>& elsewhere) {
  const LoadOptions options = options_of(weights, elsewhere);
  const std::unique_ptr<TensorFile> file = open_tensors(weights.file);
  std::map<std::string, Array> values;
  for (const auto& [name, index] : match(*file, program, options).found)
    values[name] = file->read(index);
  return values;
}

void check_weights(const Program& program, const WeightsConfig& weights,
                   const std::set<std::string>& elsewhere) {
  match(*open_tensors(weights.file), program, options_of(weights, elsewhere));
}

void load_weights(Executable& executable, const WeightsConfig& weights,
                  const std::set<std::string>& elsewhere, bool quiet) {
  const std::unique_ptr<TensorFile> file = open_tensors(weights.file);
  const TensorMatch found = load_values(executable, *file, options_of(weights, elsewhere));
  if (executable.sharded().rank == 0 && !quiet) say_differences(weights.file, found);
}

void save_weights(Executable& executable, Communicator& world, const Program& model,
                  const std::string& file) {
  save_values(executable, world, file, [&](const Tensor& tensor) {
    const std::optional<Tensor> same = model.find(tensor.name());
    return tensor.role() == Role::parameter || (same && same->role() == Role::state);
  });
}

}  // namespace tessera

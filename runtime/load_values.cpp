#include "runtime/load_values.h"

namespace tessera {

std::vector<WantedTensor> wanted_tensors(const Program& program, const LoadOptions& options) {
  std::vector<WantedTensor> wanted;
  for (const Tensor& tensor : program.tensors()) {
    if (tensor.role() != Role::parameter && tensor.role() != Role::state) continue;
    const bool required = tensor.role() == Role::parameter || options.states_too;
    wanted.push_back({tensor.name(), tensor.type(), extents(tensor.dims()),
                      required && options.elsewhere.count(tensor.name()) == 0,
                      tensor.where().known() ? tensor.where().str() : ""});
  }
  return wanted;
}

TensorMatch load_values(Executable& executable, const TensorFile& file,
                        const LoadOptions& options) {
  const Program& program = executable.program();
  const TensorMatch match = match_tensors(file, wanted_tensors(program, options), options.rename,
                                          "program `" + program.name() + "`");
  for (const Border& stored : executable.sharded().stored) {
    const auto found = match.found.find(stored.name);
    if (found != match.found.end())
      executable.set_part(stored.name, file.read(found->second, stored.box), file.fingerprint());
  }
  return match;
}

}  // namespace tessera

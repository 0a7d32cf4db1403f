#include "launcher/bench/gpu_program.h"

#include "base/error.h"
#include "codegen/kernel_model.h"

namespace tessera {

GpuProgram gpu_program(const Program& normal, const GpuTarget& target) {
  for (const Tensor& tensor : normal.tensors())
    if (tensor.role() == Role::carried)
      throw UserError(normal.name() + " has a loop, which carries " + tensor.name() +
                      "; programs with loops do not run on GPUs yet: use --target cpu");
  std::set<Tensor> needed;
  for (const Output& output : normal.outputs()) needed.insert(output.value);
  for (const Update& update : normal.updates()) needed.insert(update.value);
  GpuProgram result{normal, gpu_groups(nests_of(normal), needed, target), 0, target};
  for (const Nest& nest : nests_of(normal)) result.flops += operations_of(nest);
  return result;
}

}  // namespace tessera

#include "tests/codegen/run_on_gpu.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "codegen/fault.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "tests/codegen/guarded_bytes.h"
#include "tests/codegen/run_program.h"
#include "tests/ir/unroll.h"

namespace tessera {
namespace {

// Memory that begins at an address that 16 divides, and ends where an array does, up to that.
size_t rounded(size_t bytes) {
  return (bytes + 15) / 16 * 16;
}

class GpuRunner {
 public:
  explicit GpuRunner(std::map<Tensor, Array> given) : arrays_(std::move(given)) {}

  int64_t run(const GpuKernel& kernel, const KernelGroup& group) {
    for (const Tensor& output : group.outputs) {
      Array garbage = make_array(output.type(), extents(output.dims()));
      std::fill(garbage.data.begin(), garbage.data.end(), std::byte{0x5b});
      arrays_.insert_or_assign(output, std::move(garbage));
    }
    std::vector<Tensor> tensors = group.inputs;
    tensors.insert(tensors.end(), group.outputs.begin(), group.outputs.end());
    std::vector<std::unique_ptr<GuardedBytes>> buffers;
    std::vector<void*> arguments;
    for (const Tensor& tensor : tensors) {
      const Array& array = arrays_.at(tensor);
      buffers.push_back(std::make_unique<GuardedBytes>(rounded(array.data.size())));
      std::copy(array.data.begin(), array.data.end(), buffers.back()->data());
      arguments.push_back(buffers.back()->data());
    }
    const int64_t fault = simulator_.run(kernel, arguments);
    for (size_t i = 0; i < buffers.size(); ++i) {
      std::vector<std::byte>& data = arrays_.at(tensors[i]).data;
      std::copy_n(buffers[i]->data(), data.size(), data.begin());
    }
    return fault;
  }
  const Array& operator[](const Tensor& tensor) const { return arrays_.at(tensor); }

 private:
  std::map<Tensor, Array> arrays_;
  GpuSimulator simulator_;
};

}  // namespace

std::string simulate_and_compare(const Program& source, const Arrays& inputs, bool fused,
                                 double tolerance) {
  const Program program = unroll(normalize(source));
  const Arrays state = initial_state(program, 3);
  const Arrays wanted = interpret_all(program, inputs, state);
  const std::set<Tensor> needed = needed_of(program);
  std::vector<KernelGroup> groups;
  if (fused)
    groups = gpu_groups(nests_of(program), needed, {});
  else
    for (const Nest& nest : nests_of(program)) groups.push_back(make_group({nest}, {nest.out}));
  std::map<Tensor, Array> given;
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() != Role::definition) {
      const auto it = inputs.find(tensor.name());
      given.emplace(tensor, it != inputs.end() ? it->second : state.at(tensor.name()));
    }
  GpuRunner runner(std::move(given));
  std::string text, forms;
  for (const KernelGroup& group : groups) {
    const GpuKernel kernel = build_gpu_kernel(group, GpuMachine::simulated, {});
    forms += describe(group);
    for (const GpuLaunch& launch : kernel.launches) forms += launch.schedule + "\n";
    if (const int64_t fault = runner.run(kernel, group); fault != 0)
      text += describe_fault(kernel.faults, fault) + "\n";
  }
  for (const Tensor& tensor :
       fused ? std::vector<Tensor>(needed.begin(), needed.end()) : program.definitions()) {
    if (tensor.role() != Role::definition) continue;
    text += difference(tensor.name(), runner[tensor], wanted.at(tensor.name()), tolerance);
  }
  return text.empty() ? "" : text + forms;
}

std::string simulate_and_compare(const std::string& text, double tolerance) {
  const Program program = parse("program p\n" + text);
  const Arrays inputs = random_inputs(program, 3);
  const std::string fused = simulate_and_compare(program, inputs, true, tolerance);
  return fused.empty() ? simulate_and_compare(program, inputs, false, tolerance) : fused;
}

std::vector<KernelGroup> gpu_groups_of(const std::string& text) {
  const Program program = normalize(parse("program p\n" + text));
  return gpu_groups(nests_of(program), needed_of(program), {});
}

}  // namespace tessera

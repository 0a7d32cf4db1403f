#include "tests/codegen/run_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "codegen/fuse.h"
#include "ir/normalize.h"
#include "ir/random.h"
#include "tests/ir/unroll.h"

namespace tessera {
namespace {

std::vector<KernelGroup> one_by_one(const std::vector<Nest>& nests) {
  std::vector<KernelGroup> groups;
  for (const Nest& nest : nests) groups.push_back(make_group({nest}, {nest.out}));
  return groups;
}

}  // namespace

int64_t KernelRunner::run(const Kernel& kernel, const KernelGroup& group, int parts) {
  for (const Tensor& output : group.outputs) {
    Array garbage = make_array(output.type(), extents(output.dims()));
    std::fill(garbage.data.begin(), garbage.data.end(), std::byte{0x5b});
    arrays_.insert_or_assign(output, std::move(garbage));
  }
  std::vector<void*> arguments;
  for (const Tensor& tensor : kernel.arguments) arguments.push_back(arrays_.at(tensor).data.data());
  const size_t bytes = (kernel.scratch_bytes / 64 + 1) * 64;
  const std::unique_ptr<void, void (*)(void*)> scratch(std::aligned_alloc(64, bytes), &std::free);
  int64_t fault = 0;
  for (int part = parts; part-- > 0;) {
    std::fill_n(static_cast<unsigned char*>(scratch.get()), bytes, 0xff);
    const int64_t begin = kernel.chunks * part / parts;
    const int64_t end = kernel.chunks * (part + 1) / parts;
    if (begin < end) kernel.entry(arguments.data(), scratch.get(), begin, end, &fault);
  }
  return fault;
}

Array whole_numbers(const Tensor& tensor, uint64_t seed) {
  Array array = make_array(tensor.type(), extents(tensor.dims()));
  for (size_t i = 0; i < array.size(); ++i) {
    const uint32_t word = philox(seed, 0, i).word[0];
    array.set(i, tensor.type() == DType::b8 ? word % 2 : static_cast<double>(word % 9) - 4);
  }
  return array;
}

std::string difference(const std::string& name, const Array& found, const Array& wanted,
                       double tolerance) {
  if (found.type != wanted.type || found.shape != wanted.shape)
    return name + " is " + describe(found) + ", not " + describe(wanted) + "\n";
  double largest = 1;
  for (size_t i = 0; i < wanted.size(); ++i)
    if (std::isfinite(wanted.get(i))) largest = std::max(largest, std::abs(wanted.get(i)));
  std::string text;
  int count = 0;
  for (size_t i = 0; i < wanted.size() && count < 4; ++i) {
    const double a = found.get(i);
    const double b = wanted.get(i);
    const bool equal = a == b || (std::isnan(a) && std::isnan(b)) ||
                       (is_float(found.type) && std::abs(a - b) <= tolerance * largest);
    if (equal) continue;
    ++count;
    text += fmt::format("{}[{}] is {}, not {}\n", name, i, a, b);
  }
  return text;
}

Compiler plain_compiler() {
  CompilerOptions options;
  options.use_cache = false;
  options.worker_threads = 2;
  return Compiler(options);
}

std::string run_and_compare(const Program& source, const Arrays& inputs, Compiler& compiler,
                            const RunOptions& options) {
  const Program program = unroll(normalize(source));
  const Arrays state = initial_state(program, 3);
  const Arrays wanted = interpret_all(program, inputs, state);
  std::set<Tensor> needed;
  for (const Output& output : program.outputs()) needed.insert(output.value);
  for (const Update& update : program.updates()) needed.insert(update.value);
  const std::vector<Nest> nests = nests_of(program);
  const std::vector<KernelGroup> groups = options.fuse ? fuse(nests, needed) : one_by_one(nests);
  const std::vector<Kernel> kernels = compiler.compile(groups);
  std::map<Tensor, Array> given;
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() != Role::definition) {
      const auto it = inputs.find(tensor.name());
      given.emplace(tensor, it != inputs.end() ? it->second : state.at(tensor.name()));
    }
  KernelRunner runner(std::move(given));
  std::string text;
  for (size_t i = 0; i < groups.size(); ++i) {
    const int64_t fault = runner.run(kernels[i], groups[i], options.parts);
    if (fault != 0) text += describe_fault(kernels[i], fault) + "\n";
  }
  for (const Tensor& tensor :
       options.fuse ? std::vector<Tensor>(needed.begin(), needed.end()) : program.definitions()) {
    if (tensor.role() != Role::definition) continue;
    text += difference(tensor.name(), runner[tensor], wanted.at(tensor.name()), options.tolerance);
  }
  if (!text.empty())
    for (const KernelGroup& group : groups) text += "group\n" + describe(group);
  return text;
}

}  // namespace tessera

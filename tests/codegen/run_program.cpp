#include "tests/codegen/run_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "codegen/fuse.h"
#include "codegen/run_chunks.h"
#include "codegen/schedule_space.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "tests/codegen/guarded_bytes.h"
#include "tests/ir/unroll.h"

namespace tessera {
namespace {

std::vector<KernelGroup> one_by_one(const std::vector<Nest>& nests) {
  std::vector<KernelGroup> groups;
  for (const Nest& nest : nests) groups.push_back(make_group({nest}, {nest.out}));
  return groups;
}

}  // namespace

std::string run_and_compare(const std::string& text, int parts) {
  const Program program = parse("program p\n" + text);
  Compiler compiler = plain_compiler();
  RunOptions options;
  options.parts = parts;
  return run_and_compare(program, random_inputs(program, 3), compiler, options);
}

std::vector<KernelGroup> fused(const std::string& text) {
  const Program program = normalize(parse("program p\n" + text));
  return fuse(nests_of(program), needed_of(program));
}

std::set<Tensor> needed_of(const Program& program) {
  std::set<Tensor> needed;
  for (const Output& output : program.outputs()) needed.insert(output.value);
  for (const Update& update : program.updates()) needed.insert(update.value);
  return needed;
}

int64_t KernelRunner::run(const Kernel& kernel, const KernelGroup& group, int parts) {
  for (const Tensor& output : group.outputs) {
    Array garbage = make_array(output.type(), extents(output.dims()));
    std::fill(garbage.data.begin(), garbage.data.end(), std::byte{0x5b});
    arrays_.insert_or_assign(output, std::move(garbage));
  }
  std::vector<std::unique_ptr<GuardedBytes>> buffers;
  std::vector<void*> arguments;
  for (const Tensor& tensor : kernel.arguments) {
    buffers.push_back(std::make_unique<GuardedBytes>(arrays_.at(tensor)));
    arguments.push_back(buffers.back()->data());
  }
  const size_t bytes = (kernel.scratch_bytes / 64 + 1) * 64;
  const GuardedBytes scratch(bytes);
  int64_t fault = 0;
  for (int part = parts; part-- > 0;) {
    std::fill_n(scratch.data(), bytes, std::byte{0xff});
    const int64_t begin = kernel.chunks * part / parts;
    const int64_t end = kernel.chunks * (part + 1) / parts;
    if (begin < end) run_chunks(kernel, arguments.data(), scratch.data(), begin, end, &fault);
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    std::vector<std::byte>& data = arrays_.at(kernel.arguments[i]).data;
    std::copy_n(buffers[i]->data(), data.size(), data.begin());
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

std::vector<CpuLevel> test_levels() {
  std::vector<CpuLevel> levels;
  for (const CpuLevel level : cpu_levels_here())
    if (level == CpuLevel::host || name_of(level) != processor_of(CpuLevel::host))
      levels.push_back(level);
  return levels;
}

std::string compare_schedules(const KernelGroup& group, const std::map<Tensor, Array>& given,
                              const Arrays& wanted, const BuildOptions& build, double tolerance,
                              size_t of_seconds) {
  const ScheduleSpace space(group, build);
  std::map<std::string, ScheduleChoice> all;
  all.emplace(print(space.model()), space.model());
  for (const ScheduleChoice& seed : space.seeds()) all.emplace(print(seed), seed);
  const std::map<std::string, ScheduleChoice> seeds = all;
  size_t expanded = 0;
  for (const auto& [line, seed] : seeds)
    if (expanded++ % of_seconds == 0)
      for (const ScheduleChoice& next : space.neighbours(seed)) all.emplace(print(next), next);
  CompilerOptions options;
  options.use_cache = false;
  options.worker_threads = build.workers;
  options.always_tile = build.always_tile;
  options.level = build.level;
  options.blocks = build.blocks;
  Compiler compiler(options);
  std::string text;
  for (const auto& [line, choice] : all) {
    const Kernel kernel = compiler.compile(group, choice);
    KernelRunner runner(given);
    std::string wrong;
    if (const int64_t fault = runner.run(kernel, group, 2); fault != 0)
      wrong = describe_fault(kernel, fault) + "\n";
    for (const Tensor& tensor : group.outputs)
      wrong += difference(tensor.name(), runner[tensor], wanted.at(tensor.name()), tolerance);
    if (!wrong.empty()) text += line + "\n" + space.describe(choice) + "\n" + wrong;
  }
  return text;
}

std::string compare_all_schedules(const Program& source, const Arrays& inputs, double tolerance,
                                  CpuLevel level) {
  const Program program = normalize(source);
  Arrays values = interpret_all(program, inputs, {});
  Compiler compiler = plain_compiler(level);
  std::string text;
  for (const KernelGroup& group : fuse(nests_of(program), needed_of(program))) {
    std::map<Tensor, Array> given;
    for (const Tensor& input : group.inputs)
      given.emplace(
          input, input.role() == Role::input ? inputs.at(input.name()) : values.at(input.name()));
    // What fusing adds, such as padded copies, the interpreter knows only by what is made of it.
    KernelRunner runner(given);
    runner.run(compiler.compile(group), group);
    for (const Tensor& output : group.outputs) values.emplace(output.name(), runner[output]);
    text += compare_schedules(group, given, values, {2, false, level}, tolerance);
  }
  return text;
}

Compiler plain_compiler(CpuLevel level, const BlockLimits& blocks) {
  CompilerOptions options;
  options.blocks = blocks;
  options.always_tile = blocks.always;
  options.level = level;
  options.use_cache = false;
  options.worker_threads = 2;
  return Compiler(options);
}

std::string run_and_compare(const Program& source, const Arrays& inputs, Compiler& compiler,
                            const RunOptions& options) {
  const Program program = unroll(normalize(source));
  const Arrays state = initial_state(program, 3);
  const Arrays wanted = interpret_all(program, inputs, state);
  const std::set<Tensor> needed = needed_of(program);
  const std::vector<Nest> nests = nests_of(program);
  const std::vector<KernelGroup> groups =
      options.fuse ? fuse(nests, needed, options.blocks) : one_by_one(nests);
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

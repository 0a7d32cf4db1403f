#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random.h"
#include "ir/stack_loops.h"
#include "launcher/array_text.h"
#include "launcher/commands/arguments.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/execution.h"
#include "launcher/exit_code.h"
#include "launcher/interpret_report.h"
#include "launcher/json_text.h"
#include "launcher/programs.h"
#include "launcher/standard_streams.h"
#include "launcher/weights.h"
#include "storage/atomic_file.h"
#include "storage/npy.h"

namespace tessera {
namespace {

struct EvalArguments {
  std::string file;
  std::vector<std::string> in;
  std::vector<std::string> out;
  std::vector<std::string> dims;
  ExecutionArguments execution;
  WeightsConfig weights;
  uint64_t seed = 0;
  bool interpret = false;
  bool json = false;
};

struct Feed {
  Arrays inputs;
  Arrays state;  // of parameters and states that a file gives

  std::set<std::string> given() const {
    std::set<std::string> names;
    for (const auto& [name, array] : state) names.insert(name);
    return names;
  }
};

// The arrays of --in, each checked against what the program declares.
Feed read_inputs(const Program& program, const std::map<std::string, std::string>& files) {
  Feed feed;
  std::vector<std::string> known;
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() != Role::definition) known.push_back(tensor.name());
  for (const auto& [name, file] : files) {
    const std::optional<Tensor> tensor = program.find(name);
    if (!tensor || tensor->role() == Role::definition)
      throw UserError("--in " + name + "=" + file + ": program `" + program.name() +
                      "` has no input `" + name + "`; it has " +
                      (known.empty() ? "none" : join(known)) + did_you_mean(name, known));
    Array array = read_npy(file);
    const Array wanted{tensor->type(), extents(tensor->dims()), {}};
    if (array.type != wanted.type || array.shape != wanted.shape)
      throw UserError(file + ": holds " + describe(array) + "; `" + name + "` takes " +
                      describe(wanted) + ", dims " + describe(tensor->dims()) + " (" +
                      tensor->where().str() + ")");
    (tensor->role() == Role::input ? feed.inputs : feed.state)[name] = std::move(array);
  }
  for (const Tensor& tensor : program.inputs())
    if (feed.inputs.count(tensor.name()) == 0)
      throw UserError("input `" + tensor.name() + "` (" + tensor.where().str() +
                      ") is not given; add --in " + tensor.name() + "=FILE.npy with " +
                      describe(Array{tensor.type(), extents(tensor.dims()), {}}));
  return feed;
}

std::map<std::string, std::string> check_outputs(const Program& program,
                                                 const std::vector<std::string>& values) {
  std::map<std::string, std::string> files = parse_assignments(values, "--out");
  std::vector<std::string> known;
  for (const Output& output : program.outputs()) known.push_back(output.name);
  for (const auto& [name, file] : files)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw UserError("--out " + name + "=" + file + ": program `" + program.name() +
                      "` has no output `" + name + "`; it has " +
                      (known.empty() ? "none" : join(known)) + did_you_mean(name, known));
  for (auto a = files.begin(); a != files.end(); ++a)
    for (auto b = std::next(a); b != files.end(); ++b)
      if (name_one_file(a->second, b->second))
        throw UserError("--out " + a->first + "=" + a->second + " and --out " + b->first + "=" +
                        b->second + " name one file; give each output its own");
  return files;
}

Arrays run_rank(const EvalArguments& arguments, const Program& program, const Program& normal,
                const Feed& feed, Communicator& world) {
  Compiler compiler(arguments.execution.compiler_options(world));
  Executable step = arguments.execution.make(program, normal, compiler, world);
  step.initialize(arguments.seed);
  if (!arguments.weights.file.empty())
    load_weights(step, arguments.weights, feed.given(), arguments.json);
  for (const auto& [name, array] : feed.state) step.set_value(name, array);
  for (const auto& [name, array] : feed.inputs) step.feed(name, array);
  step.run();
  Arrays outputs;
  for (const Output& output : normal.outputs()) outputs[output.name] = step.output(output.name);
  return outputs;
}

// Outputs go to the files named; small ones that no file is named for are printed.
void show(const Arrays& outputs, const std::map<std::string, std::string>& files, bool json) {
  nlohmann::json summary = nlohmann::json::object();
  for (const auto& [name, array] : outputs) {
    const auto file = files.find(name);
    if (file != files.end()) write_npy(file->second, array);
    nlohmann::json entry = {{"type", name_of(array.type)}, {"shape", array.shape}};
    if (file != files.end()) entry["file"] = file->second;
    if (array.shape.empty()) entry["value"] = element_json(array, 0);
    summary[name] = entry;
    if (json) continue;
    std::string text = fmt::format("{}: {}", name, describe(array));
    if (file != files.end()) {
      text += " -> " + file->second;
    } else {
      const size_t shown = std::min<size_t>(array.size(), 8);
      for (size_t i = 0; i < shown; ++i) text += (i ? ", " : " = ") + element_text(array, i);
      if (shown < array.size()) text += ", …  (--out " + name + "=FILE.npy keeps all)";
    }
    print_out("{}\n", text);
  }
  if (json) print_out("{}\n", json_text(nlohmann::json{{"outputs", summary}}));
}

int eval(const EvalArguments& arguments, const CommandLine& line) {
  if (is_config_file(arguments.file))
    throw UserError(arguments.file +
                    " is a config; eval takes a program, a .tess file: `tessera run " +
                    arguments.file + "` trains what a config describes");
  const Program program = parse_file(arguments.file, parse_dims(arguments.dims));
  const std::map<std::string, std::string> files = check_outputs(program, arguments.out);
  const Feed feed = read_inputs(program, parse_assignments(arguments.in, "--in"));
  if (arguments.weights.file.empty() && !arguments.weights.rename.empty())
    throw UserError("--rename maps names of a file of weights; add --weights FILE");
  if (arguments.interpret) {
    Arrays state = initial_state(program, arguments.seed);
    if (!arguments.weights.file.empty())
      for (auto& [name, array] : read_weights(program, arguments.weights, feed.given()))
        state[name] = std::move(array);
    for (const auto& [name, array] : feed.state) state[name] = array;
    InterpretReport report;
    const auto progress = [&](double done, double total) { report.update(done, total); };
    const Arrays outputs = interpret(program, feed.inputs, state, progress);
    report.finish();
    show(outputs, files, arguments.json);
    return kDone;
  }
  if (!arguments.weights.file.empty()) check_weights(program, arguments.weights, feed.given());
  const Program normal = stack_loops(normalize(program));
  return run_on_ranks(arguments.execution.ranks_options(line), [&](Communicator& world) {
    const Arrays outputs = run_rank(arguments, program, normal, feed, world);
    if (world.rank() == 0) show(outputs, files, arguments.json);
  });
}

}  // namespace

void add_eval_command(CLI::App& app, const CommandLine& line, Action& action) {
  auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command = app.add_subcommand("eval", "Run one step of a program on arrays from files");
  command->add_option("FILE", arguments->file, "the program, a .tess file")->required();
  command->add_option("--in", arguments->in,
                      "NAME=FILE.npy, an input, parameter or state; repeatable");
  command->add_option("--out", arguments->out, "NAME=FILE.npy, where an output goes; repeatable");
  command->add_option("--dim", arguments->dims, "NAME=EXTENT, replaces an extent; repeatable");
  add_weights_options(*command, arguments->weights);
  arguments->execution.add_options(*command);
  command->add_option("--seed", arguments->seed, "of the initial values of parameters");
  command->add_flag("--interpret", arguments->interpret,
                    "use the reference interpreter: slow, and the definition of the language");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->callback(
      [=, &line, &action] { action = [=, &line] { return eval(*arguments, line); }; });
}

}  // namespace tessera

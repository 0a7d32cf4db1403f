#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "ir/normalize.h"
#include "ir/stack_loops.h"
#include "launcher/cluster_file.h"
#include "launcher/commands/arguments.h"
#include "launcher/commands/commands.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/planning.h"
#include "launcher/programs.h"
#include "launcher/standard_streams.h"
#include "partition/lower.h"
#include "placement/explain.h"
#include "storage/atomic_file.h"

namespace tessera {
namespace {

struct PlanArguments {
  std::string program;
  int devices = 0;
  std::string cluster;
  std::string memory;
  std::string mesh;
  std::vector<std::string> dims;
  std::vector<std::string> pins;
  std::string out;
  std::optional<CpuLevel> cpu;
  std::optional<double> search;
  bool json = false;
};

// "w1.hidden=model"
Pin parse_pin(const std::string& text) {
  const size_t dot = text.find('.');
  const size_t equals = text.find('=');
  if (dot == std::string::npos || equals == std::string::npos || dot == 0 || equals < dot + 2 ||
      equals + 1 == text.size())
    throw UserError("--pin takes TENSOR.DIM=AXIS, as in w1.hidden=model, not `" + text + "`");
  return {text.substr(0, dot), text.substr(dot + 1, equals - dot - 1), text.substr(equals + 1),
          SourceLocation("--pin " + text, 0)};
}

nlohmann::json to_json(const Plan& plan, const Program& normal, const Cluster& cluster) {
  const Prediction& p = plan.predicted;
  const ClusterCommCost prices(cluster);
  nlohmann::json traffic = nlohmann::json::object();
  for (const auto& [kind, moved] :
       bytes_by_collective(lower(normal, plan, 0, LowerOptions{.cost = &prices})))
    traffic[kind] = moved.bytes;
  nlohmann::json templates = nlohmann::json::array();
  for (const Prediction::Strategy& each : p.templates)
    templates.push_back(
        {{"name", each.name}, {"mesh", each.mesh}, {"time_ms", 1e3 * each.seconds}});
  return {{"time_ms", 1e3 * p.seconds},
          {"lower_bound_ms", 1e3 * p.lower_bound_seconds},
          {"gap", p.gap},
          {"peak_bytes", p.peak_bytes},
          {"search_s", p.search_seconds},
          {"mesh", print(plan.mesh)},
          {"devices", plan.mesh.ranks()},
          {"templates", templates},
          {"plan_hash", plan_hash(plan)},
          {"bytes_by_collective", traffic}};
}

// What a config says of the ranks it wants, or one rank of this host.
ClusterConfig default_cluster(const std::string& program) {
  return is_config_file(program) ? load_config(program).cluster : ClusterConfig();
}

int plan(const PlanArguments& arguments) {
  const Program program = named_program(arguments.program, parse_dims(arguments.dims));
  const Program normal = stack_loops(normalize(program));
  PlanSettings settings;
  settings.mesh = parse_mesh_option(arguments.mesh);
  settings.memory = parse_memory(arguments.memory);
  settings.search = arguments.search;
  for (const std::string& pin : arguments.pins) settings.pins.push_back(parse_pin(pin));
  const bool described = !arguments.cluster.empty();
  const ClusterConfig wanted = default_cluster(arguments.program);
  settings.cpu = arguments.cpu.value_or(wanted.cpu);
  const Cluster cluster =
      described ? load_cluster(arguments.cluster)
                : cluster_for(arguments.devices > 0 ? arguments.devices : wanted.ranks());
  const Plan plan =
      described ? make_plan(normal, cluster, settings) : what_if_plan(normal, cluster, settings);
  if (!arguments.out.empty()) write_file(arguments.out, to_text(plan));
  if (arguments.json) {
    print_out("{}\n", json_text(to_json(plan, normal, cluster)));
    return kDone;
  }
  print_out("{}", described ? explain(normal, plan, cluster, {})
                            : explain_here(normal, plan, settings, cluster));
  if (!arguments.out.empty())
    print_out("written to {}; use it with `plan: {{file: {}}}` or --plan\n", arguments.out,
              arguments.out);
  return kDone;
}

}  // namespace

void add_plan_command(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PlanArguments>();
  CLI::App* command = app.add_subcommand(
      "plan",
      "Plan a program without running it: where every index lives, what it costs, and "
      "how far from optimal it can be");
  command->add_option("PROGRAM", arguments->program, "a .tess file, a config, or a model's name")
      ->required();
  CLI::Option* devices =
      command->add_option("--devices", arguments->devices, "number of devices; need not exist here")
          ->check(CLI::Range(1, 1 << 20));
  CLI::Option* cpu = add_cpu_option(*command, arguments->cpu);
  command
      ->add_option("--cluster", arguments->cluster,
                   "a YAML file that describes the machines, such as configs/clusters/gpus.yaml")
      ->excludes(devices)
      ->excludes(cpu);
  command->add_option("--mesh", arguments->mesh, "mesh shape, as data=2,model=2 (default: auto)");
  command->add_option("--memory", arguments->memory, "limit per device, as 16GiB");
  command->add_option("--pin", arguments->pins, "TENSOR.DIM=AXIS, as w1.hidden=model; repeatable");
  command->add_option("--dim", arguments->dims, "NAME=EXTENT, replaces an extent; repeatable");
  command
      ->add_option("--search", arguments->search,
                   "search for about so many SECONDS (default: 5): counted work, so that the same "
                   "seconds give the same plan")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6));
  command->add_option("--out", arguments->out, "write the plan to this file");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->callback([=, &action] { action = [=] { return plan(*arguments); }; });
}

}  // namespace tessera

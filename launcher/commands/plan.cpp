#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "ir/normalize.h"
#include "ir/stack_loops.h"
#include "launcher/budget.h"
#include "launcher/cluster_file.h"
#include "launcher/commands/arguments.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/plan_diff.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/plan_json.h"
#include "launcher/planning.h"
#include "launcher/programs.h"
#include "launcher/report/plan_page.h"
#include "launcher/standard_streams.h"
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
  int alternatives = 0;
  std::vector<std::string> diff;
  std::string report;
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

// What the config says, but for what the command line says instead. Its mesh is for its own ranks.
PlanSettings settings_of(const PlanArguments& arguments, const std::optional<Config>& config) {
  PlanSettings settings;
  if (config) settings = plan_settings(*config, 1);
  if (!arguments.cluster.empty() || arguments.devices > 0) settings.mesh.reset();
  if (!arguments.mesh.empty()) settings.mesh = parse_mesh_option(arguments.mesh);
  if (!arguments.memory.empty()) settings.memory = parse_memory(arguments.memory);
  settings.search = arguments.search;
  for (const std::string& pin : arguments.pins) settings.pins.push_back(parse_pin(pin));
  if (arguments.cpu) settings.cpu = *arguments.cpu;
  return settings;
}

// The machines to plan for, and their kernels; no kernels are a roofline.
struct Machines {
  Cluster cluster;
  KernelSeconds kernels;
};

Machines machines_of(const PlanArguments& arguments, const std::optional<Config>& config,
                     const PlanSettings& settings) {
  if (!arguments.cluster.empty()) {
    const ClusterDescription described = load_cluster(arguments.cluster);
    const Cluster& all = described.cluster;
    return {arguments.devices > 0 ? resized(all, arguments.devices) : all,
            kernel_seconds_of(described)};
  }
  const int ranks = config ? config->cluster.ranks() : 1;
  return {cluster_for(arguments.devices > 0 ? arguments.devices : ranks),
          kernel_seconds_here(settings)};
}

void print_plan(const PlanArguments& arguments, const PlanFacts& facts, const Planned& planned,
                const std::vector<BudgetLine>& budget) {
  if (arguments.json) {
    nlohmann::json json = plan_json(facts, planned.alternatives);
    for (const BudgetLine& line : budget)
      json["budget"][line.key] = {{"allowed", line.allowed}, {"found", line.found}};
    print_out("{}\n", json_text(json));
    return;
  }
  print_out("{}", explain(facts));
  if (!planned.alternatives.empty())
    print_out("\nalternatives, the fastest first\n{}",
              print(planned.alternatives, planned.plan.predicted));
  if (!arguments.out.empty())
    print_out("written to {}; use it with `plan: {{file: {}}}` or --plan\n", arguments.out,
              arguments.out);
  if (!arguments.report.empty())
    print_out("report in {}: open it in a browser; it needs no other file\n", arguments.report);
}

int plan(const PlanArguments& arguments) {
  const Program program = named_program(arguments.program, parse_dims(arguments.dims));
  const Program normal = stack_loops(normalize(program));
  std::optional<Config> config;
  if (is_config_file(arguments.program)) config = load_config(arguments.program);
  const PlanSettings settings = settings_of(arguments, config);
  const auto [cluster, kernels] = machines_of(arguments, config, settings);
  if (!arguments.diff.empty())
    return print_plan_diff(normal, arguments.diff, cluster, kernels, arguments.json);
  std::optional<Planned> planned;
  try {
    planned = plan_beside(normal, cluster, settings, kernels, arguments.alternatives);
  } catch (const NoPlanFits& error) {
    if (arguments.json) print_out("{}\n", json_text(no_plan_json(error)));
    throw;
  }
  const PlanFacts facts(normal, planned->plan, cluster, kernels);
  std::vector<BudgetLine> budget;
  if (config) budget = budget_of(*config, planned->plan.predicted);
  if (!arguments.out.empty()) write_file(arguments.out, to_text(planned->plan));
  if (!arguments.report.empty())
    write_file(arguments.report, plan_page(facts, planned->alternatives));
  print_plan(arguments, facts, *planned, budget);
  check_budget(budget);
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
  command
      ->add_option("--devices", arguments->devices,
                   "number of devices, which need not exist here; of --cluster: as many of them")
      ->check(CLI::Range(1, 1 << 20));
  CLI::Option* cpu = add_cpu_option(*command, arguments->cpu);
  command
      ->add_option("--cluster", arguments->cluster,
                   "a YAML file that describes the machines, such as configs/clusters/h100.yaml")
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
  command
      ->add_option(
          "--alternatives", arguments->alternatives,
          "also show what the N nearest other meshes and the templates would cost, and why "
          "they were not taken")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--diff", arguments->diff,
                   "instead of planning, compare two plans of --out: what they decide differently, "
                   "and what each difference costs")
      ->type_name("A B")
      ->expected(2);
  command->add_option("--report", arguments->report,
                      "write a page of HTML: where everything lives, the predicted step, memory");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->callback([=, &action] { action = [=] { return plan(*arguments); }; });
}

}  // namespace tessera

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "codegen/cpu_level.h"
#include "comm/communicator.h"
#include "launcher/cluster_file.h"
#include "launcher/config.h"
#include "partition/plan.h"
#include "placement/cluster.h"
#include "placement/optimize.h"

namespace tessera {

// Where a plan comes from: a file, or the optimizer with what the user fixed.
struct PlanSettings {
  std::string file;               // a plan made earlier, with its own pins
  std::optional<Mesh> mesh;       // absent: the optimizer chooses; else also that of the file
  std::optional<int64_t> memory;  // bytes per device
  std::vector<Pin> pins;          // beside those of the program
  std::string cluster;            // a file that describes the ranks; "": they find out
  std::optional<double> search;   // about how many seconds a search may take
  int threads = 1;                // that compute on each rank
  CpuLevel cpu = CpuLevel::host;  // that kernels are made for
};

// What a config says.
PlanSettings plan_settings(const Config& config, int threads);

// The kernel model of codegen with what was measured on this host, for the threads and the level of
// the settings.
KernelSeconds kernel_seconds_here(const PlanSettings& settings);

// The same for machines that a file describes: the model of GPUs for the kinds that it knows
// (gpu_model.h), with the rates of the file; nothing, which is a roofline, where neither the kind
// nor the file says what a device is.
KernelSeconds kernel_seconds_of(const ClusterDescription& described);

// The plan of a program in normal form for the ranks of `here`, whose kernels are those of this
// machine, verified.
Plan plan_here(const Program& normal, const Cluster& here, const PlanSettings& settings);
// The same for `devices` ranks on this machine.
Plan make_plan(const Program& normal, int devices, const PlanSettings& settings);

// What `tessera plan` plans for when it is told nothing but a number: this machine while its cores
// suffice, give or take a few ranks that share one; beyond that, imagined ones such as one would
// rent, with kernels as on this one.
Cluster cluster_for(int devices);

// A plan for any cluster, with kernels priced by `kernels` or, where those are empty, by a
// roofline; and so many alternatives (optimize_beside). Of the settings, `file`, `threads` and
// `cpu` mean nothing here. Says on standard error how it gets on.
Planned plan_beside(const Program& normal, const Cluster& cluster, const PlanSettings& settings,
                    const KernelSeconds& kernels, size_t alternatives);

// What `tessera plan --out` wrote, as it is: not verified with any program.
Plan read_plan(const std::string& file);

// The plan as a page for people (placement/explain.h), for ranks of this machine, or of `cluster`,
// with the threads and the level of the settings.
std::string explain_here(const Program& normal, const Plan& plan, const PlanSettings& settings);
std::string explain_here(const Program& normal, const Plan& plan, const PlanSettings& settings,
                         const Cluster& cluster);

// The cluster that the ranks of a job make up: as a file describes it, which rank 0 reads, or else
// as they find it (host_cluster.h). UserError when the file is of another number of devices.
// Together; the same on all ranks.
Cluster cluster_of_job(Communicator& world, const std::string& file);

// Rank 0 makes the plan; all get the same one. Together.
Plan share_plan(Communicator& world, const std::function<Plan()>& make);

}  // namespace tessera

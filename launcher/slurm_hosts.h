#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "launcher/hosts.h"

namespace tessera {

using EnvironmentLookup = std::function<std::optional<std::string>(const std::string&)>;

// The hosts of the Slurm allocation that this process runs in, one rank for each of its tasks;
// nothing outside of an allocation. Throws UserError for variables that make no sense.
//
//   SLURM_JOB_NODELIST=node[01-02,7] SLURM_TASKS_PER_NODE=2(x2),1 -> node01:2, node02:2, node7:1
std::optional<std::vector<Host>> slurm_hosts(const EnvironmentLookup& variable);
std::optional<std::vector<Host>> slurm_hosts();

// "a[1-3,07],b" -> a1, a2, a3, a07, b. UserError, which names `what`, for anything else.
std::vector<std::string> expand_node_list(const std::string& text, const std::string& what);

}  // namespace tessera

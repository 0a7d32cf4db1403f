#include "comm/mpi/launch_info.h"

#include <charconv>
#include <cstdlib>

#include "base/error.h"

namespace tessera {
namespace {

using Environment = std::function<std::optional<std::string>(const std::string&)>;

// The leading number: Slurm writes "4(x2)" in some of its variables.
std::optional<int> number(const Environment& variable, const std::string& name) {
  const auto text = variable(name);
  if (!text) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || value < 0)
    throw UserError("the environment variable " + name + " is `" + *text +
                    "`; a number was expected");
  return value;
}

struct Names {
  const char* launcher;
  const char* rank;
  const char* size;
  const char* local_rank;
  const char* local_size;
};

constexpr Names kLaunchers[] = {
    {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"},
    {"pmi", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"}};

}  // namespace

MpiLaunchInfo detect_mpi_launch(const Environment& variable) {
  for (const Names& names : kLaunchers) {
    const auto rank = number(variable, names.rank);
    const auto size = number(variable, names.size);
    if (!rank || !size) continue;
    if (*rank >= *size)
      throw UserError(std::string(names.rank) + " is " + std::to_string(*rank) + ", but " +
                      names.size + " is " + std::to_string(*size) +
                      "; start the job again through one launcher");
    MpiLaunchInfo info{names.launcher, *rank, *size, 0, 1};
    info.local_rank = number(variable, names.local_rank).value_or(0);
    info.local_size = number(variable, names.local_size).value_or(1);
    return info;
  }
  return {};
}

MpiLaunchInfo detect_mpi_launch() {
  return detect_mpi_launch([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (!value) return std::nullopt;
    return value;
  });
}

}  // namespace tessera

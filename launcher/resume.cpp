#include "launcher/resume.h"

#include <fmt/format.h>

#include "base/error.h"
#include "ir/print.h"
#include "runtime/load_values.h"

namespace tessera {

std::optional<FoundCheckpoint> find_state(Communicator& world, const Config& config) {
  if (!config.resume.path.empty()) return require_checkpoint(world, config.resume.path);
  if (!config.resume.newest) return std::nullopt;
  return find_newest_checkpoint(world, config.checkpoint.dir, true);
}

std::string planning_text(const Config& config, int threads) {
  Config said;
  said.plan = config.plan;
  said.cluster.hosts = config.cluster.hosts;
  said.cluster.cpu = config.cluster.cpu;
  said.cluster.measured = config.cluster.measured;
  said.cluster.threads = threads;
  return print_config(said);
}

std::optional<Plan> plan_to_keep(const FoundCheckpoint& found, const Program& normal,
                                 const std::string& planning) {
  const Manifest& manifest = found.manifest;
  if (manifest.settings != planning || manifest.program != print(normal)) return std::nullopt;
  Plan plan = plan_from_text(manifest.plan, found.folder + "/manifest.json");
  verify(plan, normal, found.folder + "/manifest.json");
  return plan;
}

void load_state(Executable& executable, const FoundCheckpoint& found) {
  LoadOptions options;
  options.states_too = true;
  load_values(executable, *open_checkpoint(found.folder, found.manifest), options);
}

std::string resume_text(const FoundCheckpoint& found, const Executable& executable, uint64_t seed,
                        const std::string& data_content) {
  const Manifest& then = found.manifest;
  std::vector<std::string> other;
  if (then.program != print(executable.program())) other.push_back("the program");
  if (then.seed != seed)
    other.push_back(fmt::format("the seed ({} then, {} now)", then.seed, seed));
  if (then.data.content != data_content) other.push_back("the data");
  if (decisions_text(plan_from_text(then.plan)) != decisions_text(executable.plan()))
    other.push_back(fmt::format("the plan (for {} rank{} then, {} now)", then.ranks,
                                then.ranks == 1 ? "" : "s", executable.plan().mesh.ranks()));
  std::string text = fmt::format("going on from step {} of {}", then.step, found.folder);
  if (!other.empty())
    text += "; not as it was then: " + join(other) +
            ", so results will differ from those of an uninterrupted run";
  return text;
}

}  // namespace tessera

#include "launcher/find_checkpoint.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/error.h"
#include "comm/work_together.h"
#include "launcher/standard_streams.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// The text of rank `root`, on all ranks. Together.
std::string text_from(Communicator& world, int root, std::string text) {
  auto bytes = static_cast<int64_t>(text.size());
  world.broadcast(&bytes, sizeof bytes, root);
  text.resize(static_cast<size_t>(bytes));
  world.broadcast(text.data(), text.size(), root);
  return text;
}

// The ranks for which something holds. Together.
std::vector<int> ranks_where(Communicator& world, bool holds) {
  const std::vector<size_t> one_each(static_cast<size_t>(world.size()), 1);
  std::vector<int32_t> all(one_each.size());
  const int32_t mine = holds ? 1 : 0;
  world.all_gather(&mine, all.data(), one_each, DType::i32);
  std::vector<int> ranks;
  for (size_t r = 0; r < all.size(); ++r)
    if (all[r] != 0) ranks.push_back(static_cast<int>(r));
  return ranks;
}

// What is wrong with a checkpoint, by the lowest rank that found something; "" if nothing is.
std::string damage(Communicator& world, const std::string& folder, Manifest& manifest) {
  std::string problem;
  work_together(world, "checking a checkpoint", [&] {
    try {
      manifest = read_manifest(folder);
      for (size_t i = 0; i < manifest.shards.size(); ++i)
        if (static_cast<int>(i % static_cast<size_t>(world.size())) == world.rank())
          verify_shard(folder, manifest, i);
    } catch (const UserError& error) {
      problem = error.what();
    }
  });
  const std::vector<int> damaged = ranks_where(world, !problem.empty());
  return damaged.empty() ? "" : text_from(world, damaged.front(), problem);
}

}  // namespace

std::optional<FoundCheckpoint> find_newest_checkpoint(Communicator& world, const std::string& dir,
                                                      bool may_change) {
  std::vector<CheckpointPlace> places;
  if (world.rank() == 0) places = list_checkpoints(dir);
  auto count = static_cast<int64_t>(places.size());
  world.broadcast(&count, sizeof count, 0);
  places.resize(static_cast<size_t>(count));
  for (const CheckpointPlace& place : places) {
    FoundCheckpoint found{text_from(world, 0, place.folder), {}};
    const std::string problem = damage(world, found.folder, found.manifest);
    if (problem.empty()) return found;
    if (world.rank() != 0) continue;
    const std::string kept = may_change ? set_aside({}, place) : place.folder;
    print_err("checkpoint of step {} is skipped: {}{}\n", place.step, problem,
              may_change ? "; it is kept as " + kept : "");
  }
  return std::nullopt;
}

FoundCheckpoint require_checkpoint(Communicator& world, const std::string& path) {
  if (!fs::exists(path + "/manifest.json")) {
    const auto found = find_newest_checkpoint(world, path, false);
    if (!found) throw UserError(path + ": holds no whole checkpoint to go on from");
    return *found;
  }
  FoundCheckpoint found{path, {}};
  const std::string problem = damage(world, path, found.manifest);
  if (!problem.empty()) throw UserError(problem);
  return found;
}

void require_shared_folder(Communicator& world, const std::string& dir) {
  constexpr auto kPatience = std::chrono::seconds(5);  // of caches of network file systems
  const std::string sign =
      text_from(world, 0,
                fmt::format("{}/.seen-{}-{}", dir, ::getpid(),
                            std::chrono::steady_clock::now().time_since_epoch().count()));
  if (world.rank() == 0) FileSystem().create(sign)->sync();
  world.barrier();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  bool seen = fs::exists(sign);
  while (!seen && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    seen = fs::exists(sign);
  }
  const std::vector<int> blind = ranks_where(world, !seen);
  if (world.rank() == 0) FileSystem().remove(sign);
  if (!blind.empty())
    throw DeviceError(fmt::format(
        "{}: {} not see what rank 0 writes there; the folder of checkpoints must be one that all "
        "hosts share: set checkpoint.dir to a folder on a shared file system",
        dir, name_ranks(blind) + (blind.size() == 1 ? " does" : " do")));
}

}  // namespace tessera

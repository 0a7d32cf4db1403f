#include "launcher/calibrate.h"

#include <algorithm>

#include "launcher/bench/collective_vectors.h"
#include "launcher/host_cluster.h"
#include "launcher/median.h"

namespace tessera {
namespace {

struct Kind {
  CommKind comm;
  CallKind call;
  int passes;  // over the vector, less the own block
};
constexpr Kind kKinds[] = {{CommKind::all_reduce, CallKind::all_reduce, 2},
                           {CommKind::all_gather, CallKind::all_gather, 1},
                           {CommKind::reduce_scatter, CallKind::reduce_scatter, 1},
                           {CommKind::all_to_all, CallKind::all_to_all, 1}};
constexpr size_t kLeast = 256;
constexpr int kStep = 4;  // from a size to the next
constexpr size_t kMessage = size_t{4} << 20;

// Vectors that blocks of f32, one for each rank, make up.
std::vector<size_t> sizes_for(int ranks, size_t most) {
  const size_t block = sizeof(float) * static_cast<size_t>(ranks);
  std::vector<size_t> sizes;
  for (size_t bytes = kLeast; bytes <= most; bytes *= kStep)
    sizes.push_back(std::max(bytes / block, size_t{1}) * block);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

// What the busiest rank moves (ReshardStep::bytes).
int64_t moved(const Kind& kind, size_t bytes, int ranks) {
  const size_t others = bytes - bytes / static_cast<size_t>(ranks);
  return static_cast<int64_t>(kind.passes * others);
}

// The devices of each block of a level, from the innermost.
std::vector<int> blocks_of(const Cluster& cluster) {
  std::vector<int> blocks = {1};
  for (const LinkLevel& level : cluster.levels)
    blocks.push_back(std::min(blocks.back() * level.joins, cluster.devices));
  return blocks;
}

class Calibration {
 public:
  Calibration(Communicator& world, const CalibrationSettings& settings,
              const std::function<void(int64_t, int64_t)>& done)
      : world_(world), settings_(settings), report_(done), cluster_(cluster_of(world)) {}

  ClusterDescription run() {
    const std::vector<int> blocks = blocks_of(cluster_);
    for (size_t l = 0; l < cluster_.levels.size(); ++l)
      if (blocks[l + 1] > blocks[l])
        all_ += static_cast<int64_t>(std::size(kKinds) *
                                     sizes_for(blocks[l + 1], settings_.most).size());
    for (size_t l = 0; l < cluster_.levels.size(); ++l) {
      if (blocks[l + 1] == blocks[l]) continue;
      LinkLevel& level = cluster_.levels[l];
      level.link = measure_link(world_, 0, blocks[l], kMessage);
      measure_collectives(blocks[l + 1], level.measured);
    }
    return with_machine();
  }

 private:
  void measure_collectives(int block, MeasuredSeconds& measured) {
    world_.set_context("calibrating collectives");
    const auto group = world_.split(world_.rank() / block, world_.rank());
    const std::vector<size_t> sizes = sizes_for(block, settings_.most);
    CollectiveRoom room(*group, sizes.back());
    for (const Kind& kind : kKinds)
      for (const size_t bytes : sizes) {
        // The last node may have fewer ranks, whose blocks are then larger.
        const size_t unit = sizeof(float) * static_cast<size_t>(group->size());
        CollectiveVectors vectors(kind.call, std::max(bytes / unit, size_t{1}) * unit, *group,
                                  room);
        const double seconds = settings_.seconds / static_cast<double>(all_);
        double found = median_of(time_calls(
            *group, [&] { vectors.run(*group); }, seconds));
        world_.broadcast(&found, sizeof found, 0);
        measured[kind.comm][moved(kind, bytes, block)] = found;
        report_(++made_, all_);
      }
  }

  // What each rank has of its host, the least of all.
  ClusterDescription with_machine() {
    ClusterDescription described;
    Machine machine = machine_facts(settings_.cpu);
    const int here = std::min(cluster_.per_node(), world_.size());
    const double part = machine.bandwidth_all / here;
    double rates[] = {machine.peak_gflops * crowding(here), std::min(machine.bandwidth, part),
                      std::min(machine.bandwidth * settings_.threads, part),
                      machine.cache_bandwidth};
    world_.set_context("comparing what ranks can do");
    double least[std::size(rates)];
    world_.all_reduce(rates, least, std::size(rates), DType::f64, ReduceOp::min);
    machine.cores = settings_.threads;
    machine.peak_gflops = least[0];
    machine.bandwidth = least[1];
    machine.bandwidth_all = least[2];
    machine.cache_bandwidth = least[3];
    described.cluster = cluster_;
    described.cluster.device.flops = 1e9 * machine.peak_gflops * settings_.threads;
    described.cluster.device.memory_bandwidth = 1e9 * machine.bandwidth_all;
    described.machine = machine;
    described.threads = settings_.threads;
    return described;
  }

  Communicator& world_;
  const CalibrationSettings settings_;
  const std::function<void(int64_t, int64_t)>& report_;
  Cluster cluster_;
  int64_t made_ = 0, all_ = 0;
};

}  // namespace

ClusterDescription calibrate(Communicator& world, const CalibrationSettings& settings,
                             const std::function<void(int64_t done, int64_t all)>& done) {
  return Calibration(world, settings, done).run();
}

}  // namespace tessera

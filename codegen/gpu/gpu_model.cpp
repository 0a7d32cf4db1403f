#include "codegen/gpu/gpu_model.h"

#include <algorithm>
#include <cmath>

#include "codegen/gpu/gpu_kernel.h"
#include "codegen/kernel_model.h"

namespace tessera {
namespace {

constexpr double kTileShare = 0.56;    // of the f32 peak, that the largest tiles reach
constexpr double kMatrixShare = 0.5;   // of the peak of units for matrices: not measured
constexpr double kSmallTiles = 0.3;    // a tile of half the area reaches 2^-0.3 of that
constexpr double kFormulaShare = 0.4;  // of the f32 peak, that formulas reach
constexpr double kCopyShare = 0.9;     // of the bandwidth of data sheets, that a copy reaches
constexpr double kMemoryWait = 0.7e-6;
constexpr double kBytesOnTheirWay = 32;  // of a thread
constexpr double kStepSeconds = 15e-9;   // of a thread that others do not disturb
constexpr double kLargestTile = 128 * 128;

double waves(double blocks, double at_once) {
  return std::ceil(blocks / std::max(1.0, at_once));
}

// What bytes take when so many threads ask for them.
double memory_seconds(double bytes, double threads, const GpuTarget& gpu) {
  const double wanted = gpu.memory_bandwidth * kMemoryWait;  // bytes on their way
  const double share = std::min(1.0, threads * kBytesOnTheirWay / wanted);
  return bytes / (gpu.memory_bandwidth * kCopyShare * share);
}

// Every argument once, but no more of it than the points read: of a gathered table.
double bytes_of(const LoopNest& nest) {
  double points = 0;
  for (const Stage& stage : nest.stages) {
    double trips = 1;
    for (const std::vector<int>* loops : {&nest.shared, &stage.free, &stage.reduced})
      for (const int loop : *loops)
        trips *= static_cast<double>(nest.loops[static_cast<size_t>(loop)].extent);
    points = std::max(points, trips);
  }
  double bytes = 0;
  for (const NestBuffer& buffer : nest.buffers)
    if (buffer.argument >= 0)
      bytes += std::min(points, static_cast<double>(buffer.elements)) *
               static_cast<double>(size_of(buffer.type));
  return bytes;
}

double bytes_of(const ContractionGroup& group) {
  double bytes = 0;
  for (const Tensor& tensor : group.arguments())
    bytes +=
        static_cast<double>(volume(tensor.dims())) * static_cast<double>(size_of(tensor.type()));
  return bytes;
}

// `operations` are those of the group.
double seconds_of(const GpuTile& tile, double operations, const GpuTarget& gpu) {
  const GpuTileShape& shape = tile.shape;
  const double blocks = static_cast<double>(tile.blocks()), area = shape.rows * shape.columns;
  const double peak = !tile.narrow
                          ? gpu.f32_flops * kTileShare
                          : gpu.matrix_flops * kMatrixShare * (tile.narrow->bytes() == 1 ? 2 : 1);
  const double rate =
      peak / gpu.multiprocessors * std::pow(std::min(1.0, area / kLargestTile), kSmallTiles);
  // A tile computes what lies beyond the edges, too.
  const double inside = static_cast<double>(volume(tile.m)) * static_cast<double>(volume(tile.n)) *
                        static_cast<double>(volume(tile.batch));
  const double each = operations * area / inside;
  const double computing = waves(blocks, gpu.multiprocessors) * each / rate;
  const double threads = std::min(blocks, 4.0 * gpu.multiprocessors) * shape.threads();
  return std::max(computing, memory_seconds(bytes_of(tile.group), threads, gpu));
}

double seconds_of(const GpuNest& gpu_nest, double operations, const GpuTarget& gpu) {
  const LoopNest& nest = gpu_nest.nest;
  const GpuSchedule& schedule = gpu_nest.schedule;
  if (nest.points == 0) return 0;
  const auto threads = static_cast<double>(schedule.threads());
  double per_processor = gpu.threads / threads;
  if (schedule.shared_bytes() > 0)
    per_processor = std::min(per_processor, static_cast<double>(gpu.shared_bytes) /
                                                static_cast<double>(schedule.shared_bytes()));
  const double at_once = std::max(1.0, std::floor(per_processor)) * gpu.multiprocessors;
  const auto blocks = static_cast<double>(schedule.blocks);
  const double turns = waves(blocks, at_once);
  const double running = std::min(blocks, at_once) * threads;
  // The last wave is as long as a full one.
  const double filled = blocks / (turns * std::min(blocks, at_once));
  double steps = 0;
  for (size_t s = 0; s < nest.stages.size(); ++s) {
    const Stage& stage = nest.stages[s];
    double each = 1;
    for (const std::vector<int>* loops : {&stage.free, &stage.reduced})
      for (const int loop : *loops)
        each *= static_cast<double>(nest.loops[static_cast<size_t>(loop)].extent) /
                (loop == stage.lane ? stage.lanes : 1);
    const GpuStage& shared = schedule.stages[s];
    steps += std::max(1.0, each / (shared.free_threads * shared.reduce_threads));
  }
  const double rate =
      gpu.f32_flops * kFormulaShare * std::min(1.0, running / (512.0 * gpu.multiprocessors));
  return std::max({operations / (rate * filled),
                   memory_seconds(bytes_of(nest), running, gpu) / filled,
                   turns * steps * kStepSeconds});
}

}  // namespace

double predict_gpu_seconds(const Nest& local, const GpuTarget& target) {
  double seconds = 0;
  for (const KernelGroup& group : gpu_groups({local}, {local.out}, target)) {
    double operations = 0;
    for (const Nest& nest : group.nests) operations += operations_of(nest);
    for (const GpuStep& step : gpu_form(group, target).steps) {
      seconds += target.launch_seconds;
      seconds += std::visit(
          [&](const auto& launch) { return seconds_of(launch, operations, target); }, step);
      operations = 0;  // of the first launch
    }
  }
  return seconds;
}

}  // namespace tessera

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "launcher/event_file.h"
#include "launcher/run_folder.h"

namespace tessera {

// What a job says about its steps: in metrics.jsonl, and for TensorBoard if it is wanted.
//
//   {"loss":2.31,"memory_bytes":41943040,"seconds":0.0049,"step":1}
//   {"epoch":1,"step":234,"test":{"accuracy":0.78,"loss":0.59}}
//
// `memory_bytes` is what this process holds in memory (all ranks of a job that are threads), ten
// times a second at most. TensorBoard gets the same as train/loss, train/seconds,
// train/memory_bytes and test/accuracy.
class MetricsLog {
 public:
  // The folder must outlive it.
  MetricsLog(RunFolder& folder, bool tensorboard);

  // `values`: of the outputs without dims; null stands for NaN and infinities.
  void step(int64_t step, const std::map<std::string, nlohmann::json>& values, double seconds);
  void test(int64_t step, int64_t epoch, const std::map<std::string, double>& values);

 private:
  using Clock = std::chrono::steady_clock;

  RunFolder& folder_;
  std::optional<EventFile> events_;
  std::optional<Clock::time_point> sampled_;  // the memory
};

// Of this process, in memory now; 0 where the system does not say.
int64_t resident_bytes();

}  // namespace tessera

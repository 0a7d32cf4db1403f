#include "launcher/metrics_log.h"

#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "launcher/json_text.h"

namespace tessera {
namespace {

constexpr std::chrono::milliseconds kBetweenSamples{100};

}  // namespace

int64_t resident_bytes() {
  std::ifstream stream("/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  return stream >> size >> resident ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

MetricsLog::MetricsLog(RunFolder& folder, bool tensorboard) : folder_(folder) {
  if (tensorboard) events_.emplace(folder.path());
}

void MetricsLog::step(int64_t step, const std::map<std::string, nlohmann::json>& values,
                      double seconds) {
  nlohmann::json line = {{"step", step}};
  for (const auto& [name, value] : values) line[name] = value;
  line["seconds"] = seconds;
  const Clock::time_point now = Clock::now();
  if (!sampled_ || now - *sampled_ >= kBetweenSamples) {
    sampled_ = now;
    line["memory_bytes"] = resident_bytes();
  }
  folder_.append_metrics(json_text(line));
  if (!events_) return;
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [name, value] : line.items())
    if (name != "step")
      scalars.emplace_back("train/" + name, value.is_number()
                                                ? value.get<double>()
                                                : std::numeric_limits<double>::quiet_NaN());
  events_->add(step, scalars);
}

void MetricsLog::test(int64_t step, int64_t epoch, const std::map<std::string, double>& values) {
  folder_.append_metrics(
      json_text(nlohmann::json{{"step", step}, {"epoch", epoch}, {"test", values}}));
  if (!events_) return;
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [name, value] : values) scalars.emplace_back("test/" + name, value);
  events_->add(step, scalars);
}

}  // namespace tessera

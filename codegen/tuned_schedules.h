#pragma once

#include <optional>
#include <string>

#include "codegen/schedule_choice.h"

namespace tessera {

// What tuning found best for one kernel on this host.
struct TunedSchedule {
  ScheduleChoice choice;
  double seconds = 0;        // of one run, measured
  double model_seconds = 0;  // of the schedule that the model picks, measured beside it

  bool operator==(const TunedSchedule&) const = default;
};

// Tuned schedules by the key of their kernel (key_of_kernel), one small file each, beside the
// compiled objects; any number of threads and processes may share the folder. A file appears whole
// or not at all. What is damaged counts as absent.
//
//   TunedSchedules store(folder);
//   store.write(key, {choice, 1.2e-3, 1.5e-3});      folder/KEY.tune
//   store.read(key)->choice
class TunedSchedules {
 public:
  explicit TunedSchedules(std::string folder) : folder_(std::move(folder)) {}

  std::optional<TunedSchedule> read(const std::string& key) const;
  // Throws UserError when the folder cannot be written: tuning for nothing is worth a word.
  void write(const std::string& key, const TunedSchedule& tuned) const;
  void erase(const std::string& key) const;

 private:
  std::string path_of(const std::string& key) const;

  std::string folder_;
};

}  // namespace tessera

#pragma once

#include <string>

#include "codegen/contraction_schedule.h"
#include "codegen/cpu_level.h"

namespace tessera {

// What this host can do with code of one level: facts asked of the system, and rates that were
// measured on it.
struct Machine {
  VectorTarget vectors;
  int cores = 1;
  double peak_gflops = 0;      // f32 multiply-adds in registers, one core; 1e9 operations a second
  double bandwidth = 0;        // GB/s of a triad a[i] = b[i] + s * c[i] from memory, one core,
                               // counting 12 bytes an element
  double bandwidth_all = 0;    // the same on all cores at once, in sum
  double cache_bandwidth = 0;  // the same within half of the second-level cache, one core

  bool operator==(const Machine&) const = default;
};

// The vectors of a level, and the caches of this host; nothing is measured.
const VectorTarget& vectors_of(CpuLevel level);

// Measures, in about a quarter of a second. Other load on the host lowers the rates.
Machine measure_machine(CpuLevel level);

// As measured before for that level on a host with the same processor features, caches and cores,
// if `cache_dir` remembers; else measured now and kept there. "" is the folder of
// default_cache_folder(). A folder that cannot be written means that the next process measures
// again.
Machine machine_facts(CpuLevel level, const std::string& cache_dir = "");

// One line a fact, "peak_gflops 116.9", and back; parse_machine throws UserError on other text.
std::string print(const Machine& machine);
Machine parse_machine(const std::string& text);

}  // namespace tessera

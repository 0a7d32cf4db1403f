#include "codegen/machine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/host_caches.h"
#include "base/log.h"
#include "base/read_file.h"
#include "base/thread_clock.h"
#include "codegen/llvm/jit.h"
#include "codegen/llvm/measure_peak.h"
#include "codegen/object_cache.h"
#include "codegen/partial_path.h"

namespace tessera {
namespace {

constexpr size_t kMostFactBytes = size_t{64} << 10;

// The best rate, in GB/s, of some passes over three arrays of `elements` floats.
constexpr int kPasses = 12;  // of which the fastest counts: others may use the machine, too

double triad(std::vector<float>& memory, size_t elements, int passes) {
  float* a = memory.data();
  const float* b = a + elements;
  const float* c = b + elements;
  double best = 0;
  for (int pass = 0; pass < passes; ++pass) {
    const double start = thread_seconds();
    for (size_t i = 0; i < elements; ++i) a[i] = b[i] + 0.5f * c[i];
    asm volatile("" ::"r"(a) : "memory");  // the stores count
    best = std::max(best, 12e-9 * static_cast<double>(elements) / (thread_seconds() - start));
  }
  return best;
}

// Many short passes are timed as one.
double triad_in_cache(int64_t bytes) {
  const size_t elements = static_cast<size_t>(bytes / 12);
  std::vector<float> memory(3 * elements, 1.0f);
  constexpr int kRounds = 50;
  double best = 0;
  for (int round = 0; round < kPasses; ++round) {
    const double start = thread_seconds();
    for (int i = 0; i < kRounds; ++i) triad(memory, elements, 1);
    best = std::max(best,
                    kRounds * 12e-9 * static_cast<double>(elements) / (thread_seconds() - start));
  }
  return best;
}

double triad_from_memory(int threads, int64_t l3_bytes) {
  // Four times the last-level cache in all, within reason.
  const int64_t bytes = std::clamp<int64_t>(4 * l3_bytes, 48 << 20, 192 << 20) / threads;
  const size_t elements = static_cast<size_t>(std::max<int64_t>(bytes, 12 << 20) / 12);
  std::vector<double> rates(static_cast<size_t>(threads));
  std::vector<std::thread> workers;
  for (double& rate : rates)
    workers.emplace_back([&rate, elements] {
      std::vector<float> memory(3 * elements, 1.0f);
      rate = triad(memory, elements, kPasses);
    });
  for (std::thread& worker : workers) worker.join();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

// The facts by name, for print and parse alike.
void visit(Machine& m, const std::function<void(const char*, int64_t&)>& whole,
           const std::function<void(const char*, double&)>& real) {
  const auto small = [&](const char* name, int& value) {
    int64_t wide = value;
    whole(name, wide);
    value = static_cast<int>(wide);
  };
  small("cores", m.cores);
  small("vector_bytes", m.vectors.vector_bytes);
  small("vector_registers", m.vectors.registers);
  small("bf16_products", m.vectors.bf16_products);
  small("i16_products", m.vectors.i16_products);
  small("i8_products", m.vectors.i8_products);
  whole("l1_bytes", m.vectors.l1_bytes);
  whole("l2_bytes", m.vectors.l2_bytes);
  whole("l3_bytes", m.vectors.l3_bytes);
  real("peak_gflops", m.peak_gflops);
  real("bandwidth", m.bandwidth);
  real("bandwidth_all", m.bandwidth_all);
  real("cache_bandwidth", m.cache_bandwidth);
}

int host_cores() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Facts that were kept are believed where they can be true of this host: what it tells must be as
// it tells, and what was measured must lie far outside of what processors do to be refused.
void check_is_host(const Machine& kept, CpuLevel level) {
  const VectorTarget& host = vectors_of(level);
  const auto same = [](const char* name, int64_t value, int64_t wanted) {
    if (value != wanted)
      throw UserError(fmt::format("machine facts: `{}` is {}; it is {} here", name, value, wanted));
  };
  const auto likely = [](const char* name, double value) {
    constexpr double kLeast = 1e-3;
    constexpr double kMost = 1e5;  // GFLOP/s of one core, GB/s
    if (value < kLeast || value > kMost)
      throw UserError(
          fmt::format("machine facts: `{}` is {}, not from {} to {}", name, value, kLeast, kMost));
  };
  same("cores", kept.cores, host_cores());
  same("vector_bytes", kept.vectors.vector_bytes, host.vector_bytes);
  same("vector_registers", kept.vectors.registers, host.registers);
  same("bf16_products", kept.vectors.bf16_products, host.bf16_products);
  same("i16_products", kept.vectors.i16_products, host.i16_products);
  same("i8_products", kept.vectors.i8_products, host.i8_products);
  same("l1_bytes", kept.vectors.l1_bytes, host.l1_bytes);
  same("l2_bytes", kept.vectors.l2_bytes, host.l2_bytes);
  same("l3_bytes", kept.vectors.l3_bytes, host.l3_bytes);
  likely("peak_gflops", kept.peak_gflops);
  likely("bandwidth", kept.bandwidth);
  likely("bandwidth_all", kept.bandwidth_all);
  likely("cache_bandwidth", kept.cache_bandwidth);
}

std::string file_of_host(CpuLevel level, const std::string& folder) {
  const VectorTarget& v = vectors_of(level);
  const std::string key =
      fmt::format("{} {} {} {} {} {} {} {}", code_target(level).text(), host_cores(), v.l1_bytes,
                  v.l2_bytes, v.l3_bytes, v.bf16_products, v.i16_products, v.i8_products);
  return folder + "/machine-" + hex(hash_bytes(key)) + ".txt";
}

void keep(const std::string& folder, const std::string& path, const Machine& machine) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const std::string temporary = partial_path(path);
  {
    std::ofstream file(temporary);
    file << print(machine);
    if (!file.flush()) error = std::make_error_code(std::errc::io_error);
  }
  if (!error) std::filesystem::rename(temporary, path, error);
  if (error)
    log_info("codegen", "the host's measured rates are not kept in {}: {}", folder,
             error.message());
}

VectorTarget find_vectors(CpuLevel level) {
  const CodeTarget& target = code_target(level);
  VectorTarget v;
  v.vector_bytes = target.vector_bytes;
  const bool x86 = target.triple.rfind("x86_64", 0) == 0;
  v.registers = !x86 || target.vector_bytes == 64 ? 32 : 16;
  const auto has = [&](const char* feature) {
    return ("," + target.features + ",").find(fmt::format(",+{},", feature)) != std::string::npos;
  };
  const bool wide = target.vector_bytes == 64;
  if (x86) v.i16_products = 2;
  if (wide && has("avx512bf16")) v.bf16_products = 2;
  if (wide ? has("avx512vnni") : target.vector_bytes == 32 && has("avxvnni")) v.i8_products = 4;
  v.l1_bytes = data_cache_bytes(1, 32 << 10);
  v.l2_bytes = data_cache_bytes(2, 512 << 10);
  v.l3_bytes = data_cache_bytes(3, 8 << 20);
  return v;
}

}  // namespace

const VectorTarget& vectors_of(CpuLevel level) {
  static const std::map<CpuLevel, VectorTarget> all = [] {
    std::map<CpuLevel, VectorTarget> found;
    for (const CpuLevel here : cpu_levels_here()) found[here] = find_vectors(here);
    return found;
  }();
  return all.at(level);
}

Machine measure_machine(CpuLevel level) {
  Machine m;
  m.vectors = vectors_of(level);
  m.cores = host_cores();
  m.peak_gflops = measure_peak_gflops(level);
  m.cache_bandwidth = triad_in_cache(m.vectors.l2_bytes / 2);
  m.bandwidth = triad_from_memory(1, m.vectors.l3_bytes);
  m.bandwidth_all = std::max(m.bandwidth, triad_from_memory(m.cores, m.vectors.l3_bytes));
  return m;
}

Machine machine_facts(CpuLevel level, const std::string& cache_dir) {
  const std::string folder = cache_dir.empty() ? default_cache_folder() : cache_dir;
  const std::string path = file_of_host(level, folder);
  try {
    if (const auto text = read_regular_file(path, kMostFactBytes)) {
      Machine machine = parse_machine(*text);
      check_is_host(machine, level);
      return machine;
    }
  } catch (const UserError& error) {
    log_warning("codegen", "{} is damaged and is made again: {}", path, error.what());
  }
  const Machine machine = measure_machine(level);
  keep(folder, path, machine);
  return machine;
}

std::string print(const Machine& machine) {
  Machine m = machine;
  std::string text;
  visit(
      m, [&](const char* name, int64_t& value) { text += fmt::format("{} {}\n", name, value); },
      [&](const char* name, double& value) { text += fmt::format("{} {}\n", name, value); });
  return text;
}

Machine parse_machine(const std::string& text) {
  std::map<std::string, std::string> facts;
  std::istringstream lines(text);
  for (std::string name, value; lines >> name >> value;) facts[name] = value;
  Machine m;
  const auto read = [&](const char* name, auto& value) {
    std::istringstream stream(facts[name]);
    if (!(stream >> value) || value <= 0)
      throw UserError(
          fmt::format("machine facts: `{}` is `{}`, not a positive number", name, facts[name]));
  };
  visit(
      m, [&](const char* name, int64_t& value) { read(name, value); },
      [&](const char* name, double& value) { read(name, value); });
  return m;
}

}  // namespace tessera

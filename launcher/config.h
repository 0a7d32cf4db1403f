#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/source_location.h"
#include "codegen/cpu_level.h"
#include "launcher/hosts.h"
#include "runtime/device/device_kind.h"

namespace tessera {

// A job as a YAML file describes it, checked and with every default filled in.
//
//   program: {model: mlp, hidden: 512}          # or {file: programs/caps.tess}
//   data: {set: fashion-mnist, batch: 256}
//   train: {optimizer: {sgd: {lr: 0.1}}, epochs: 5, seed: 1}
//   cluster: {hosts: [{name: node1, ranks: 2}, {name: node2, ranks: 2}]}
//   plan: {mesh: auto, memory: 2GiB, pins: {w1: {hidden: model}}, budget: {communication: 8MiB}}
//   checkpoint: {every: 500 steps, keep: 2}
//   restart: {limit: 3, backoff: 10 s}
//   output: {dir: runs/mlp}
//
// Files that a job reads (program.file, plan.file, weights.file, those of data) are relative to the
// configuration's own folder, or to the working folder where the command line gives them; the
// structs hold them as absolute paths. output.dir is relative to the working folder.

using OptionValue = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>>;

// Exactly one of `model` and `file` is set.
struct ProgramConfig {
  std::string model;
  std::map<std::string, OptionValue> options;  // of the model; free, the model checks them
  std::string file;
  std::map<std::string, int64_t> dims;  // extents that replace the program's own
  bool operator==(const ProgramConfig&) const = default;
};

// Exactly one of: `set` is a data set's name, `text` a text file, or `file` a file of arrays or
// columns, and `inputs` maps program inputs to their fields; or all are empty and `inputs` maps
// program inputs to files of one array each. A folder stands for the files in it, as shards.
struct DataConfig {
  std::string set;        // "fashion-mnist", "synthetic" or ""
  std::string dir;        // where the set's files are; "" is the set's usual place
  std::string text;       // the fields are `text` and `next` (launcher/text.h)
  std::string file;       // .npz, .safetensors, .csv, .tsv, or a folder of such
  double test = 0.1;      // the share of a text that is for testing; of files, 0 if nobody says
  std::string test_file;  // another `file`, for testing
  std::map<std::string, std::string> test_inputs;  // other files of `inputs`, for testing
  bool has_fields() const { return !set.empty() || !text.empty() || !file.empty(); }
  bool of_files() const { return set.empty() && text.empty(); }
  std::map<std::string, std::string> inputs;
  std::optional<int64_t> batch;  // absent: what the program declares
  std::optional<int64_t> limit;  // use only the first so many training examples
  bool shuffle = true;
  std::optional<int64_t> memory;  // bytes of files that a rank holds; absent: what is available
  bool operator==(const DataConfig&) const = default;
};

struct SgdConfig {
  double lr = 0.1;
  double momentum = 0;
  bool operator==(const SgdConfig&) const = default;
};

struct AdamConfig {
  double lr = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool operator==(const AdamConfig&) const = default;
};

// The steps of which a run records what each rank does, for `tessera trace`.
struct TraceConfig {
  int64_t steps = 0;  // 0: none
  int64_t from = 3;   // the first one, counted from 1 in each run
  bool operator==(const TraceConfig&) const = default;
};

// Training stops at `epochs` or `steps`, whichever comes first; with neither, after one epoch.
struct TrainConfig {
  std::optional<std::variant<SgdConfig, AdamConfig>> optimizer;  // absent: the program's own
  std::optional<int64_t> epochs;
  std::optional<int64_t> steps;
  int64_t seed = 0;
  bool stop_at_nan = true;  // when the loss is NaN or infinite
  bool debug_nan = false;   // stops at the first tensor that holds a NaN or an infinity
  TraceConfig trace;
  bool operator==(const TrainConfig&) const = default;
};

struct ClusterConfig {
  std::string transport = "local";  // "local" (threads of one process) or "mpi" (processes)
  std::vector<Host> hosts = {{"localhost", 1}};
  int threads = 0;                // per rank; 0: the machine's cores shared out
  double timeout = 60;            // seconds that any wait for a peer may take
  std::string measured;           // a file of `tessera calibrate`; "": ranks find out
  bool debug_comm = false;        // ranks also compare which task each collective belongs to
  CpuLevel cpu = CpuLevel::host;  // that kernels are made for
  DeviceKind device = DeviceKind::cpu;
  CollectivesKind collectives = CollectivesKind::automatic;  // of GPUs
  int ranks() const;
  bool operator==(const ClusterConfig&) const = default;
};

// tensor -> dim -> mesh axes, the outermost first.
using PinsConfig = std::map<std::string, std::map<std::string, std::vector<std::string>>>;

// What a step may cost at most by its plan, which is made without regard to it: planning fails
// where it costs more.
struct BudgetConfig {
  std::optional<double> time;            // seconds, as predicted
  std::optional<int64_t> communication;  // bytes that a device moves
  std::optional<int64_t> memory;         // bytes per device
  bool operator==(const BudgetConfig&) const = default;
};

struct PlanConfig {
  std::vector<std::pair<std::string, int64_t>> mesh;  // empty: chosen by the optimizer
  std::optional<int64_t> memory;                      // bytes per device
  PinsConfig pins;
  std::string file;  // a plan made earlier; then mesh and pins are its own
  BudgetConfig budget;
  bool operator==(const PlanConfig&) const = default;
};

// Parameters begin with the values of a file instead of those of the seed.
struct WeightsConfig {
  std::string file;                 // .safetensors, .npz or a checkpoint's folder; "": none
  std::vector<std::string> rename;  // storage/rename.h
  bool operator==(const WeightsConfig&) const = default;
};

// Where and how often the state of a job is written, so that it can go on from there.
struct CheckpointConfig {
  bool on = false;          // the section is there
  std::string dir;          // "": that of the output with `.checkpoints` behind
  int64_t every_steps = 0;  // one of the two is 0
  double every_seconds = 600;
  int64_t keep = 2;  // beside the last
  bool operator==(const CheckpointConfig&) const = default;
};

// How often a job whose ranks are processes is started again after a rank, a host or the network
// failed, from its newest whole checkpoint.
struct RestartConfig {
  int64_t limit = 0;
  double backoff = 10;  // seconds before the first one; each next time twice as long
  bool operator==(const RestartConfig&) const = default;
};

// From which state a job goes on.
struct ResumeConfig {
  bool newest = false;  // that of checkpoint.dir, if there is one
  std::string path;     // a checkpoint, or a folder of them
  bool operator==(const ResumeConfig&) const = default;
};

struct OutputConfig {
  std::string dir;
  bool tensorboard = false;  // also writes events for TensorBoard
  bool operator==(const OutputConfig&) const = default;
};

struct Config {
  ProgramConfig program;
  DataConfig data;
  TrainConfig train;
  ClusterConfig cluster;
  PlanConfig plan;
  WeightsConfig weights;
  CheckpointConfig checkpoint;
  RestartConfig restart;
  ResumeConfig resume;
  OutputConfig output;

  // Dotted path of each value that someone wrote -> where; values not listed are defaults.
  std::map<std::string, SourceLocation> origins;

  // "train.yaml:3:9", "command line" or "default".
  std::string origin(const std::string& path) const;
};

// Same values; where they came from does not count.
bool operator==(const Config& a, const Config& b);

// Reads `file`, applies `overrides` (launcher/overrides.h) and checks everything that can be
// checked without the program. Throws UserError with file:line:col.
Config load_config(const std::string& file, const std::vector<std::string>& overrides = {});

// The same for text that has been read already; `name` stands for the file.
Config parse_config(const std::string& text, const std::string& name,
                    const std::vector<std::string>& overrides = {});

// The resolved configuration as YAML that `load_config` reads back to an equal Config; each value
// has its origin as a comment.
std::string print_config(const Config& config);

}  // namespace tessera

#include "launcher/bench/peers.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "base/error.h"
#include "launcher/npy.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr double kLoadSeconds = 600;  // JAX compiles large programs for minutes
constexpr double kTimeSeconds = 600;

bool is_library(const std::string& peer) {
  return peer == "openblas" || peer == "onednn";
}

nlohmann::json write_arrays(const Arrays& arrays, const std::string& prefix) {
  nlohmann::json files = nlohmann::json::object();
  for (const auto& [name, array] : arrays) {
    const std::string file = prefix + std::to_string(files.size()) + ".npy";
    write_npy(file, array);
    files[name] = file;
  }
  return files;
}

double worst_difference(const Arrays& ours, const nlohmann::json& theirs) {
  double worst = -1;
  for (const auto& [name, file] : theirs.items())
    if (const auto at = ours.find(name); at != ours.end())
      worst = std::max(worst, difference_of(at->second, read_npy(file.get<std::string>())));
  if (worst < 0) throw UserError("the peer computes none of the program's outputs");
  return worst;
}

}  // namespace

std::string peers_python(const std::string& option, const std::string& program) {
  if (!option.empty()) return option;
  if (const char* named = std::getenv("TESSERA_PEERS_PYTHON"); named != nullptr && *named != 0)
    return named;
  const fs::path installed =
      fs::path(program).parent_path().parent_path().parent_path() / "jax/bin/python";
  return fs::exists(installed) ? installed.string() : "";
}

double difference_of(const Array& a, const Array& b) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (a.shape != b.shape) return kInfinite;
  double largest = 0, apart = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a.get(i), y = b.get(i);
    if (x == y || (std::isnan(x) && std::isnan(y))) {
      if (std::isfinite(y)) largest = std::max(largest, std::abs(y));
      continue;
    }
    if (!std::isfinite(x) || !std::isfinite(y)) return kInfinite;
    largest = std::max(largest, std::abs(y));
    apart = std::max(apart, std::abs(x - y));
  }
  return apart == 0 ? 0 : apart / std::max(largest, std::numeric_limits<double>::min());
}

PeerProcess& Peers::process(const std::string& name) {
  std::unique_ptr<PeerProcess>& process = processes_[name];
  if (process) return *process;
  const std::string log = settings_.folder + "/" + name + ".log";
  const std::string threads = std::to_string(settings_.threads);
  const std::vector<std::string> argv =
      is_library(name) ? std::vector{settings_.native}
                       : std::vector{settings_.python, settings_.script, threads};
  process = std::make_unique<PeerProcess>(argv, log);
  return *process;
}

Contender Peers::load(const std::string& peer, const nlohmann::json& request,
                      nlohmann::json& outputs) {
  Contender contender{.name = peer, .version = {}, .problem = {}, .difference = {}};
  nlohmann::json reply;
  try {
    reply = process(peer).ask(request, kLoadSeconds);
  } catch (const UserError& error) {
    processes_.erase(peer);  // the next row begins with a new one
    contender.problem = error.what();
    return contender;
  }
  for (const char* key : {"missing", "error"})
    if (reply.contains(key)) contender.problem = reply[key].get<std::string>();
  if (!contender.problem.empty()) return contender;
  outputs = reply.value("outputs", nlohmann::json::object());
  contender.version = reply.value("version", "");
  contender.compile_seconds = reply.value("compile_seconds", 0.0);
  contender.memory_bytes = reply.value("memory_bytes", 0.0);
  contender.time = [this, peer](double seconds) {
    const nlohmann::json times =
        process(peer).ask({{"do", "time"}, {"seconds", seconds}}, kTimeSeconds + 20 * seconds);
    if (times.contains("error")) throw UserError(times["error"].get<std::string>());
    return times.at("seconds").get<std::vector<double>>();
  };
  return contender;
}

Contender Peers::prepare(const std::string& peer, const SuiteRow& row, const Program& program,
                         const Exchange& exchange) {
  nlohmann::json request = {{"do", "load"},
                            {"peer", peer},
                            {"threads", settings_.threads},
                            {"program", fs::path(row.file).stem().string()},
                            {"outputs", nlohmann::json::array()},
                            {"parameters", nlohmann::json::array()},
                            {"dims", nlohmann::json::object()}};
  for (const Dim& dim : program.dims()) request["dims"][dim.name()] = dim.extent();
  for (const Output& output : program.outputs()) request["outputs"].push_back(output.name);
  for (const Tensor& tensor : program.parameters()) request["parameters"].push_back(tensor.name());
  nlohmann::json outputs;
  if (is_library(peer)) {
    if (fs::exists(settings_.native)) return load(peer, request, outputs);
    return {.name = peer,
            .version = {},
            .problem = settings_.native + " is not built",
            .difference = {}};
  }
  const std::string file = fs::path(row.file).replace_extension(".py").string();
  std::string problem;
  if (settings_.python.empty())
    problem =
        "no Python with JAX is known: `./tessera test` installs one in build/jax; or make "
        "one with `python3 -m venv V && V/bin/pip install jax` and set "
        "TESSERA_PEERS_PYTHON=V/bin/python";
  else if (!fs::exists(file))
    problem = "there is no " + file;
  if (!problem.empty()) return {.name = peer, .version = {}, .problem = problem, .difference = {}};
  request["file"] = file;
  request["folder"] = settings_.folder;
  request["inputs"] = write_arrays(exchange.inputs, settings_.folder + "/input");
  request["values"] = write_arrays(exchange.values, settings_.folder + "/value");
  Contender contender = load(peer, request, outputs);
  if (contender.problem.empty()) contender.difference = worst_difference(exchange.outputs, outputs);
  return contender;
}

}  // namespace tessera

#include "launcher/bench/peers.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "storage/npy.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr double kLoadSeconds = 600;  // JAX compiles large programs for minutes
constexpr double kTimeSeconds = 600;
constexpr int64_t kTriadElements = int64_t{1} << 25;  // of each of three arrays of 128 MiB

bool is_library(const std::string& peer) {
  return peer == "openblas" || peer == "onednn" || peer == "triad";
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

std::string formulation_of(const SuiteRow& row, const std::string& peer) {
  fs::path file = row.file;
  const std::string ending = peer == "jax" ? ".py" : "_" + peer + ".py";
  return file.replace_filename(file.stem().string() + ending).string();
}

std::vector<std::string> peers_pythons(const std::string& option, const std::string& program) {
  std::string named = option;
  if (const char* variable = std::getenv("TESSERA_PEERS_PYTHON"); named.empty() && variable)
    named = variable;
  std::vector<std::string> result;
  std::istringstream words(named);
  for (std::string word; std::getline(words, word, ':');)
    if (!word.empty()) result.push_back(word);
  if (!result.empty()) return result;
  const fs::path installed =
      fs::path(program).parent_path().parent_path().parent_path() / "jax/bin/python";
  if (fs::exists(installed)) result.push_back(installed.string());
  result.push_back("python3");
  return result;
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

nlohmann::json Peers::load_by(const std::string& peer, const std::vector<std::string>& argv,
                              const nlohmann::json& request) {
  std::unique_ptr<PeerProcess>& process = processes_[peer];
  try {
    if (!process)
      process = std::make_unique<PeerProcess>(argv, settings_.folder + "/" + peer + ".log");
    return process->ask(request, kLoadSeconds);
  } catch (const UserError& error) {
    process.reset();  // the next row begins with a new one
    return {{"error", error.what()}};
  }
}

nlohmann::json Peers::load(const std::string& peer, const nlohmann::json& request) {
  if (is_library(peer)) {
    if (!fs::exists(settings_.native)) return {{"missing", settings_.native + " is not built"}};
    return load_by(peer, {settings_.native}, request);
  }
  const std::string script = settings_.scripts + "/" + peer + "_peer.py";
  std::vector<std::string> missing;
  for (const std::string& python : settings_.pythons) {
    const nlohmann::json reply =
        load_by(peer, {python, script, std::to_string(settings_.threads)}, request);
    if (!reply.contains("missing")) return reply;
    missing.push_back(reply["missing"].get<std::string>());
    processes_.erase(peer);
  }
  return {{"missing", join(missing, "; ") + "; or name Pythons that have it by --python or "
                                            "TESSERA_PEERS_PYTHON, separated by colons"}};
}

Contender Peers::prepare(const std::string& peer, const SuiteRow& row, const Program& program,
                         const Exchange& exchange) {
  nlohmann::json request = {{"do", "load"},
                            {"peer", peer},
                            {"threads", settings_.threads},
                            {"program", fs::path(row.file).stem().string()},
                            {"outputs", nlohmann::json::array()},
                            {"parameters", nlohmann::json::array()},
                            {"types", nlohmann::json::object()},
                            {"dims", nlohmann::json::object()}};
  for (const Tensor& tensor : program.inputs())
    request["types"][tensor.name()] = name_of(tensor.type());
  for (const Output& output : program.outputs())
    request["types"][output.name] = name_of(output.value.type());
  for (const Dim& dim : program.dims()) request["dims"][dim.name()] = dim.extent();
  for (const Output& output : program.outputs()) request["outputs"].push_back(output.name);
  for (const Tensor& tensor : program.parameters()) request["parameters"].push_back(tensor.name());
  if (!is_library(peer)) {
    const std::string file = formulation_of(row, peer);
    if (!fs::exists(file)) {
      return {.name = peer, .version = {}, .problem = "there is no " + file, .difference = {}};
    }
    request["file"] = file;
    request["folder"] = settings_.folder;
    request["inputs"] = write_arrays(exchange.inputs, settings_.folder + "/input");
    request["values"] = write_arrays(exchange.values, settings_.folder + "/value");
  }
  const nlohmann::json reply = load(peer, request);
  Contender result = contender_of(peer, reply);
  if (reply.contains("outputs"))
    result.difference = worst_difference(exchange.outputs, reply["outputs"]);
  return result;
}

Contender Peers::contender_of(const std::string& peer, const nlohmann::json& reply) {
  Contender contender{.name = peer, .version = {}, .problem = {}, .difference = {}};
  for (const char* key : {"missing", "error"})
    if (reply.contains(key)) contender.problem = reply[key].get<std::string>();
  if (!contender.problem.empty()) return contender;
  contender.version = reply.value("version", "");
  contender.compile_seconds = reply.value("compile_seconds", 0.0);
  contender.memory_bytes = reply.value("memory_bytes", 0.0);
  contender.time = [this, peer](double seconds) {
    const nlohmann::json times = processes_.at(peer)->ask({{"do", "time"}, {"seconds", seconds}},
                                                          kTimeSeconds + 20 * seconds);
    if (times.contains("error")) throw UserError(times["error"].get<std::string>());
    return times.at("seconds").get<std::vector<double>>();
  };
  return contender;
}

Contender Peers::triad(double bytes) {
  const nlohmann::json reply = load("triad", {{"do", "load"},
                                              {"peer", "triad"},
                                              {"threads", settings_.threads},
                                              {"program", "triad"},
                                              {"outputs", nlohmann::json::array()},
                                              {"dims", {{"n", kTriadElements}}}});
  Contender result = contender_of("triad", reply);
  result.name = "at triad";
  if (!result.time) return result;
  const double scale = bytes / (12.0 * kTriadElements);
  result.time = [time = result.time, scale](double seconds) {
    std::vector<double> times = time(seconds);
    for (double& each : times) each *= scale;
    return times;
  };
  return result;
}

}  // namespace tessera

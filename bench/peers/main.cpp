// Libraries as peers of `tessera bench kernels`, and a triad. Reads a request a line from standard
// input, as JSON, and answers each by a line:
//
//   {"do": "load", "peer": "openblas", "program": "matmul", "dims": {"m": 64, …}, "outputs": ["c"],
//    "types": {"a": "f32", …}, "threads": 1}     {"version": "OpenBLAS 0.3.21 ZEN"}
//   {"do": "time", "seconds": 0.1}       {"seconds": [0.0012, 0.0011]}
//
// or by {"missing": how to get it} or {"error": what is wrong}. Ends with its input.
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/peers/peer.h"

namespace tessera_peers {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Operation load(const json& order) {
  const std::map<std::string, std::string> none;
  const Request request = {order.at("program"), order.at("dims"), order.value("types", none),
                           order.at("outputs"), order.at("threads")};
  const std::string peer = order.at("peer");
  if (peer == "openblas") return openblas(request);
  if (peer == "onednn") return onednn(request);
  if (peer == "triad") return stream_triad(request);
  throw std::invalid_argument("there is no peer " + peer);
}

// One run that warms up, where runs are short, and then runs until `wanted` seconds are used, at
// least one.
std::vector<double> time(const Operation& operation, double wanted) {
  const Clock::time_point begin = Clock::now();
  operation.run();
  std::vector<double> times;
  if (const double first = seconds_since(begin); first > 0.1) return {first};
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point before = Clock::now();
    operation.run();
    times.push_back(seconds_since(before));
  } while (seconds_since(start) < wanted);
  return times;
}

json answer(const json& order, Operation& operation) {
  if (order.at("do") == "time") {
    if (!operation.run) throw std::logic_error("nothing is loaded");
    return {{"seconds", time(operation, order.at("seconds"))}};
  }
  operation = {};
  operation = load(order);
  operation.run();
  return {{"version", operation.version}};
}

}  // namespace
}  // namespace tessera_peers

int main() {
  tessera_peers::Operation operation;
  for (std::string line; std::getline(std::cin, line);) {
    nlohmann::json reply;
    try {
      reply = tessera_peers::answer(nlohmann::json::parse(line), operation);
    } catch (const tessera_peers::Missing& missing) {
      reply = {{"missing", missing.what()}};
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    std::cout << reply.dump() << std::endl;
  }
}

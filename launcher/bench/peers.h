#pragma once

#include <map>
#include <memory>
#include <string>

#include "ir/interpret.h"
#include "launcher/bench/contender.h"
#include "launcher/bench/peer.h"
#include "launcher/bench/suite.h"

namespace tessera {

struct PeerSettings {
  std::string native;                // the program of the libraries, bench/peers/main.cpp
  std::string scripts;               // the folder of jax_peer.py and torch_peer.py
  std::vector<std::string> pythons;  // a peer takes the first that has it
  std::string folder;                // for arrays that are exchanged, and logs
  int threads = 1;
};

// The Pythons of the peers, separated by colons in `option`, else in the environment's
// TESSERA_PEERS_PYTHON; else the one that `./tessera test` installs JAX into, beside the build that
// `program` lies in, and the system's.
std::vector<std::string> peers_pythons(const std::string& option, const std::string& program);

// The file in which a peer in Python has the row's program: mixture.py for jax, mixture_torch.py
// for torch.
std::string formulation_of(const SuiteRow& row, const std::string& peer);

// What Tessera computed, for peers that compute the same on the same values.
struct Exchange {
  Arrays inputs, values;  // fed; parameters and states, before the step
  Arrays outputs;         // after it
};

// The processes of peers, one each, started when they are first asked for, and shared by rows.
class Peers {
 public:
  explicit Peers(PeerSettings settings) : settings_(std::move(settings)) {}

  // `peer` at the work of `row`, ready to be timed until the next row's is made; with a `problem`
  // where it cannot be.
  Contender prepare(const std::string& peer, const SuiteRow& row, const Program& program,
                    const Exchange& exchange);

  // What moving `bytes` takes at the rate of a triad in memory, counting 12 bytes an element: each
  // of its runs is scaled.
  Contender triad(double bytes);

 private:
  Contender contender_of(const std::string& peer, const nlohmann::json& reply);
  // Starts the peer, if it does not run yet, and loads the request.
  nlohmann::json load(const std::string& peer, const nlohmann::json& request);
  nlohmann::json load_by(const std::string& peer, const std::vector<std::string>& argv,
                         const nlohmann::json& request);

  PeerSettings settings_;
  std::map<std::string, std::unique_ptr<PeerProcess>> processes_;
};

// The largest difference of elements, in terms of the largest element of `b`; infinite where only
// one of the two is finite, or their shapes differ.
double difference_of(const Array& a, const Array& b);

}  // namespace tessera

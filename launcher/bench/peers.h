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
  std::string native;  // the program of the libraries, bench/peers/main.cpp
  std::string script;  // bench/peers/jax_peer.py
  std::string python;  // with JAX; empty: none
  std::string folder;  // for arrays that are exchanged, and logs
  int threads = 1;
};

// The Python of the peers: `option`, else the environment's TESSERA_PEERS_PYTHON, else the one that
// `./tessera test` installs JAX into, beside the build that `program` lies in; "" where there is
// none.
std::string peers_python(const std::string& option, const std::string& program);

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

 private:
  PeerProcess& process(const std::string& name);
  // `outputs` gets the files of what the peer computed.
  Contender load(const std::string& peer, const nlohmann::json& request, nlohmann::json& outputs);

  PeerSettings settings_;
  std::map<std::string, std::unique_ptr<PeerProcess>> processes_;
};

// The largest difference of elements, in terms of the largest element of `b`; infinite where only
// one of the two is finite, or their shapes differ.
double difference_of(const Array& a, const Array& b);

}  // namespace tessera

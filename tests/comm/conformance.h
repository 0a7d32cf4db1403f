#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace tessera {

using RankBody = std::function<void(Communicator&)>;

// A way to run N ranks. run() gives every rank a fresh world, plays `body` on it, calls fail() for
// a rank that throws, and returns the exceptions' texts, "" for a rank that ended well. Where
// ranks are processes, run() is called by all and returns the same on all.
struct Harness {
  std::string name;
  int ranks = 1;
  std::function<std::vector<std::string>(const CommOptions&, const RankBody&)> run;
};

// What the program under test offers: threads in test_comm, MPI in test_comm_mpi.
std::vector<Harness> harnesses();

// Those with more than one rank: a rank alone waits for nobody.
inline std::vector<Harness> several_ranks() {
  std::vector<Harness> several;
  for (Harness& harness : harnesses())
    if (harness.ranks > 1) several.push_back(std::move(harness));
  return several;
}

inline void PrintTo(const Harness& harness, std::ostream* stream) {
  *stream << harness.name;
}

// The suite every transport passes.
class Conformance : public testing::TestWithParam<Harness> {
 protected:
  int ranks() const { return GetParam().ranks; }

  std::vector<std::string> run(const RankBody& body, std::chrono::milliseconds timeout,
                               bool debug = false) const {
    CommOptions options;
    options.timeout = timeout;
    options.debug = debug;
    return GetParam().run(options, body);
  }

  void expect_success(const RankBody& body) const {
    const auto errors = run(body, std::chrono::seconds(20));
    for (size_t r = 0; r < errors.size(); ++r) EXPECT_EQ(errors[r], "") << "on rank " << r;
  }
};

// Fails the rank, not the process, so that its peers hear of it.
#define RANK_EXPECT(condition)                                                            \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::ostringstream rank_text;                                                       \
      rank_text << __FILE__ << ":" << __LINE__ << ": " << #condition << " does not hold"; \
      throw std::runtime_error(rank_text.str());                                          \
    }                                                                                     \
  } while (false)

// Compares without converting, and says where and what.
template <typename T>
void expect_same(const std::vector<T>& got, const std::vector<T>& wanted, const std::string& what) {
  if (got.size() != wanted.size()) throw std::runtime_error(what + ": sizes differ");
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &wanted[i], sizeof(T)) == 0) continue;
    std::ostringstream text;
    text << what << ": element " << i << " is " << +got[i] << ", wanted " << +wanted[i];
    throw std::runtime_error(text.str());
  }
}

}  // namespace tessera

#pragma once

#include <string>
#include <vector>

#include "ir/program.h"
#include "partition/plan.h"
#include "placement/timeline.h"

namespace tessera {

// A nest, or what keeps a tensor, at one end of a collective.
struct CommunicationEnd {
  std::string name;      // of the definition; of what is kept or returned
  SourceLocation where;  // its line

  bool operator==(const CommunicationEnd& other) const { return name == other.name; }
};

// One collective of a rank, between which nests it lies and why it is needed there.
//
//   all-reduce over data of `d_w`, from d_w (fit.tess:12) to w_next (fit.tess:14): d_w adds up over
//   `batch`, of which each rank has a part; w_next needs the whole sums
//
// Chains of collectives, and slices between them, lead to the same ends.
struct Communication {
  const CommStep* step;
  int64_t times = 1;  // that it runs in a step
  double seconds = 0;
  double exposed = 0;  // of them, while computing stands still
  CommunicationEnd from;
  std::vector<CommunicationEnd> to;  // in program order, none twice
  std::string why;
};

// All of `line`, in order. `normal` is the program that `plan` and `local` are of; `local` must
// live as long as what is returned.
std::vector<Communication> communication_of(const Program& normal, const Plan& plan,
                                            const ShardedProgram& local, const Timeline& line);

}  // namespace tessera

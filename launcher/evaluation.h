#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codegen/compile.h"
#include "launcher/config.h"
#include "launcher/feeds.h"
#include "launcher/planning.h"
#include "runtime/executable.h"

namespace tessera {

// The batch with which `examples` are tested: the largest up to `most` that divides them; with none
// near, `most`, and the rest is a batch of its own.
int64_t evaluation_batch(int64_t examples, int64_t most);

// The names of the outputs without dims, which are metrics.
std::vector<std::string> scalar_outputs(const Program& program);

// Tests a program on a data set, of which every example counts once: in full batches, and what is
// left over in a smaller one, for which the program is planned and compiled, too. All calls are
// made by every rank, in the same order.
class Evaluation {
 public:
  struct Options {
    int64_t most = 1;       // examples of a batch
    Cluster cluster;        // that the ranks make up
    PlanSettings planning;  // without pins and file
    ExecutableOptions executing;
  };
  Evaluation(const Config& config, DatasetPtr test, const Options& options, Compiler& compiler,
             Communicator& world);

  // The mean of each scalar output over all examples, for the values of `trained`.
  std::map<std::string, double> run(Executable& trained);

  // "9,999 examples in 39 batches of 256 and one of 15"
  std::string text() const;
  bool has_rest() const { return parts_.size() > 1; }

 private:
  struct Part {
    Program program;
    Executable executable;
    Feeds feeds;
    int64_t batches = 0;
  };
  void add(const Config& config, const DatasetPtr& data, int64_t batch, const Options& options,
           Compiler& compiler, Communicator& world);

  int64_t examples_;
  std::vector<std::unique_ptr<Part>> parts_;
};

}  // namespace tessera

#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/array.h"
#include "codegen/compile.h"
#include "ir/interpret.h"
#include "partition/lower.h"
#include "runtime/execute.h"
#include "runtime/given_values.h"

namespace tessera {

struct ExecutableOptions {
  int threads = 0;  // per rank, of this host as a device; 0: one for each usable core
  // Prices that choose between ways of resharding; must be those the plan was made with, and the
  // same on all ranks. Nothing: LinearCommCost. Need not outlive the constructor.
  const CommCost* comm_cost = nullptr;
  bool check_finite = false;                        // runtime/finite_check.h
  std::shared_ptr<ComputeDevice> device = nullptr;  // nothing: this host
};

// A program under a plan, on this rank, ready to run. Arrays are row-major in declared order.
// Calls marked "together" are made by every rank of the world, in the same order.
//
//   Executable step(normal, plan, compiler, world, {});
//   step.initialize(seed);
//   step.feed("image", images);
//   step.run();
//   Array loss = step.output("loss");
class Executable {
 public:
  // `program` is in normal form, `plan` verified for it. Together: throws CommError, on every rank,
  // when the ranks do not agree about program, plan or collectives.
  Executable(const Program& program, const Plan& plan, Compiler& compiler, Communicator& world,
             const ExecutableOptions& options);

  // The initial values of parameters and states; each rank makes its own part.
  void initialize(uint64_t seed);

  // The part of an input that this rank reads; feed_part takes just that part, feed the whole.
  const Box& part_of(const std::string& input) const;
  void feed(const std::string& input, const Array& whole);
  void feed_part(const std::string& input, const Array& part);
  // Where the next step takes that part from, for readers that write all of it without a detour.
  std::span<std::byte> input_place(const std::string& input);

  // One step. Together. The first one compares seed, values and whole feeds across ranks.
  // UserError, on all ranks, where something has no values yet, and where data leads outside a
  // tensor; then there are no outputs, and what the step updates wants new values, but more steps
  // may follow.
  void run();

  // The whole output of the last step, in its order, on every rank. Together.
  Array output(const std::string& name);
  // The whole parameter or state, on every rank. Together.
  Array value(const std::string& name);
  void set_value(const std::string& name, const Array& whole);  // every rank takes its part
  // The part that this rank holds (`sharded().stored`); `source` is compared across ranks.
  void set_part(const std::string& name, const Array& part, const std::string& source);
  Arrays values();  // all of them. Together.

  // Parameters and states in one .safetensors file, whole or not at all: rank 0 writes. Together.
  void save(const std::string& file);
  // The same as the checkpoint of a step in the folder `dir`, as storage/checkpoint.h says: each
  // rank writes what it stores. `dir` must be one for all ranks, and have no such step. Together.
  void save(const std::string& dir, int64_t step);
  // Takes parameters, and states where they are there, from a .safetensors or .npz file, a
  // checkpoint, or the newest in a folder of them; saved on any number of ranks, under any plan.
  // UserError that lists everything that does not fit. Together.
  void load(const std::string& path);

  const Program& program() const { return program_; }  // in normal form
  const Plan& plan() const { return plan_; }
  const ShardedProgram& sharded() const { return sharded_; }
  const Executor& executor() const { return executor_; }
  Executor& executor() { return executor_; }

 private:
  bool tells_apart() const;
  Array gather(const Border& border);
  std::string located(const std::string& fault);
  const Border& border(const std::vector<Border>& borders, const char* what,
                       const std::string& name) const;
  void write(const Border& border, const Array& part);

  Program program_;
  Plan plan_;
  ShardedProgram sharded_;
  Communicator* world_;
  GivenValues given_;
  bool compared_ = false;  // what was given
  bool stepped_ = false;   // ever
  bool ran_ = false;       // in the last step, to its end
  std::shared_ptr<ComputeDevice> device_;
  Executor executor_;
};

}  // namespace tessera

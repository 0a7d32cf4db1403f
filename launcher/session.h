#pragma once

#include <memory>
#include <string>

#include "codegen/compile.h"
#include "comm/communicator.h"
#include "launcher/planning.h"
#include "runtime/device/device_kind.h"
#include "runtime/executable.h"

namespace tessera {

// The cluster as a C++ program sees it: all ranks of an mpirun or srun that started it, or this
// process alone. Options on the command line (others are left alone):
//
//   --threads N   that compute on each rank     --mesh data=2,model=2     --memory 2GiB
//   --plan FILE   a plan made earlier         --cpu x86-64-v3   that kernels are made for
//   --cluster FILE   a file of `tessera calibrate`  --device cpu, gpu or simulated
//
//   int main(int argc, char** argv) {
//     Session session(argc, argv);
//     Program step("step");  …
//     Executable train = session.compile(step);
//     train.initialize(1);
//     train.feed("x", x);  train.run();
//     if (session.rank() == 0) std::cout << train.output("loss").get(0);
//   }
//
// A rank that leaves main by an exception ends the others. An error of Tessera's (base/error.h)
// that nobody catches is printed, and the process ends with the exit code that a command would
// have: 2 for a UserError, 3 for a CommError, else 1. Not thread-safe.
class Session {
 public:
  Session(int argc, char** argv);
  // `world` instead of what the environment says; it must outlive the session.
  explicit Session(Communicator& world, PlanSettings settings = {},
                   DeviceKind device = DeviceKind::cpu);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int rank() const;
  int size() const;
  Communicator& world() { return *world_; }

  // Plans (or takes `plan`), partitions and compiles. Every rank calls it, in the same order, with
  // the same program: CommError, on all of them, when it differs. The session must outlive the
  // result.
  Executable compile(const Program& program);
  Executable compile(const Program& program, const Plan& plan);

  // The plan of `executable` as a page for people.
  std::string explain(const Executable& executable) const;

 private:
  struct Options {
    PlanSettings planning;
    DeviceKind device = DeviceKind::cpu;
  };
  static Options options_of(int argc, char** argv);

  void compare(const Program& program);
  Executable make(const Program& normal, const Cluster& here, const Plan& plan);

  std::unique_ptr<Communicator> owned_;
  Communicator* world_;
  Options options_;
  Compiler compiler_;
  std::shared_ptr<ComputeDevice> device_;  // of the first program and all that follow
};

}  // namespace tessera

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codegen/build_kernel.h"
#include "codegen/cpu_level.h"
#include "codegen/kernel.h"
#include "codegen/kernel_group.h"
#include "codegen/schedule_choice.h"

namespace tessera {

struct CompilerOptions {
  // Folder of compiled objects; "" is $XDG_CACHE_HOME/tessera or ~/.cache/tessera.
  std::string cache_dir = "";
  bool use_cache = true;
  int64_t cache_bytes = int64_t{1} << 30;  // the oldest entries go when it is exceeded
  int threads = 0;                         // that run LLVM at once; 0: as many as the host has
  int worker_threads = 0;           // that will share a kernel's chunks; 0: as many as the host has
  bool always_tile = false;         // contractions of any size get tiles: for tests
  CpuLevel level = CpuLevel::host;  // that kernels are made for
  BlockLimits blocks = {};          // as for fuse()
};

// The options of build_kernel that a Compiler uses.
BuildOptions build_options(const CompilerOptions& options);

struct CompileStats {
  int kernels = 0;        // asked for
  int built = 0;          // by LLVM
  int cache_hits = 0;     // read from disk
  int shared = 0;         // equal, up to names, to one already loaded
  double seconds = 0;     // wall time in compile()
  int cache_rejects = 0;  // corrupt entries, rebuilt
  int tuned = 0;          // asked for, and scheduled as tuning found best
};

// Turns groups into machine code that this host can run. Kernels live as long as the Compiler.
// Objects are kept on disk, addressed by what they were made from; a second process only links
// them. Where the folder holds a tuned schedule for a kernel (tune.h), that one is built. Any
// number of threads may call compile(), and any number of processes may share a folder.
//
//   Compiler compiler({});
//   for (const KernelGroup& group : fuse(nests, needed))
//   kernels.push_back(compiler.compile(group));
class Compiler {
 public:
  explicit Compiler(const CompilerOptions& options);
  ~Compiler();
  Compiler(Compiler&&) noexcept;
  Compiler& operator=(Compiler&&) noexcept;

  Kernel compile(const KernelGroup& group);
  // As above for each, in parallel.
  std::vector<Kernel> compile(const std::vector<KernelGroup>& groups);
  // With a schedule chosen instead of the model's or a tuned one (one that does not fit is passed
  // over); neither read from disk nor kept there.
  Kernel compile(const KernelGroup& group, const ScheduleChoice& choice);
  // The schedule that compile() gives a group: the tuned one, if the folder holds it; nothing: the
  // model's.
  std::optional<ScheduleChoice> tuned_schedule(const KernelGroup& group) const;
  CompileStats stats() const;
  CpuLevel level() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera

#include "runtime/memory_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/host_memory.h"
#include "base/units.h"

namespace tessera {
namespace {

// What a rank says of itself.
struct Need {
  int64_t host = 0;
  int64_t process = 0;
  int64_t bytes = 0;
  int64_t available = 0;  // on its host
  int64_t space = 0;      // in its process
};
constexpr size_t kNumbers = sizeof(Need) / sizeof(int64_t);

// For each rank whose memory is mapped: its end is rounded up to a huge page.
constexpr int64_t kSpareAddresses = 4 << 20;

int64_t host_number() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return static_cast<int64_t>(hash_bytes(name));
}

// The ranks that share something, together.
struct Share {
  int ranks = 0;
  int64_t bytes = 0;
  int64_t available = INT64_MAX;

  void add(int64_t needed, int64_t there) {
    ++ranks;
    bytes += needed;
    available = std::min(available, there);
  }
};

[[noreturn]] void refuse(const Share& share, const MemoryLimit& limit, const std::string& what,
                         int64_t mine) {
  const std::string ranks = share.ranks == 1 ? "" : fmt::format(" on {} ranks", share.ranks);
  throw DeviceError(fmt::format(
      "{} needs {}{} ({} of them on this one), and {} are available of {}, {}: use a smaller batch "
      "or smaller extents, fewer ranks on one machine, or `checkpoint` what can be computed again",
      what, human_bytes(share.bytes), ranks, human_bytes(mine), human_bytes(share.available),
      human_bytes(limit.total), limit.source));
}

}  // namespace

bool require_memory_together(Communicator& world, int64_t bytes, const std::string& what) {
  const MemoryLimit host = host_memory();
  const MemoryLimit process = process_memory();
  const Need mine{host_number(), getpid(), bytes, host.available, process.available};
  const std::vector<size_t> counts(static_cast<size_t>(world.size()), kNumbers);
  std::vector<Need> all(counts.size());
  world.set_context("comparing how much memory the ranks need");
  world.all_gather(&mine, all.data(), counts, DType::i64);
  bool may_map = true;
  for (const Need& one : all) {
    Share on_host, in_process;
    for (const Need& other : all) {
      if (other.host != one.host) continue;
      on_host.add(other.bytes, other.available);
      if (other.process == one.process) in_process.add(other.bytes, other.space);
    }
    if (on_host.bytes > on_host.available) refuse(on_host, host, what, bytes);
    if (in_process.bytes > in_process.available) refuse(in_process, process, what, bytes);
    may_map = may_map && (in_process.ranks == on_host.ranks ||
                          on_host.bytes + kSpareAddresses * on_host.ranks <= one.space);
  }
  return may_map;
}

}  // namespace tessera

#include "comm/mpi/windows.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"

namespace tessera {
namespace {

// Why a rank does not share its memory, or does.
enum class Sharing : char { yes, no_file, no_addresses, no_huge_pages, out_of_reach };

std::string text_of(Sharing sharing) {
  switch (sharing) {
    case Sharing::yes:
      break;
    case Sharing::no_file:
      return "the system refuses them files in memory: allow memfd_create where a sandbox forbids "
             "it, and files of that length (ulimit -f unlimited)";
    case Sharing::no_addresses:
      return "they have too few addresses: raise the limit (ulimit -v)";
    case Sharing::no_huge_pages:
      return "there are no huge pages for files in memory: they take Linux 6.1 or later, and not "
             "`deny` in /sys/kernel/mm/transparent_hugepage/shmem_enabled";
    case Sharing::out_of_reach:
      return "they may not open each other's files below /proc: start them as one user, in one PID "
             "namespace (containers: --pid=host and --cap-add=SYS_PTRACE)";
  }
  return "";
}

}  // namespace

class Windows::Block : public SharedBlock {
 public:
  Block(std::shared_ptr<Windows> windows, uint64_t number, std::byte* data)
      : SharedBlock(data), windows_(std::move(windows)), number_(number) {}
  ~Block() override { windows_->close(number_); }

 private:
  const std::shared_ptr<Windows> windows_;
  const uint64_t number_;
};

std::unique_ptr<SharedBlock> Windows::open(Channel& channel, const CallInfo& info, size_t bytes,
                                           int ranks_per_host) {
  const auto& world = channel.world_ranks();
  struct Offer {
    uint64_t host = 0;
    uint64_t number = 0;
    SharedFileOffer file;
  } mine;
  {
    const std::lock_guard lock(mutex_);
    mine.number = ++opened_;
  }
  mine.host =
      ranks_per_host > 0 ? static_cast<uint64_t>(info.world_rank / ranks_per_host) : machine_id();
  const SharedFile file((std::max<size_t>(bytes, 1) + kHugePage - 1) / kHugePage * kHugePage);
  SharedMapping own(file);
  Sharing sharing = Sharing::yes;
  if (!file.exists())
    sharing = Sharing::no_file;
  else if (own.data() == nullptr)
    sharing = Sharing::no_addresses;
  else if (!own.use_huge_pages())
    sharing = Sharing::no_huge_pages;
  else
    mine.file = file.offer();
  std::vector<Offer> offers(world.size());
  channel.gather_all(info, &mine, sizeof mine, offers.data());

  std::vector<Window> windows;
  std::vector<int> here;
  size_t ranks_here = 0;
  for (size_t r = 0; r < offers.size(); ++r) {
    if (offers[r].host != mine.host) continue;
    ++ranks_here;
    const bool self = static_cast<int>(r) == channel.rank();
    SharedMapping memory = self ? std::move(own) : SharedMapping(SharedFile(offers[r].file));
    if (mine.file.fd < 0 || memory.data() == nullptr) continue;
    if (!self) memory.use_huge_pages();  // they are there, and are mapped at once
    windows.push_back({world[r], offers[r].number, mine.number, std::move(memory), {}});
    here.push_back(world[r]);
  }
  if (sharing == Sharing::yes && here.size() != ranks_here) sharing = Sharing::out_of_reach;
  // This exchange also keeps each file open until all have mapped it.
  std::vector<Sharing> all(offers.size());
  channel.gather_all(info, &sharing, sizeof sharing, all.data());
  if (ranks_here == 1) return nullptr;
  // A rank that offers nothing is out of reach of the others, which is not why.
  Sharing why = Sharing::yes;
  size_t first_here = offers.size();
  for (size_t r = offers.size(); r-- > 0;) {
    if (offers[r].host != mine.host) continue;
    first_here = r;
    if (why == Sharing::yes || all[r] != Sharing::out_of_reach)
      why = all[r] == Sharing::yes ? why : all[r];
  }
  if (why != Sharing::yes) {
    if (static_cast<int>(first_here) == channel.rank()) warn_once(text_of(why));
    return nullptr;
  }
  std::sort(here.begin(), here.end());
  const std::lock_guard lock(mutex_);
  std::byte* data = nullptr;
  for (Window& window : windows) {
    if (window.world_rank == info.world_rank) data = window.memory.data();
    window.mapped_by = here;
    windows_.push_back(std::move(window));
  }
  return std::make_unique<Block>(shared_from_this(), mine.number, data);
}

void Windows::warn_once(const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(warned_, true)) return;
  }
  log_warning("comm",
              "ranks of this machine cannot read each other's tensors where they lie, so "
              "collectives copy, which is slower: {}",
              reason);
}

void Windows::close(uint64_t block) {
  const std::lock_guard lock(mutex_);
  std::erase_if(windows_, [&](const Window& window) { return window.block == block; });
}

Place Windows::find(int world_rank, const std::vector<int>& group, const void* data,
                    size_t bytes) const {
  if (bytes == 0) return {Place::kNothing, 0};
  const auto* at = static_cast<const std::byte*>(data);
  const std::lock_guard lock(mutex_);
  const auto holds = [&](const Window& window) {
    const std::byte* begin = window.memory.data();
    return window.world_rank == world_rank && at >= begin &&
           at + bytes <= begin + window.memory.bytes();
  };
  const auto found = std::find_if(windows_.begin(), windows_.end(), holds);
  if (found == windows_.end()) return {};
  for (const int rank : group)
    if (!std::binary_search(found->mapped_by.begin(), found->mapped_by.end(), rank)) return {};
  return {found->number, static_cast<uint64_t>(at - found->memory.data())};
}

std::byte* Windows::reach(int world_rank, const Place& place) const {
  const std::lock_guard lock(mutex_);
  for (const Window& window : windows_)
    if (window.world_rank == world_rank && window.number == place.window)
      return window.memory.data() + place.offset;
  return nullptr;
}

}  // namespace tessera

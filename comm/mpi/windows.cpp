#include "comm/mpi/windows.h"

#include <algorithm>

#include "base/log.h"

namespace tessera {

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
  if (own.data() != nullptr && own.use_huge_pages()) mine.file = file.offer();
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
  // This exchange also keeps each file open until all have mapped it.
  const char reached = here.size() == ranks_here;
  std::vector<char> all(offers.size());
  channel.gather_all(info, &reached, 1, all.data());
  bool together = true;
  for (size_t r = 0; r < offers.size(); ++r)
    if (offers[r].host == mine.host) together = together && all[r] != 0;
  if (ranks_here == 1) return nullptr;
  if (!together) {
    log_info("comm", "ranks of this machine cannot share {} bytes in huge pages; collectives copy",
             bytes);
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

#include "comm/mpi/shared_region.h"

#include <optional>

#include "comm/mpi/posts.h"

namespace tessera {
namespace {

constexpr size_t kPage = 4096;

size_t to_pages(size_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

size_t board_bytes(int ranks) {
  return to_pages(BoardMemory::bytes(ranks));
}

size_t count_bytes(int ranks) {
  const size_t n = static_cast<size_t>(ranks);
  return to_pages(2 * n * 2 * n * sizeof(uint64_t));
}

size_t place_bytes(int ranks) {
  return to_pages(2 * static_cast<size_t>(ranks) * 2 * sizeof(Place));
}

constexpr size_t kRankBytes = 2 * (SharedRegion::kChunk + SharedRegion::kResult);

}  // namespace

size_t SharedRegion::bytes(int ranks) {
  return board_bytes(ranks) + count_bytes(ranks) + place_bytes(ranks) +
         static_cast<size_t>(ranks) * kRankBytes + Posts::bytes(ranks);
}

std::byte* SharedRegion::posts() const {
  return staged(0, ranks_);
}

uint64_t* SharedRegion::counts(size_t parity, int rank) const {
  const size_t n = static_cast<size_t>(ranks_);
  auto* table = reinterpret_cast<uint64_t*>(memory_.data() + board_bytes(ranks_));
  return table + (parity * n + static_cast<size_t>(rank)) * 2 * n;
}

Place* SharedRegion::places(size_t parity, int rank) const {
  auto* table =
      reinterpret_cast<Place*>(memory_.data() + board_bytes(ranks_) + count_bytes(ranks_));
  return table + (parity * static_cast<size_t>(ranks_) + static_cast<size_t>(rank)) * 2;
}

std::byte* SharedRegion::staged(size_t parity, int rank) const {
  return memory_.data() + board_bytes(ranks_) + count_bytes(ranks_) + place_bytes(ranks_) +
         static_cast<size_t>(rank) * kRankBytes + parity * kChunk;
}

std::byte* SharedRegion::result(size_t parity, int rank) const {
  return staged(0, rank) + 2 * kChunk + parity * kResult;
}

std::unique_ptr<SharedRegion> make_shared_region(Channel& channel, const CallInfo& info) {
  const int ranks = channel.size();
  std::optional<SharedFile> file;
  SharedFileOffer offer;
  if (channel.rank() == 0) {
    file.emplace(SharedRegion::bytes(ranks));
    offer = file->offer();
    std::vector<Outgoing> out;
    for (int r = 1; r < ranks; ++r) out.push_back({&offer, sizeof(offer), r});
    channel.exchange(info, out, {});
  } else {
    const Incoming in{&offer, sizeof(offer), 0};
    channel.exchange(info, {}, {&in, 1});
    if (offer.bytes == SharedRegion::bytes(ranks)) file.emplace(offer);
  }
  std::unique_ptr<SharedRegion> region;
  if (file && file->exists()) {
    SharedMapping memory(*file);
    if (memory.data() != nullptr) region = std::make_unique<SharedRegion>(std::move(memory), ranks);
  }
  // Rank 0's exchange with the others below comes after: they look at the board no earlier.
  if (region && channel.rank() == 0) BoardMemory::create(region->board(), ranks);
  // Everyone keeps it or no one does. The exchange also keeps rank 0's file open until then.
  const char reached = region != nullptr;
  std::vector<char> all(static_cast<size_t>(ranks));
  channel.gather_all(info, &reached, 1, all.data());
  for (const char one : all)
    if (!one) return nullptr;
  return region;
}

}  // namespace tessera

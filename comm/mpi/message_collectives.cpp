#include "comm/mpi/message_collectives.h"

#include <algorithm>
#include <cstring>

#include "comm/blocks.h"
#include "comm/reduce.h"

namespace tessera {
namespace {

constexpr size_t kPieceBytes = size_t{2} << 20;  // of a vector reduced at a time
constexpr size_t kDirectBroadcast = 64 * 1024;

std::byte* bytes_of(void* data) {
  return static_cast<std::byte*>(data);
}
const std::byte* bytes_of(const void* data) {
  return static_cast<const std::byte*>(data);
}

}  // namespace

// Collects the messages of one exchange; empty ones and those to oneself are left out.
struct MessageCollectives::Messages {
  explicit Messages(int rank) : self(rank) {}
  void send(int peer, const std::byte* data, size_t bytes) {
    if (peer != self && bytes > 0) out.push_back({data, bytes, peer});
  }
  void receive(int peer, std::byte* data, size_t bytes) {
    if (peer != self && bytes > 0) in.push_back({data, bytes, peer});
  }
  int self;
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
};

// Slice r of the piece, at slices[r] from `send`, goes to rank r.
struct MessageCollectives::Piece {
  const std::byte* send;
  std::byte* result;
  std::vector<Slice> slices;
};

// A piece of an all-reduce whose slices are reduced, each by its rank.
struct MessageCollectives::Reduced {
  std::byte* data = nullptr;
  size_t count = 0;
};

void MessageCollectives::reduce_piece(const CallInfo& info, const Piece& piece,
                                      const Reduced& before) {
  const size_t element = size_of(info.call.type);
  const int rank = channel_.rank(), size = channel_.size();
  const size_t mine = piece.slices[rank].size;
  arrived_.resize(mine * element * static_cast<size_t>(size));
  Messages messages(rank);
  std::vector<const void*> sources;
  for (int r = 0; r < size; ++r) {
    std::byte* from_r = arrived_.data() + static_cast<size_t>(r) * mine * element;
    messages.send(r, piece.send + piece.slices[r].begin * element, piece.slices[r].size * element);
    messages.receive(r, from_r, mine * element);
    sources.push_back(r == rank ? piece.send + piece.slices[rank].begin * element : from_r);
  }
  add_slices(info, before, messages);
  channel_.exchange(info, messages.out, messages.in);
  reduce(info.call.type, info.call.op, piece.result, sources, mine);
}

void MessageCollectives::add_slices(const CallInfo& info, const Reduced& piece,
                                    Messages& messages) const {
  const size_t element = size_of(info.call.type), size = static_cast<size_t>(channel_.size());
  const Slice mine = slice_of(piece.count, size, static_cast<size_t>(channel_.rank()));
  for (size_t r = 0; r < size; ++r) {
    const Slice theirs = slice_of(piece.count, size, r);
    messages.send(static_cast<int>(r), piece.data + mine.begin * element, mine.size * element);
    messages.receive(static_cast<int>(r), piece.data + theirs.begin * element,
                     theirs.size * element);
  }
}

void MessageCollectives::gather_slices(const CallInfo& info, const Reduced& piece) {
  Messages messages(channel_.rank());
  add_slices(info, piece, messages);
  channel_.exchange(info, messages.out, messages.in);
}

void MessageCollectives::broadcast(const CallInfo& info, void* data) {
  channel_.agree(info);
  const size_t bytes = info.call.count, size = static_cast<size_t>(channel_.size());
  const auto& world = channel_.world_ranks();
  const int root =
      static_cast<int>(std::find(world.begin(), world.end(), info.call.root) - world.begin());
  const bool direct = bytes <= kDirectBroadcast || size == 2;
  Messages messages(channel_.rank());
  for (size_t r = 0; r < size; ++r) {
    const int peer = static_cast<int>(r);
    const Slice part = direct ? Slice{0, bytes} : slice_of(bytes, size, r);
    if (channel_.rank() == root) messages.send(peer, bytes_of(data) + part.begin, part.size);
    if (channel_.rank() == peer) messages.receive(root, bytes_of(data) + part.begin, part.size);
  }
  channel_.exchange(info, messages.out, messages.in);
  if (!direct) gather_slices(info, {bytes_of(data), bytes});
}

void MessageCollectives::all_gather(const CallInfo& info, const void* send, void* recv) {
  channel_.agree(info);
  const size_t element = size_of(info.call.type);
  const int rank = channel_.rank();
  const size_t mine = info.counts[rank] * element;
  Messages messages(rank);
  std::byte* to = bytes_of(recv);
  for (int r = 0; r < channel_.size(); ++r) {
    const size_t bytes = info.counts[r] * element;
    if (r == rank && bytes > 0 && to != send) std::memcpy(to, send, bytes);
    messages.send(r, bytes_of(send), mine);
    messages.receive(r, to, bytes);
    to += bytes;
  }
  channel_.exchange(info, messages.out, messages.in);
}

void MessageCollectives::all_reduce(const CallInfo& info, const void* send, void* recv) {
  channel_.agree(info);
  const size_t element = size_of(info.call.type), size = static_cast<size_t>(channel_.size());
  const size_t count = info.call.count;
  if (count * element <= kReducedByAll) {
    arrived_.resize(count * element * size);
    channel_.gather_all(info, send, count * element, arrived_.data());
    std::vector<const void*> sources;
    for (size_t r = 0; r < size; ++r) sources.push_back(arrived_.data() + r * count * element);
    return reduce(info.call.type, info.call.op, recv, sources, count);
  }
  const size_t each = kPieceBytes / element;
  Reduced before;
  for (size_t begin = 0; begin < count; begin += each) {
    const size_t n = std::min(each, count - begin);
    std::byte* to = bytes_of(recv) + begin * element;
    Piece piece{bytes_of(send) + begin * element, to, {}};
    for (size_t r = 0; r < size; ++r) piece.slices.push_back(slice_of(n, size, r));
    piece.result = to + piece.slices[static_cast<size_t>(channel_.rank())].begin * element;
    reduce_piece(info, piece, before);
    before = {to, n};
  }
  gather_slices(info, before);
}

void MessageCollectives::reduce_scatter(const CallInfo& info, const void* send, void* recv) {
  channel_.agree(info);
  const size_t element = size_of(info.call.type);
  const size_t each = kPieceBytes / element / static_cast<size_t>(channel_.size()) + 1;
  const size_t longest = *std::max_element(info.counts.begin(), info.counts.end());
  for (size_t begin = 0; begin < longest; begin += each) {
    Piece piece{bytes_of(send), bytes_of(recv), {}};
    size_t block = 0;
    for (const size_t count : info.counts) {
      const size_t skipped = std::min(begin, count);
      piece.slices.push_back({block + skipped, std::min(each, count - skipped)});
      block += count;
    }
    piece.result += std::min(begin, info.counts[channel_.rank()]) * element;
    reduce_piece(info, piece, {});
  }
}

// Only the two ends of a pair know what it should carry, so each checks its own and all hear the
// verdict.
void MessageCollectives::check_pairs(const CallInfo& info) {
  const size_t size = static_cast<size_t>(channel_.size());
  std::vector<uint64_t> sent(info.counts.begin(), info.counts.end()), theirs(size);
  Messages messages(channel_.rank());
  for (size_t r = 0; r < size; ++r) {
    messages.send(static_cast<int>(r), bytes_of(&sent[r]), sizeof(uint64_t));
    messages.receive(static_cast<int>(r), bytes_of(&theirs[r]), sizeof(uint64_t));
  }
  theirs[channel_.rank()] = sent[channel_.rank()];
  channel_.exchange(info, messages.out, messages.in);

  struct Verdict {
    int32_t from = -1;
    uint64_t sent = 0;
    uint64_t expected = 0;
  } mine;
  for (size_t r = 0; r < size && mine.from < 0; ++r)
    if (theirs[r] != info.recv_counts[r])
      mine = {static_cast<int32_t>(r), theirs[r], info.recv_counts[r]};
  std::vector<Verdict> verdicts(size);
  channel_.gather_all(info, &mine, sizeof(mine), verdicts.data());
  const auto& world = channel_.world_ranks();
  for (size_t r = 0; r < size; ++r)
    if (verdicts[r].from >= 0)
      channel_.reject(info, unequal_pair_text(world[verdicts[r].from], verdicts[r].sent, world[r],
                                              verdicts[r].expected));
}

void MessageCollectives::all_to_all(const CallInfo& info, const void* send, void* recv) {
  channel_.agree(info);
  check_pairs(info);
  const size_t element = size_of(info.call.type);
  Messages messages(channel_.rank());
  const std::byte* from = bytes_of(send);
  std::byte* to = bytes_of(recv);
  for (int r = 0; r < channel_.size(); ++r) {
    const size_t out = info.counts[r] * element, in = info.recv_counts[r] * element;
    if (r == channel_.rank() && out > 0) std::memcpy(to, from, out);
    messages.send(r, from, out);
    messages.receive(r, to, in);
    from += out;
    to += in;
  }
  channel_.exchange(info, messages.out, messages.in);
}

}  // namespace tessera

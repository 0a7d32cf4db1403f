#include "comm/mpi/message_collectives.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
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

// What came along with a call, at its place. Calls that are alike send alike.
void take(std::span<const std::byte> came, std::byte* to, size_t bytes) {
  TESSERA_CHECK(came.size() == bytes)
      << came.size() << " bytes came along with a call, not " << bytes;
  if (bytes > 0) std::memcpy(to, came.data(), bytes);
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
  const size_t bytes = info.call.count, size = static_cast<size_t>(channel_.size());
  const auto& world = channel_.world_ranks();
  const int root =
      static_cast<int>(std::find(world.begin(), world.end(), info.call.root) - world.begin());
  Messages messages(channel_.rank());
  if (bytes <= Channel::kAlong) {
    for (size_t r = 0; r < size && channel_.rank() == root; ++r)
      messages.send(static_cast<int>(r), bytes_of(data), bytes);
    const auto came = channel_.agree(info, messages.out);
    if (channel_.rank() != root) take(came[static_cast<size_t>(root)], bytes_of(data), bytes);
    return;
  }
  channel_.agree(info);
  const bool direct = bytes <= kDirectBroadcast || size == 2;
  for (size_t r = 0; r < size; ++r) {
    const int peer = static_cast<int>(r);
    const Slice part = direct ? Slice{0, bytes} : slice_of(bytes, size, r);
    if (channel_.rank() == root) messages.send(peer, bytes_of(data) + part.begin, part.size);
    if (channel_.rank() == peer) messages.receive(root, bytes_of(data) + part.begin, part.size);
  }
  channel_.exchange(info, messages.out, messages.in);
  if (!direct) gather_slices(info, {bytes_of(data), bytes});
}

// All blocks are short, or none goes along.
bool MessageCollectives::goes_along(const CallInfo& info) const {
  const size_t longest = *std::max_element(info.counts.begin(), info.counts.end());
  return longest * size_of(info.call.type) <= Channel::kAlong;
}

void MessageCollectives::all_gather(const CallInfo& info, const void* send, void* recv) {
  const size_t element = size_of(info.call.type);
  const int rank = channel_.rank();
  const size_t mine = info.counts[rank] * element;
  Messages messages(rank);
  std::byte* to = bytes_of(recv);
  if (goes_along(info)) {
    for (int r = 0; r < channel_.size(); ++r) messages.send(r, bytes_of(send), mine);
    const auto came = channel_.agree(info, messages.out);
    for (int r = 0; r < channel_.size(); ++r) {
      const size_t bytes = info.counts[r] * element;
      if (r != rank)
        take(came[static_cast<size_t>(r)], to, bytes);
      else if (bytes > 0 && to != send)
        std::memcpy(to, send, bytes);
      to += bytes;
    }
    return;
  }
  channel_.agree(info);
  for (int r = 0; r < channel_.size(); ++r) {
    const size_t bytes = info.counts[r] * element;
    if (r == rank && bytes > 0 && to != send) std::memcpy(to, send, bytes);
    messages.send(r, bytes_of(send), mine);
    messages.receive(r, to, bytes);
    to += bytes;
  }
  channel_.exchange(info, messages.out, messages.in);
}

// Reduces what came along and what this rank has itself.
void MessageCollectives::reduce_along(const CallInfo& info, const Messages& messages,
                                      const void* own, void* result, size_t count) {
  const auto came = channel_.agree(info, messages.out);
  const size_t bytes = count * size_of(info.call.type);
  std::vector<const void*> sources;
  for (size_t r = 0; r < came.size(); ++r) {
    const bool self = static_cast<int>(r) == channel_.rank();
    TESSERA_CHECK(self || came[r].size() == bytes)
        << came[r].size() << " bytes came along with a call, not " << bytes;
    sources.push_back(self ? own : came[r].data());
  }
  reduce(info.call.type, info.call.op, result, sources, count);
}

void MessageCollectives::all_reduce(const CallInfo& info, const void* send, void* recv) {
  const size_t element = size_of(info.call.type), size = static_cast<size_t>(channel_.size());
  const size_t count = info.call.count;
  // Beyond, sending all of it to everybody takes longer than the two exchanges that it saves.
  if (count * element <= std::max(kReducedByAll, Channel::kAlong / (size - 1))) {
    Messages messages(channel_.rank());
    for (size_t r = 0; r < size; ++r)
      messages.send(static_cast<int>(r), bytes_of(send), count * element);
    return reduce_along(info, messages, send, recv, count);
  }
  channel_.agree(info);
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
  const size_t element = size_of(info.call.type);
  if (goes_along(info)) {
    Messages messages(channel_.rank());
    const std::byte* block = bytes_of(send);
    const void* own = block;
    for (int r = 0; r < channel_.size(); ++r) {
      if (r == channel_.rank()) own = block;
      messages.send(r, block, info.counts[r] * element);
      block += info.counts[r] * element;
    }
    return reduce_along(info, messages, own, recv, info.counts[channel_.rank()]);
  }
  channel_.agree(info);
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

// Each rank tells every other what it sends to whom and what it expects from whom, so all of them
// find the same fault; what is short goes along.
void MessageCollectives::all_to_all(const CallInfo& info, const void* send, void* recv) {
  const size_t element = size_of(info.call.type), size = static_cast<size_t>(channel_.size());
  const auto rank = static_cast<size_t>(channel_.rank());
  std::vector<uint64_t> table(info.counts.begin(), info.counts.end());
  table.insert(table.end(), info.recv_counts.begin(), info.recv_counts.end());
  const size_t table_bytes = table.size() * sizeof(uint64_t);
  std::vector<std::byte> parcels;
  std::vector<size_t> ends;
  const std::byte* from = bytes_of(send);
  for (size_t r = 0; r < size; ++r) {
    const size_t bytes = info.counts[r] * element;
    const auto* head = reinterpret_cast<const std::byte*>(table.data());
    if (r != rank) parcels.insert(parcels.end(), head, head + table_bytes);
    if (r != rank && bytes <= Channel::kAlong) parcels.insert(parcels.end(), from, from + bytes);
    ends.push_back(parcels.size());
    from += bytes;
  }
  Messages along(channel_.rank());
  for (size_t r = 0; r < size; ++r) {
    const size_t begin = r == 0 ? 0 : ends[r - 1];
    along.send(static_cast<int>(r), parcels.data() + begin, ends[r] - begin);
  }
  const auto came = channel_.agree(info, along.out);
  std::vector<std::vector<uint64_t>> tables(size, table);
  for (size_t r = 0; r < size; ++r)
    if (r != rank) std::memcpy(tables[r].data(), came[r].data(), table_bytes);
  const std::string fault = find_unequal_pair(
      channel_.world_ranks(),
      [&](int a, int b) { return tables[static_cast<size_t>(a)][static_cast<size_t>(b)]; },
      [&](int a, int b) { return tables[static_cast<size_t>(b)][size + static_cast<size_t>(a)]; });
  if (!fault.empty()) channel_.reject(info, fault);

  Messages messages(channel_.rank());
  from = bytes_of(send);
  std::byte* to = bytes_of(recv);
  for (size_t r = 0; r < size; ++r) {
    const int peer = static_cast<int>(r);
    const size_t out = info.counts[r] * element, in = info.recv_counts[r] * element;
    if (r == rank && out > 0) std::memcpy(to, from, out);
    if (out > Channel::kAlong) messages.send(peer, from, out);
    if (in > Channel::kAlong)
      messages.receive(peer, to, in);
    else if (r != rank)
      take(came[r].subspan(table_bytes), to, in);
    from += out;
    to += in;
  }
  channel_.exchange(info, messages.out, messages.in);
}

}  // namespace tessera

// Collectives on memory that ranks share: the same results, wherever the buffers of a call lie.
#include <numeric>

#include "tests/comm/conformance.h"
#include "tests/comm/test_data.h"

namespace tessera {
namespace {

class SharedBlocks : public Conformance {};

// Takes pieces from the rank's block while there is one, and from elsewhere otherwise, or on
// request.
class Room {
 public:
  Room(Communicator& comm, size_t bytes) : block_(comm.share(bytes)), bytes_(bytes) {}

  bool shared() const { return block_ != nullptr; }
  template <typename T>
  T* take(size_t count, bool elsewhere = false) {
    const size_t begin = (used_ + 63) / 64 * 64, bytes = count * sizeof(T);
    if (elsewhere || !block_ || begin + bytes > bytes_) {
      others_.emplace_back(bytes + 1);
      return reinterpret_cast<T*>(others_.back().data());
    }
    used_ = begin + bytes;
    return reinterpret_cast<T*>(block_->data() + begin);
  }
  void clear() {
    used_ = 0;
    others_.clear();
  }

 private:
  std::unique_ptr<SharedBlock> block_;
  const size_t bytes_;
  size_t used_ = 0;
  std::vector<std::vector<std::byte>> others_;
};

template <typename T>
void expect(const T* got, const std::vector<T>& wanted, const std::string& what) {
  expect_same(std::vector<T>(got, got + wanted.size()), wanted, what);
}

template <typename T>
T* filled(Room& room, const std::vector<T>& values, bool elsewhere) {
  T* place = room.take<T>(values.size(), elsewhere);
  std::copy(values.begin(), values.end(), place);
  return place;
}

// Every collective on some `count` elements; buffers of ranks for which `elsewhere` holds are
// ordinary memory.
template <typename T>
void check_all(Communicator& comm, Room& room, size_t count, bool elsewhere) {
  const int rank = comm.rank(), size = comm.size();
  const DType type = dtype_of<T>();
  const auto sum = reduced<T>(size, ReduceOp::sum, count);
  room.clear();
  const std::vector<T> mine = elements<T>(rank, count);
  T* values = filled(room, mine, elsewhere);
  T* got = room.take<T>(count, elsewhere);
  comm.all_reduce(values, got, count, type, ReduceOp::sum);
  expect(got, sum, "all_reduce");
  expect(values, mine, "what was reduced");
  comm.all_reduce(values, values, count, type, ReduceOp::sum);
  expect(values, sum, "all_reduce in place");

  room.clear();
  std::vector<size_t> counts;  // uneven, one of them empty
  for (int r = 0; r < size; ++r) counts.push_back(r == 1 ? 0 : count / 3 + static_cast<size_t>(r));
  const size_t total = std::accumulate(counts.begin(), counts.end(), size_t{0});
  const size_t before = std::accumulate(counts.begin(), counts.begin() + rank, size_t{0});
  const size_t own = counts[static_cast<size_t>(rank)];
  T* scattered = room.take<T>(own, elsewhere);
  comm.reduce_scatter(filled(room, elements<T>(rank, total), elsewhere), scattered, counts, type,
                      ReduceOp::sum);
  expect(scattered, reduced<T>(size, ReduceOp::sum, own, before), "reduce_scatter");

  room.clear();
  std::vector<T> all;
  for (int r = 0; r < size; ++r)
    for (const T& value : elements<T>(r, counts[static_cast<size_t>(r)])) all.push_back(value);
  T* gathered = room.take<T>(total, elsewhere);
  comm.all_gather(filled(room, elements<T>(rank, own), elsewhere), gathered, counts, type);
  expect(gathered, all, "all_gather");
  std::fill(gathered, gathered + total, T{});
  const std::vector<T> block = elements<T>(rank, own);
  std::copy(block.begin(), block.end(), gathered + before);
  comm.all_gather(gathered + before, gathered, counts, type);
  expect(gathered, all, "all_gather in place");

  // Rank a sends (a + 2 b) % 3 thirds to rank b: some of them nothing.
  room.clear();
  const auto amount = [&](int from, int to) {
    return static_cast<size_t>((from + 2 * to) % 3) * (count / 3);
  };
  std::vector<size_t> out, in;
  std::vector<T> sent, wanted;
  for (int r = 0; r < size; ++r) {
    out.push_back(amount(rank, r));
    in.push_back(amount(r, rank));
    for (const T& v : elements<T>(rank, out.back(), static_cast<size_t>(r))) sent.push_back(v);
    for (const T& v : elements<T>(r, in.back(), static_cast<size_t>(rank))) wanted.push_back(v);
  }
  T* received = room.take<T>(wanted.size(), elsewhere);
  comm.all_to_all(filled(room, sent, elsewhere), out, received, in, type);
  expect(received, wanted, "all_to_all");

  for (int root = 0; root < size; ++root) {
    room.clear();
    T* data = room.take<T>(count, elsewhere);
    const std::vector<T> theirs = elements<T>(root, count);
    std::fill(data, data + count, T{});
    if (rank == root) std::copy(theirs.begin(), theirs.end(), data);
    comm.broadcast(data, count * sizeof(T), root);
    expect(data, theirs, "broadcast");
  }
}

constexpr size_t kBytes = size_t{3} << 20;

TEST_P(SharedBlocks, HoldBuffersOfEverySize) {
  expect_success([](Communicator& comm) {
    // Each rank asks for as much as it likes.
    Room room(comm, kBytes + static_cast<size_t>(comm.rank()) * 5000);
    for (const size_t count : {0, 1, 1021, 8191, 50'003}) {
      check_all<float>(comm, room, count, false);
      check_all<int64_t>(comm, room, count, false);
    }
    check_all<float>(comm, room, 300'001, false);  // in part too long for the block
  });
}

TEST_P(SharedBlocks, HoldVectorsThatNoCacheKeeps) {
  expect_success([](Communicator& comm) {
    constexpr size_t kCount = 2'80'003;
    Room room(comm, 2 * kCount * sizeof(int64_t) + 4096);
    auto* values = room.take<int64_t>(kCount);
    auto* got = room.take<int64_t>(kCount);
    for (size_t i = 0; i < kCount; ++i) values[i] = static_cast<int64_t>(i) + comm.rank();
    const int64_t ranks = comm.size(), extra = ranks * (ranks - 1) / 2;
    comm.all_reduce(values, got, kCount, DType::i64, ReduceOp::sum);
    for (size_t i = 0; i < kCount; ++i)
      RANK_EXPECT(got[i] == static_cast<int64_t>(i) * ranks + extra);
    comm.broadcast(values, kCount * sizeof(int64_t), comm.size() - 1);
    for (size_t i = 0; i < kCount; ++i)
      RANK_EXPECT(values[i] == static_cast<int64_t>(i) + ranks - 1);
    std::vector<size_t> counts(static_cast<size_t>(ranks), kCount / static_cast<size_t>(ranks));
    comm.all_gather(values, got, counts, DType::i64);
    for (size_t i = 0; i < counts[0] * counts.size(); ++i)
      RANK_EXPECT(got[i] == values[i % counts[0]]);
  });
}

TEST_P(SharedBlocks, MayHoldTheBuffersOfSomeRanksOnly) {
  expect_success([](Communicator& comm) {
    Room room(comm, kBytes);
    for (int odd_one = 0; odd_one < comm.size(); ++odd_one)
      for (const size_t count : {1021, 50'003})
        check_all<double>(comm, room, count, comm.rank() == odd_one);
  });
}

TEST_P(SharedBlocks, ServeGroupsAndGoWithTheirOwner) {
  expect_success([](Communicator& comm) {
    auto half = comm.split(comm.rank() % 2, -comm.rank());
    {
      Room first(comm, 1 << 20), second(comm, kBytes);
      check_all<float>(*half, second, 80'003, false);
      check_all<float>(*half, first, 20'003, false);
    }
    Room of_half(*half, kBytes);
    check_all<float>(*half, of_half, 80'003, false);
    // Memory of a group that is given to another one.
    check_all<float>(comm, of_half, 20'021, false);
  });
}

TEST_P(SharedBlocks, BeginWithZeros) {
  expect_success([](Communicator& comm) {
    const auto block = comm.share(3 << 20);
    const auto* bytes = block ? block->data() : nullptr;
    for (size_t i = 0; bytes != nullptr && i < (3 << 20); i += 512)
      RANK_EXPECT(bytes[i] == std::byte{0});
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, SharedBlocks, testing::ValuesIn(harnesses()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tessera

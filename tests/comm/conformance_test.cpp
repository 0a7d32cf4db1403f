#include "tests/comm/conformance.h"

#include <limits>
#include <numeric>

#include "tests/comm/test_data.h"

namespace tessera {
namespace {

// None, one, a prime, more than one chunk of any transport, and a large one.
const std::vector<size_t> kSizes = {0, 1, 7, 1021, 100'003, size_t{1} << 20};

// Rank r's share of about `count` elements: uneven, some of them empty.
std::vector<size_t> uneven(int ranks, size_t count) {
  std::vector<size_t> counts;
  for (int r = 0; r < ranks; ++r)
    counts.push_back(r % 3 == 1 ? 0 : count / static_cast<size_t>(ranks) + static_cast<size_t>(r));
  return counts;
}

size_t sum_of(const std::vector<size_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), size_t{0});
}

template <typename T>
void check_all_reduce(Communicator& comm, ReduceOp op, size_t count) {
  const auto wanted = reduced<T>(comm.size(), op, count);
  std::vector<T> values = elements<T>(comm.rank(), count), got(count);
  comm.all_reduce(values.data(), got.data(), count, dtype_of<T>(), op);
  expect_same(got, wanted, "all_reduce");
  comm.all_reduce(values.data(), values.data(), count, dtype_of<T>(), op);
  expect_same(values, wanted, "all_reduce in place");
}

template <typename T>
void check_reduce_scatter(Communicator& comm, ReduceOp op, const std::vector<size_t>& counts) {
  const std::vector<T> values = elements<T>(comm.rank(), sum_of(counts));
  std::vector<T> got(counts[comm.rank()]);
  comm.reduce_scatter(values.data(), got.data(), counts, dtype_of<T>(), op);
  const size_t first = std::accumulate(counts.begin(), counts.begin() + comm.rank(), size_t{0});
  expect_same(got, reduced<T>(comm.size(), op, got.size(), first), "reduce_scatter");
}

template <typename T>
void check_all_gather(Communicator& comm, const std::vector<size_t>& counts) {
  std::vector<T> wanted, got(sum_of(counts));
  for (int r = 0; r < comm.size(); ++r)
    for (const T& value : elements<T>(r, counts[r])) wanted.push_back(value);
  const std::vector<T> mine = elements<T>(comm.rank(), counts[comm.rank()]);
  comm.all_gather(mine.data(), got.data(), counts, dtype_of<T>());
  expect_same(got, wanted, "all_gather");

  std::vector<T> in_place(got.size());
  T* own = in_place.data() + std::accumulate(counts.begin(), counts.begin() + comm.rank(), 0ul);
  std::copy(mine.begin(), mine.end(), own);
  comm.all_gather(own, in_place.data(), counts, dtype_of<T>());
  expect_same(in_place, wanted, "all_gather in place");
}

// Rank a sends (a + 2 b) % 3 * step elements to rank b; some pairs exchange nothing.
template <typename T>
void check_all_to_all(Communicator& comm, size_t step) {
  auto amount = [&](int from, int to) { return static_cast<size_t>((from + 2 * to) % 3) * step; };
  std::vector<size_t> out, in;
  std::vector<T> values, wanted;
  for (int r = 0; r < comm.size(); ++r) {
    out.push_back(amount(comm.rank(), r));
    in.push_back(amount(r, comm.rank()));
    const size_t pair = static_cast<size_t>(r) * 1000;
    for (const T& v : elements<T>(comm.rank(), out.back(), pair)) values.push_back(v);
    const size_t mine = static_cast<size_t>(comm.rank()) * 1000;
    for (const T& v : elements<T>(r, in.back(), mine)) wanted.push_back(v);
  }
  std::vector<T> got(wanted.size());
  comm.all_to_all(values.data(), out, got.data(), in, dtype_of<T>());
  expect_same(got, wanted, "all_to_all");
}

template <typename T>
void check_numbers(Communicator& comm, size_t count) {
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::prod, ReduceOp::max, ReduceOp::min}) {
    check_all_reduce<T>(comm, op, count);
    check_reduce_scatter<T>(comm, op, uneven(comm.size(), count));
  }
}

TEST_P(Conformance, ReducesEveryTypeWithEveryOperator) {
  expect_success([](Communicator& comm) {
    for (const size_t count : {0, 1, 5, 2003, 70'001}) {
      check_numbers<float>(comm, count);
      check_numbers<double>(comm, count);
      check_numbers<int32_t>(comm, count);
      check_numbers<int64_t>(comm, count);
      for (const ReduceOp op :
           {ReduceOp::prod, ReduceOp::max, ReduceOp::min, ReduceOp::any, ReduceOp::all})
        check_all_reduce<Byte>(comm, op, count);
    }
  });
}

TEST_P(Conformance, ReducesEverySize) {
  expect_success([](Communicator& comm) {
    for (const size_t count : kSizes) {
      check_all_reduce<float>(comm, ReduceOp::sum, count);
      check_reduce_scatter<float>(comm, ReduceOp::sum, uneven(comm.size(), count));
      check_reduce_scatter<double>(
          comm, ReduceOp::sum, std::vector<size_t>(static_cast<size_t>(comm.size()), count / 5));
    }
    // Longer than one piece of the message path.
    check_all_reduce<double>(comm, ReduceOp::sum, (size_t{1} << 20) + 12'345);
  });
}

TEST_P(Conformance, GathersEverySize) {
  expect_success([](Communicator& comm) {
    for (const size_t count : kSizes) {
      check_all_gather<float>(comm, uneven(comm.size(), count));
      check_all_gather<Byte>(comm, uneven(comm.size(), count));
      check_all_gather<int64_t>(comm,
                                std::vector<size_t>(static_cast<size_t>(comm.size()), count / 7));
    }
    std::vector<size_t> one_holds_all(static_cast<size_t>(comm.size()), 0);
    one_holds_all.back() = 5000;
    check_all_gather<double>(comm, one_holds_all);
  });
}

TEST_P(Conformance, ExchangesBetweenAll) {
  expect_success([](Communicator& comm) {
    for (const size_t step : {0, 1, 13, 1021, 150'001}) {
      check_all_to_all<float>(comm, step);
      check_all_to_all<Byte>(comm, step);
      check_all_to_all<double>(comm, step);
    }
  });
}

TEST_P(Conformance, BroadcastsFromEveryRoot) {
  expect_success([](Communicator& comm) {
    for (int root = 0; root < comm.size(); ++root)
      for (const size_t count : kSizes) {
        const auto wanted = elements<int32_t>(root, count);
        std::vector<int32_t> got = comm.rank() == root ? wanted : std::vector<int32_t>(count, -1);
        comm.broadcast(got.data(), count * sizeof(int32_t), root);
        expect_same(got, wanted, "broadcast");
      }
  });
}

TEST_P(Conformance, ManyShortBroadcastsArriveInOrder) {
  expect_success([](Communicator& comm) {
    for (int i = 0; i < 500; ++i) {
      const int root = i < 200 ? 0 : (i * 7 / 3) % comm.size();
      const size_t count = 1 + static_cast<size_t>(i * 37) % 1024;
      const auto wanted = elements<int32_t>(root, count, static_cast<size_t>(i));
      std::vector<int32_t> got = comm.rank() == root ? wanted : std::vector<int32_t>(count, -1);
      comm.broadcast(got.data(), count * sizeof(int32_t), root);
      expect_same(got, wanted, "broadcast");
      if (i % 100 == 99) comm.barrier();
    }
  });
}

TEST_P(Conformance, MaxAndMinKeepNan) {
  expect_success([](Communicator& comm) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    // Element i is NaN on rank i only; the last element nowhere.
    const size_t count = static_cast<size_t>(comm.size()) + 1;
    for (const size_t repeat : {1, 3000}) {
      std::vector<float> values(count * repeat, static_cast<float>(comm.rank())),
          got(values.size());
      for (size_t i = 0; i < values.size(); ++i)
        if (i % count == static_cast<size_t>(comm.rank())) values[i] = nan;
      for (const ReduceOp op : {ReduceOp::max, ReduceOp::min}) {
        comm.all_reduce(values.data(), got.data(), got.size(), DType::f32, op);
        const float last = op == ReduceOp::max ? static_cast<float>(comm.size() - 1) : 0.0f;
        for (size_t i = 0; i < got.size(); ++i)
          RANK_EXPECT(i % count + 1 == count ? got[i] == last : std::isnan(got[i]));
      }
    }
  });
}

TEST_P(Conformance, ManyShortCallsKeepTheirOrder) {
  expect_success([](Communicator& comm) {
    int64_t total = 0;
    for (int64_t i = 0; i < 300; ++i) {
      int64_t value = i * (comm.rank() + 1), sum = 0;
      comm.all_reduce(&value, &sum, 1, DType::i64, ReduceOp::sum);
      RANK_EXPECT(sum == i * comm.size() * (comm.size() + 1) / 2);
      if (i % 7 == 0) comm.barrier();
      int64_t root_value = comm.rank() == i % comm.size() ? i : -1;
      comm.broadcast(&root_value, sizeof(root_value), static_cast<int>(i % comm.size()));
      total += root_value;
    }
    RANK_EXPECT(total == 300 * 299 / 2);
  });
}

TEST_P(Conformance, SplitsByColorAndKey) {
  expect_success([](Communicator& comm) {
    const int rank = comm.rank(), size = comm.size();
    // Even and odd ranks, each in reverse order.
    auto half = comm.split(rank % 2, -rank);
    const int members = (size + 1 - rank % 2) / 2;
    RANK_EXPECT(half->size() == members);
    RANK_EXPECT(half->rank() == members - 1 - rank / 2);
    int32_t sum = 0, world_rank = rank;
    half->all_reduce(&world_rank, &sum, 1, DType::i32, ReduceOp::sum);
    int32_t wanted = 0;
    for (int r = rank % 2; r < size; r += 2) wanted += r;
    RANK_EXPECT(sum == wanted);
    for (const size_t count : {3, 50'000}) check_all_reduce<float>(*half, ReduceOp::sum, count);

    // A group of a group; one rank stays out.
    auto rest = comm.split(rank == size - 1 ? -1 : 0, rank);
    RANK_EXPECT((rest == nullptr) == (rank == size - 1));
    if (rest) {
      auto alone = rest->split(rest->rank(), 0);
      RANK_EXPECT(alone->size() == 1 && alone->world_ranks()[0] == rank);
      check_all_gather<double>(*alone, {17});
      check_all_gather<double>(*rest, std::vector<size_t>(static_cast<size_t>(rest->size()), 9));
    }
    comm.barrier();
  });
}

TEST_P(Conformance, PassesMessagesByPeerAndTag) {
  expect_success([](Communicator& comm) {
    if (comm.size() == 1) return;
    const int next = (comm.rank() + 1) % comm.size();
    const int previous = (comm.rank() + comm.size() - 1) % comm.size();
    for (const size_t count : kSizes) {
      const auto mine = elements<float>(comm.rank(), count);
      std::vector<float> got(count);
      comm.send_recv({mine.data(), count * 4, next}, {got.data(), count * 4, previous}, 3);
      expect_same(got, elements<float>(previous, count), "ring");
    }
    if (comm.rank() == 0) {
      for (const int tag : {5, 6}) comm.send(&tag, sizeof(tag), 1, tag);
      int echo = 0;
      comm.recv(&echo, sizeof(echo), 1, 7);
      RANK_EXPECT(echo == 11);
    } else if (comm.rank() == 1) {
      int a = 0, b = 0;
      comm.recv(&a, sizeof(a), 0, 5);
      comm.recv(&b, sizeof(b), 0, 6);
      const int sum = a + b;
      comm.send(&sum, sizeof(sum), 0, 7);
    }
    comm.barrier();
  });
}

TEST_P(Conformance, RefusesUndefinedReductions) {
  const auto errors = run(
      [](Communicator& comm) {
        Byte value = 1;
        comm.all_reduce(&value, &value, 1, DType::b8, ReduceOp::sum);
      },
      std::chrono::seconds(10));
  for (const std::string& error : errors)
    EXPECT_NE(error.find("sum of bool is not defined"), std::string::npos) << error;
}

INSTANTIATE_TEST_SUITE_P(Ranks, Conformance, testing::ValuesIn(harnesses()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tessera

#include "launcher/bench/collectives.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "launcher/bench/collective_vectors.h"

namespace tessera {
namespace {

constexpr int kRounds = 5;  // in which each side has its turn
constexpr size_t kLeast = 4;
constexpr DType kType = DType::f32;

constexpr CallKind kKinds[] = {CallKind::all_reduce, CallKind::all_gather, CallKind::reduce_scatter,
                               CallKind::all_to_all, CallKind::broadcast};

std::string size_of_name(size_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB"};
  size_t unit = 0;
  while (bytes >= 1024 && bytes % 1024 == 0 && unit < 3) bytes /= 1024, ++unit;
  return fmt::format("{} {}", bytes, units[unit]);
}

RowResult measure_row(Communicator& world, PlainMpi& mpi, const CollectiveRow& row,
                      CollectiveRoom& room, double seconds) {
  CollectiveVectors vectors(row.kind, row.bytes, world, room);
  RowResult result;
  result.row.name = row.name();
  result.least_bytes = static_cast<double>(row.bytes);
  result.contenders.resize(2);
  result.contenders[0].name = "tessera";
  result.contenders[1].name = "mpi";
  result.contenders[1].version = PlainMpi::version();
  const std::function<void()> calls[] = {[&] { vectors.run(world); }, [&] { vectors.run(mpi); }};
  for (int round = 0; round < kRounds; ++round)
    for (size_t side = 0; side < 2; ++side) {
      const std::vector<double> times = time_calls(world, calls[side], seconds / kRounds);
      std::vector<double>& all = result.contenders[side].seconds;
      all.insert(all.end(), times.begin(), times.end());
    }
  for (Contender& each : result.contenders) std::sort(each.seconds.begin(), each.seconds.end());
  int32_t different = vectors.equal() ? 0 : 1, all = 0;
  world.all_reduce(&different, &all, 1, DType::i32, ReduceOp::sum);
  if (all > 0) result.problem = fmt::format("on {} ranks the result is not MPI's", all);
  return result;
}

}  // namespace

std::string CollectiveRow::name() const {
  return fmt::format("{} {} {}", name_of(kind), name_of(kType), size_of_name(bytes));
}

std::vector<CollectiveRow> collective_rows(int ranks, size_t most, const std::string& filter) {
  std::vector<CollectiveRow> rows;
  for (const CallKind kind : kKinds)
    for (size_t bytes = kLeast; bytes <= most; bytes *= bytes < (size_t{256} << 10) ? 16 : 4) {
      const CollectiveRow row{kind, bytes};
      if (goes_in_blocks(kind) && bytes % (size_of(kType) * static_cast<size_t>(ranks)) != 0)
        continue;
      if (row.name().find(filter) != std::string::npos) rows.push_back(row);
    }
  if (rows.empty())
    throw UserError(fmt::format(
        "no collective has `{}` in its name; names are like `all-reduce f32 64 MiB`, and --list "
        "prints them",
        filter));
  return rows;
}

SuiteResult measure_collectives(Communicator& world, const std::vector<CollectiveRow>& rows,
                                double seconds, const std::function<void(size_t)>& done) {
  PlainMpi mpi;
  SuiteResult result;
  result.suite.name = "collectives";
  result.suite.title = fmt::format("of {} ranks, beside MPI's own", world.size());
  size_t most = 0;
  for (const CollectiveRow& row : rows) most = std::max(most, row.bytes);
  CollectiveRoom room(world, most);
  for (const CollectiveRow& row : rows) {
    result.rows.push_back(measure_row(world, mpi, row, room, seconds));
    done(result.rows.size());
  }
  return result;
}

}  // namespace tessera

#include "codegen/schedule_choice.h"

#include <fmt/format.h>

#include <sstream>

namespace tessera {
namespace {

constexpr int64_t kMostLoops = 64;  // in one list; a LoopNest counts loops in 64 bits

void put(std::string& text, int64_t value) {
  text += fmt::format(" {}", value);
}
void put(std::string& text, const std::vector<int>& loops) {
  put(text, static_cast<int64_t>(loops.size()));
  for (int loop : loops) put(text, loop);
}

// Numbers in order. After the first that is missing or out of range, `good` is false.
class Numbers {
 public:
  explicit Numbers(const std::string& text) : stream_(text) {}

  bool good = true;

  std::string word() {
    std::string value;
    good = static_cast<bool>(stream_ >> value) && good;
    return value;
  }
  int64_t next(int64_t low, int64_t high) {
    int64_t value = 0;
    good = good && stream_ >> value && value >= low && value <= high;
    return good ? value : low;
  }
  int next_int(int low, int high) { return static_cast<int>(next(low, high)); }
  std::vector<int> loops() {
    std::vector<int> result;
    const int64_t count = next(0, kMostLoops);
    for (int64_t i = 0; i < count; ++i) result.push_back(next_int(0, kMostLoops - 1));
    return result;
  }
  bool at_end() { return good && (stream_ >> std::ws).eof(); }

 private:
  std::istringstream stream_;
};

constexpr int64_t kMostExtent = int64_t{1} << 53;

TileChoice read_tile(Numbers& from) {
  TileChoice tile;
  tile.swapped = from.next(0, 1) != 0;
  tile.rows = from.next_int(1, 64);
  tile.vectors = from.next_int(1, 64);
  tile.batched = from.next(0, 1) != 0;
  for (int64_t* block : {&tile.m_block, &tile.n_block, &tile.k_block})
    *block = from.next(1, kMostExtent);
  for (Feed* feed : {&tile.a, &tile.b}) *feed = from.next(0, 1) != 0 ? Feed::direct : Feed::packed;
  return tile;
}

LoopChoice read_loops(Numbers& from) {
  LoopChoice choice;
  choice.grain = from.next(0, kMostExtent);
  choice.lane = from.next_int(-1, kMostLoops);
  choice.lanes = from.next_int(1, 1 << 16);
  choice.shared = from.loops();
  const int64_t stages = from.next(0, 1 << 16);
  for (int64_t s = 0; s < stages && from.good; ++s) {
    StageChoice stage;
    stage.lane = from.next_int(-1, kMostLoops);
    stage.lanes = from.next_int(1, 1 << 16);
    stage.free = from.loops();
    stage.reduced = from.loops();
    choice.stages.push_back(std::move(stage));
  }
  return choice;
}

BlockChoice read_blocks(Numbers& from) {
  BlockChoice choice;
  const int64_t walks = from.next(1, kMostLoops);
  for (int64_t w = 0; w < walks; ++w) choice.blocks.push_back(from.next(1, kMostExtent));
  return choice;
}

}  // namespace

std::string print(const ScheduleChoice& choice) {
  if (const TileChoice* tile = std::get_if<TileChoice>(&choice))
    return fmt::format("tile {:d} {} {} {:d} {} {} {} {:d} {:d}", tile->swapped, tile->rows,
                       tile->vectors, tile->batched, tile->m_block, tile->n_block, tile->k_block,
                       tile->a == Feed::direct, tile->b == Feed::direct);
  if (const BlockChoice* walks = std::get_if<BlockChoice>(&choice)) {
    std::string text = "blocks";
    put(text, static_cast<int64_t>(walks->blocks.size()));
    for (int64_t block : walks->blocks) put(text, block);
    return text;
  }
  const LoopChoice& loops = std::get<LoopChoice>(choice);
  std::string text = fmt::format("loops {} {} {}", loops.grain, loops.lane, loops.lanes);
  put(text, loops.shared);
  put(text, static_cast<int64_t>(loops.stages.size()));
  for (const StageChoice& stage : loops.stages) {
    put(text, stage.lane);
    put(text, stage.lanes);
    put(text, stage.free);
    put(text, stage.reduced);
  }
  return text;
}

std::optional<ScheduleChoice> parse_schedule(const std::string& text) {
  Numbers from(text);
  const std::string kind = from.word();
  ScheduleChoice choice;
  if (kind == "tile") {
    choice = read_tile(from);
  } else if (kind == "loops") {
    choice = read_loops(from);
  } else if (kind == "blocks") {
    choice = read_blocks(from);
  } else {
    return std::nullopt;
  }
  if (!from.at_end()) return std::nullopt;
  return choice;
}

}  // namespace tessera

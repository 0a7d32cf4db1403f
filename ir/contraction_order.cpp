#include "ir/contraction_order.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace tessera {
namespace {

constexpr size_t kMostExhaustive = 10;  // operands; 3^n splits are looked at
constexpr double kDivision = 4;         // operations
constexpr double kPackedFlops = 4;      // up to these, a tile's operand is computed while packed
constexpr double kMostElements = 1 << 26;
constexpr double kInfinite = std::numeric_limits<double>::infinity();

// Something computed: an operand, a stored value, or a product of these that is not stored.
struct Value {
  double price = kInfinite;  // of what is stored for it
  LoopSet loops = 0;
  double flops = 0;
  double reads = 0;
  bool divides = false;
};

// Two values that are multiplied, by their sets of leaves.
struct Split {
  uint32_t left = 0, right = 0;
  bool left_stored = false, right_stored = false;
};

class Search {
 public:
  Search(const SummedProduct& product, bool one_nest) : product_(product), one_nest_(one_nest) {
    for (size_t i = 0; i < product.operands.size(); ++i) {
      const Operand& operand = product.operands[i];
      largest_ = std::max(largest_, volume(operand.loops));
      order_.nodes.push_back({.operand = static_cast<int>(i)});
      leaves_.push_back({0, operand.loops, operand.flops, operand.reads, operand.divides});
      nodes_.push_back(static_cast<int>(i));
    }
    largest_ = std::max({largest_, volume(product.kept), kMostElements});
  }

  ContractionOrder run() {
    while (leaves_.size() > kMostExhaustive) join_smallest();
    fill();
    const uint32_t all = (1u << leaves_.size()) - 1;
    order_.price = (leaves_.size() == 1 ? sum_price(leaves_[0]) : root_price_) + product_.call;
    add_node(all, false, true);
    return std::move(order_);
  }

 private:
  double volume(LoopSet loops) const {
    double points = 1;
    for (size_t i = 0; i < product_.extents.size(); ++i)
      if (loops >> i & 1) points *= product_.extents[i];
    return points;
  }

  // --- Prices ---------------------------------------------------------------------------------

  double call_price(LoopSet loops) const {
    return product_.call * volume(loops & product_.iterated);
  }

  // Of writing and reading a value over these loops.
  double store_price(LoopSet loops) const {
    if (volume(loops) > largest_) return kInfinite;
    return storing_price(volume(loops) * product_.element_bytes) + call_price(loops);
  }

  double sum_price(const Value& value) const {
    return volume(value.loops) * (value.flops + value.reads + 1);
  }

  // Of running over two values' loops and keeping `kept` of them.
  double nest_price(const Value& a, const Value& b, LoopSet kept) const {
    const LoopSet loops = a.loops | b.loops;
    const Value both = multiplied(a, b);
    const double sums = (loops & ~kept) != 0 ? 1 : 0;
    const double plain = volume(loops) * (both.flops + both.reads + sums);
    if (sums == 0 || a.divides || b.divides || !has_tiles(a, b, kept)) return plain;
    return std::min(plain, 2 * volume(loops) + operand_price(a, loops) + operand_price(b, loops));
  }

  // Is it a product of matrices large enough for tiles in registers?
  bool has_tiles(const Value& a, const Value& b, LoopSet kept) const {
    const LoopSet rows = kept & ~product_.iterated;
    const double m = volume(rows & a.loops & ~b.loops), n = volume(rows & b.loops & ~a.loops);
    const double k = volume((a.loops | b.loops) & ~kept);
    return std::min(m, n) >= 3 && std::max(m, n) >= 4 && k >= 8 && m * n * k >= 2048;
  }

  // An operand of tiles is packed, in each iteration, and computed then where it is cheap.
  double operand_price(const Value& value, LoopSet loops) const {
    const bool packed = value.flops <= kPackedFlops;
    const LoopSet packing = value.loops | (loops & product_.iterated);
    return volume(packing) * value.reads + volume(packed ? packing : loops) * value.flops;
  }

  static Value multiplied(const Value& a, const Value& b) {
    const double joined = a.divides != b.divides ? kDivision : 1;
    return {a.price + b.price, a.loops | b.loops, a.flops + b.flops + joined, a.reads + b.reads,
            a.divides && b.divides};
  }

  Value stored_value(double price, LoopSet kept, bool divides) const {
    return {price + store_price(kept), kept, 0, 1, divides};
  }

  // --- The search -----------------------------------------------------------------------------

  // Loops of the result and of the leaves that are not in `set`.
  LoopSet needed_beside(uint32_t set) const {
    LoopSet loops = product_.kept;
    for (size_t i = 0; i < leaves_.size(); ++i)
      if ((set >> i & 1) == 0) loops |= leaves_[i].loops;
    return loops;
  }

  void fill() {
    const size_t sets = size_t{1} << leaves_.size();
    inline_.assign(sets, {});
    stored_.assign(sets, {});
    inline_split_.assign(sets, {});
    stored_split_.assign(sets, {});
    for (uint32_t set = 1; set < sets; ++set) {
      if ((set & (set - 1)) == 0) {
        fill_leaf(set);
      } else {
        const uint32_t first = set & (~set + 1);
        for (uint32_t left = (set - 1) & set; left != 0; left = (left - 1) & set)
          if ((left & first) != 0) fill_split(set, left);
      }
      if (is_known(set)) stored_[set] = known_value(set);
    }
  }

  bool is_known(uint32_t set) const {
    return !one_nest_ && set < product_.known.size() && product_.known[set];
  }

  Value known_value(uint32_t set) const {
    LoopSet loops = 0;
    for (size_t i = 0; i < leaves_.size(); ++i)
      if (set >> i & 1) loops |= leaves_[i].loops;
    return {0, loops & needed_beside(set), 0, 1, false};
  }

  void fill_leaf(uint32_t set) {
    size_t at = 0;
    while ((set >> at & 1) == 0) ++at;
    const Value& leaf = leaves_[at];
    inline_[set] = leaf;
    const LoopSet kept = leaf.loops & needed_beside(set);
    if (one_nest_ || (leaf.flops == 0 && kept == leaf.loops)) return;
    Value whole = leaf;
    if (leaf.divides && kept != leaf.loops) whole.flops += kDivision;
    stored_[set] =
        stored_value(leaf.price + sum_price(whole), kept, leaf.divides && kept == leaf.loops);
  }

  void fill_split(uint32_t set, uint32_t left) {
    const uint32_t right = set & ~left;
    const bool root = set + 1 == inline_.size();
    for (const bool left_stored : {false, true})
      for (const bool right_stored : {false, true}) {
        const Value& a = (left_stored ? stored_ : inline_)[left];
        const Value& b = (right_stored ? stored_ : inline_)[right];
        if (a.price == kInfinite || b.price == kInfinite) continue;
        const Split split{left, right, left_stored, right_stored};
        const LoopSet kept = (a.loops | b.loops) & needed_beside(set);
        const double price = a.price + b.price + nest_price(a, b, kept);
        if (root) {
          if (price < root_price_) root_price_ = price, root_split_ = split;
          continue;
        }
        const Value product = multiplied(a, b);
        if (running(product) < running(inline_[set])) {
          inline_[set] = product;
          inline_split_[set] = split;
        }
        const Value value = stored_value(price, kept, product.divides && kept == product.loops);
        if (!one_nest_ && value.price < stored_[set].price) {
          stored_[set] = value;
          stored_split_[set] = split;
        }
      }
  }

  double running(const Value& value) const {
    return value.price + volume(value.loops) * (value.flops + value.reads);
  }

  // One leaf for the two whose product runs over the fewest points.
  void join_smallest() {
    size_t a = 0, b = 1;
    for (size_t i = 0; i < leaves_.size(); ++i)
      for (size_t j = i + 1; j < leaves_.size(); ++j)
        if (volume(leaves_[i].loops | leaves_[j].loops) <
            volume(leaves_[a].loops | leaves_[b].loops))
          a = i, b = j;
    Value product = multiplied(leaves_[a], leaves_[b]);
    LoopSet needed = product_.kept;
    for (size_t i = 0; i < leaves_.size(); ++i)
      if (i != a && i != b) needed |= leaves_[i].loops;
    const LoopSet kept = product.loops & needed;
    const bool stored = kept != product.loops && !one_nest_;
    if (stored) {
      const double price = product.price + nest_price(leaves_[a], leaves_[b], kept);
      product = stored_value(price, kept, false);
    }
    order_.nodes.push_back({.left = nodes_[a], .right = nodes_[b], .stored = stored});
    leaves_[a] = product;
    nodes_[a] = static_cast<int>(order_.nodes.size()) - 1;
    leaves_.erase(leaves_.begin() + static_cast<std::ptrdiff_t>(b));
    nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(b));
  }

  // A product of leaves that is there.
  int add_known(uint32_t set) {
    int product = -1;
    for (size_t i = 0; i < leaves_.size(); ++i) {
      if ((set >> i & 1) == 0) continue;
      if (product >= 0) order_.nodes.push_back({.left = product, .right = nodes_[i]});
      product = product < 0 ? nodes_[i] : static_cast<int>(order_.nodes.size()) - 1;
    }
    ProductNode node = order_.nodes[static_cast<size_t>(product)];
    node.stored = node.known = true;
    order_.nodes.push_back(node);
    return static_cast<int>(order_.nodes.size()) - 1;
  }

  // The node of what was found for `set`.
  int add_node(uint32_t set, bool stored, bool root) {
    if (stored && is_known(set)) return add_known(set);
    if ((set & (set - 1)) == 0) {
      size_t at = 0;
      while ((set >> at & 1) == 0) ++at;
      const int leaf = nodes_[at];
      if (!stored && !root) return leaf;
      ProductNode copy = order_.nodes[static_cast<size_t>(leaf)];
      copy.stored = stored;
      order_.nodes.push_back(copy);
    } else {
      const Split split = root ? root_split_ : (stored ? stored_split_ : inline_split_)[set];
      const int left = add_node(split.left, split.left_stored, false);
      const int right = add_node(split.right, split.right_stored, false);
      order_.nodes.push_back({.left = left, .right = right, .stored = stored});
    }
    return static_cast<int>(order_.nodes.size()) - 1;
  }

  const SummedProduct& product_;
  const bool one_nest_;
  double largest_ = 0;  // points of the largest value there is, and of what may be stored
  ContractionOrder order_;
  std::vector<Value> leaves_;
  std::vector<int> nodes_;              // of the leaves
  std::vector<Value> inline_, stored_;  // by set of leaves
  std::vector<Split> inline_split_, stored_split_;
  double root_price_ = kInfinite;
  Split root_split_;
};

}  // namespace

ContractionOrder find_order(const SummedProduct& product, bool one_nest) {
  TESSERA_CHECK(!product.operands.empty() && product.extents.size() <= kMostLoops);
  return Search(product, one_nest).run();
}

double storing_price(double bytes) {
  const double a_byte = bytes <= (1 << 20) ? 1 : bytes <= (16 << 20) ? 4 : 8;
  return 2 * bytes * a_byte;
}

double plain_price(const SummedProduct& product, double flops, double reads) {
  double points = 1;
  for (const double extent : product.extents) points *= extent;
  return points * (flops + reads + 1) + product.call;
}

}  // namespace tessera

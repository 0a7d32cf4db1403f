#include "codegen/pair_body.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// More kinds of things to read than this are no two operands.
constexpr size_t kMostKinds = 6;
// Beyond this, unrolled tiles grow long, and loads no longer count.
constexpr double kMostCycles = 12;

bool is_leaf(const Expr& expr) {
  return as<Read>(expr) != nullptr || as<IndexOf>(expr) != nullptr;
}

bool has_where(const Expr& expr) {
  return any_node(expr, [](const Expr& node) {
    const Apply* apply = as<Apply>(node);
    return apply != nullptr && apply->fn == Fn::where;
  });
}

class Pairer {
 public:
  explicit Pairer(const Nest& nest) : nest_(nest), body_(SharedNodes().share(nest.body)) {}

  std::optional<Pairing> run() {
    collect_kinds(body_);
    if (kinds_.size() < 2 || kinds_.size() > kMostKinds) return std::nullopt;
    std::optional<Pairing> best;
    int64_t reuse = 0;
    const uint32_t all = (1U << kinds_.size()) - 1;
    for (uint32_t a = 1; a < all; a += 2) {  // the first kind is in a
      std::optional<Pairing> found = split(a);
      if (!found) continue;
      const int64_t smaller = std::min(volume(found->m), volume(found->n));
      if (best && smaller <= reuse) continue;
      best = std::move(found);
      reuse = smaller;
    }
    return best;
  }

 private:
  // Leaves with equal dims are of one kind.
  void collect_kinds(const Expr& expr) {
    if (!seen_.insert(&expr.node()).second) return;
    if (is_leaf(expr)) {
      const auto it = std::find(kinds_.begin(), kinds_.end(), expr.dims());
      kind_.emplace(&expr.node(), it - kinds_.begin());
      if (it == kinds_.end()) kinds_.push_back(expr.dims());
      return;
    }
    for (const Expr& child : children(expr)) collect_kinds(child);
  }

  std::optional<Pairing> split(uint32_t a) {
    Dims in_a, in_b;
    for (size_t kind = 0; kind < kinds_.size(); ++kind)
      ((a >> kind & 1) != 0 ? in_a : in_b) =
          unite((a >> kind & 1) != 0 ? in_a : in_b, kinds_[kind]);
    const Dims out = sorted(nest_.out.dims());
    const Dims m = subtract(intersect(out, in_a), in_b), n = subtract(intersect(out, in_b), in_a);
    if (m.empty() || n.empty() || !subtract(out, unite(in_a, in_b)).empty()) return std::nullopt;
    in_a_ = a;
    sides_.clear();
    const std::optional<Expr> left = operand(1), right = operand(2);
    if (!left || !right) return std::nullopt;
    const Tensor x = make_tensor("left", {}, left->type(), Role::input);
    const Tensor y = make_tensor("right", {}, right->type(), Role::input);
    Rebuilt done = {{&left->node(), make_read(x)}, {&right->node(), make_read(y)}};
    return Pairing{.batch = intersect(out, intersect(in_a, in_b)),
                   .m = m,
                   .n = n,
                   .a = *left,
                   .b = *right,
                   .body = {x, y, rebuild(body_, done)}};
  }

  // Which operands it depends on: bits 1 and 2.
  int side(const Expr& expr) {
    const auto known = sides_.find(&expr.node());
    if (known != sides_.end()) return known->second;
    int result = 0;
    if (is_leaf(expr))
      result = (in_a_ >> kind_.at(&expr.node()) & 1) != 0 ? 1 : 2;
    else
      for (const Expr& child : children(expr)) result |= side(child);
    sides_.emplace(&expr.node(), result);
    return result;
  }

  // All that depends on one side only, as large as it can be; or the one thing read on this side.
  std::optional<Expr> operand(int wanted) {
    for (const bool largest : {true, false}) {
      std::vector<Expr> found;
      seen_.clear();
      gather(body_, wanted, largest, found);
      if (found.size() == 1 && found[0].type() == nest_.body.type()) return found[0];
    }
    return std::nullopt;
  }

  void gather(const Expr& expr, int wanted, bool largest, std::vector<Expr>& found) {
    if (!seen_.insert(&expr.node()).second) return;
    const int depends = side(expr);
    if ((depends & wanted) == 0) return;
    if (depends == wanted && (largest || is_leaf(expr))) {
      found.push_back(expr);
      return;
    }
    for (const Expr& child : children(expr)) gather(child, wanted, largest, found);
  }

  using Rebuilt = std::unordered_map<const ExprNode*, Expr>;
  static Expr rebuild(const Expr& expr, Rebuilt& done) {
    if (const auto it = done.find(&expr.node()); it != done.end()) return it->second;
    Expr result = expr;
    if (as<Apply>(expr) != nullptr) {
      std::vector<Expr> args;
      for (const Expr& child : children(expr)) args.push_back(rebuild(child, done));
      result = with_children(expr, args);
    }
    done.emplace(&expr.node(), result);
    return result;
  }

  const Nest& nest_;
  const Expr body_;  // equal parts are one node
  std::vector<Dims> kinds_;
  std::map<const ExprNode*, std::ptrdiff_t> kind_;  // of the leaves
  uint32_t in_a_ = 0;                               // of the kinds
  std::unordered_map<const ExprNode*, int> sides_;
  std::set<const ExprNode*> seen_;
};

bool is_number(DType type) {
  return type == DType::f32 || type == DType::f64 || type == DType::i32 || type == DType::i64;
}

}  // namespace

std::optional<Pairing> find_pairing(const Nest& nest) {
  if (!nest.op || nest.reduced.empty() || nest.out.dims().size() < 2) return std::nullopt;
  if (!is_number(nest.body.type()) || as<Apply>(nest.body) == nullptr) return std::nullopt;
  std::optional<Pairing> found = Pairer(nest).run();
  if (!found || cycles_of(found->body, *nest.op) > kMostCycles) return std::nullopt;
  if (has_where(nest.body) && (reads_may_leave(found->a) || reads_may_leave(found->b)))
    return std::nullopt;
  return found;
}

double cycles_of(const PairBody& body, ReduceOp op) {
  const double cycles = 1 + flops_of(body.value);  // and combining
  const Apply* root = as<Apply>(body.value);
  const bool fused = op == ReduceOp::sum && root != nullptr && root->fn == Fn::mul;
  return fused ? cycles - 1 : cycles;
}

}  // namespace tessera

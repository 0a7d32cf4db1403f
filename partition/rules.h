#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/index_range.h"
#include "ir/nest.h"
#include "partition/sharding.h"

namespace tessera {

// What a nest does with one mesh axis. There is no table of operators: everything follows from how
// the body uses its indices.
//
//   none     every rank along the axis does the same; operands and result are replicated
//   loop     the ranks share the range of loop `dim`. An operand that indexes a dim by exactly that
//            loop is split there; one that does not use it is replicated, and so is one that uses
//            it inside a larger index, unless a window of a block will do (halo.h):
//              x[y: 2*oy + ky], oy on the axis    y from 2*oy on, and what ky reaches beyond
//              x[y: oy // 4], x[y: oy % 4]        the block, where blocks are multiples of 4; all
//              g[oy] where 2*oy + ky == y         what the equation leaves, when y is on the axis
//            The result is split if the loop is one of its dims, and partial by the nest's op if
//            it is reduced.
//   gather   the ranks share dim `dim` of table `tensors[0]`, which the body reads at indices that
//            depend on data; each reads 0 outside its block; the result is partial by sum. Only
//            where the body is linear in those reads. An index outside the table reads 0, too.
//   pass     `tensors` are partial by `op` and stay so; the result is. By sum only where the body
//   is
//            linear in their reads; by max or min where it rises with them (linear.h) and they are
//            maxima or minima: of m = max[k](x), exp(m - c) may be taken before the ranks compare.
//
// A loop on an axis may be `turning` a reduced one: what is split along it goes around the ranks of
// the axis, and each takes the part of the sum that it has, while the next part comes. So an
// operand that the axis' loop does not use need nowhere be whole.
//   C[i, j] = sum[k](A[i, k] * B[k, j]), a=3, i turning k: A[i: a, k] stays, B[k: a, j] goes
//   around; rank r adds the blocks r, r+1, r+2 (modulo 3) of k
//
//   the same with b=3, j turning k: A[i: a, k: b], B[k: a, j: b], Cannon's product: rank (r, s)
//   begins with block r+s, to which both are brought first
//
// Dims are named as by `loop_label`. A Choice is a value without pointers: it can be stored in a
// plan and read back.
struct Choice {
  enum class Kind : uint8_t { none, loop, gather, pass };
  Kind kind = Kind::none;
  std::string dim;
  std::vector<std::string> tensors;
  ReduceOp op = ReduceOp::sum;  // of pass
  std::string turning = "";     // of loop: a reduced loop, or none

  bool operator==(const Choice&) const = default;
};

// "-", "batch", "batch turning k", "gather table[v]", "pass a, b", "pass max of a"; parse_choice is
// the inverse and throws UserError.
std::string describe(const Choice& choice);
Choice parse_choice(const std::string& text);

// One choice for each axis of the mesh.
struct Assignment {
  std::vector<Choice> axes;
  // Several axes on one dim split it in this order, outermost first; empty means in mesh order.
  Axes order;

  bool operator==(const Assignment&) const = default;
};
Assignment unassigned(const Mesh& mesh);

// The name of a loop; where two loops of one nest share it, the second in loops() is "k#2".
std::string loop_label(const Nest& nest, const Dim& loop);
std::optional<Dim> find_loop(const Nest& nest, const std::string& label);

// left == right, between integers that read no data, holds wherever a nest adds something.
struct Equation {
  Expr left;
  Expr right;
  std::optional<Affine> zero;  // left - right, if that is affine
  Dims dims;                   // that it ties together
};

// The sharding rules of one nest, derived once and then asked often.
//
//   h[batch, hidden] = sum[pixel](image * w1), mesh data=2,model=2, {data: batch, model: hidden}
//     operand 0  image[batch: data, pixel]       operand 1  w1[pixel, hidden: model]
//     result     h[batch: data, hidden: model]
class NestRules {
 public:
  // No axis takes a loop over a dim in `iterated`: loops around the nest go through its indices one
  // by one.
  explicit NestRules(const Nest& nest, const Dims& iterated = {});

  const Nest& nest() const { return nest_; }
  // The distinct reads of the body, those inside indices included: each is an operand of its own,
  // so that x[i] * x[j] may use x both split and whole.
  const std::vector<Expr>& operands() const { return operands_; }
  const Tensor& operand_tensor(size_t operand) const;
  // The number of the operand that `read`, a node of the body, is.
  size_t operand_of(const Expr& read) const;

  // The legal choices, `none` first; the same for every axis, and every combination is legal. Found
  // when they are first asked for, so not from two threads at once.
  const std::vector<Choice>& choices() const;
  // Those that turn a loop. On several axes they are legal together if they turn the same loop, and
  // the axes are of one size. Nests in loops have none.
  const std::vector<Choice>& turns() const;
  bool legal(const Choice& choice) const;
  // By which op the result is partial, where it is.
  ReduceOp partial_op() const;

  // How the operand must be placed, and how the result then is.
  Sharding operand_sharding(size_t operand, const Assignment& assignment) const;
  Sharding result_sharding(const Assignment& assignment) const;
  // The axes that share the range of a loop, outermost first.
  Axes loop_axes(const Dim& loop, const Assignment& assignment) const;
  // The loop that the assignment turns, and on which axes.
  std::optional<Dim> turning(const Assignment& assignment) const;
  static Axes turning_axes(const Assignment& assignment);
  // The axis over which the operand goes around; -1: it does not.
  int turning_axis(size_t operand, const Assignment& assignment) const;
  // Those around the body of a reduction: 2*oy + ky == y of where(2*oy + ky == y, g * w, 0).
  const std::vector<Equation>& equations() const { return equations_; }
  // Does the operand, under this assignment, read 0 outside its block of dim `position`?
  bool guarded(size_t operand, size_t position, const Assignment& assignment) const;

 private:
  struct Slot {
    std::string loop;   // the label of the loop that indexes this dim, if exactly that and whole
    bool data = false;  // the index reads a tensor
  };
  void find_operands();
  void find_slots();
  void find_equations();
  void find_choices() const;
  void find_gathers() const;
  void find_passes() const;
  bool may_turn(const Dim& loop, const Dim& reduced) const;

  Nest nest_;
  std::vector<Expr> operands_;
  std::unordered_map<const ExprNode*, size_t> operand_of_;  // by node of the body
  std::vector<std::vector<Slot>> slots_;                    // by operand, by dim
  std::vector<std::string> out_labels_;                     // by dim of the result
  Dims iterated_;
  std::vector<Equation> equations_;
  mutable std::vector<Choice> choices_;  // empty: not found yet
  mutable std::optional<std::vector<Choice>> turns_;
};

}  // namespace tessera

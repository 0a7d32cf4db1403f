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
//   pass     `tensors` are partial by sum and stay so; the result is. Only where the body is linear
//            in their reads.
//
// Dims are named as by `loop_label`. A Choice is a value without pointers: it can be stored in a
// plan and read back.
struct Choice {
  enum class Kind : uint8_t { none, loop, gather, pass };
  Kind kind = Kind::none;
  std::string dim;
  std::vector<std::string> tensors;

  bool operator==(const Choice&) const = default;
};

// "-", "batch", "gather table[v]", "pass a, b"; parse_choice is the inverse and throws UserError.
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
  bool legal(const Choice& choice) const;

  // How the operand must be placed, and how the result then is.
  Sharding operand_sharding(size_t operand, const Assignment& assignment) const;
  Sharding result_sharding(const Assignment& assignment) const;
  // The axes that share the range of a loop, outermost first.
  Axes loop_axes(const Dim& loop, const Assignment& assignment) const;
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

  Nest nest_;
  std::vector<Expr> operands_;
  std::unordered_map<const ExprNode*, size_t> operand_of_;  // by node of the body
  std::vector<std::vector<Slot>> slots_;                    // by operand, by dim
  std::vector<std::string> out_labels_;                     // by dim of the result
  Dims iterated_;
  std::vector<Equation> equations_;
  mutable std::vector<Choice> choices_;  // empty: not found yet
};

}  // namespace tessera

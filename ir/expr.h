#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ir/dim.h"
#include "ir/initializer.h"
#include "ir/scalar.h"

namespace tessera {

struct ExprNode;
struct IndexFacts;
struct TensorNode;
class Tensor;

// A scalar formula over named indices. Its dims are those it mentions: `a * b` aligns by dim and
// broadcasts the rest, `sum(k, a * b)` removes k. Expr is an immutable value; copies share nodes.
//
//   Dim i("i", 2), j("j", 3);
//   Expr e = x * y;            // x over i, y over j:  e.dims() == {i, j}
//   Expr s = sum(j, e);        // s.dims() == {i}
class Expr {
 public:
  // A literal takes the type of what it meets: `2 * x` is i32 for an i32 x and f32 for an f32 x.
  // Alone it is i32 or f32.
  Expr(int value);             // NOLINT: implicit, so that formulas read as formulas
  Expr(double value);          // NOLINT
  Expr(const Tensor& tensor);  // NOLINT
  explicit Expr(std::shared_ptr<const ExprNode> node) : node_(std::move(node)) {}

  const ExprNode& node() const { return *node_; }
  DType type() const;
  const Dims& dims() const;  // sorted
  const SourceLocation& where() const;

  // This expression with `dim` replaced by `index`, an integer expression. Reading outside 0 …
  // extent-1 is a UserError when the range is known at build time; with `pad` it reads the pad
  // value instead.
  //   image.at(y, 2 * oy + ky)
  Expr at(const Dim& dim, const Expr& index, std::optional<double> pad = std::nullopt,
          const SourceLocation& where = std::source_location::current()) const;

  // The same node, not the same formula (see `equivalent` in structure.h).
  bool is(const Expr& other) const { return node_ == other.node_; }

 private:
  std::shared_ptr<const ExprNode> node_;
};

enum class Role : uint8_t {
  input,       // fed at every step
  parameter,   // kept between steps, trained
  state,       // kept between steps, not trained
  definition,  // computed from the others
  carried,     // goes from one iteration to the next of a loop (see loop.h)
};

const char* describe(Role role);  // "an input"

// A named array over a set of dims. The order of `dims()` matters only where arrays cross the
// border of the program. A Tensor is an immutable value, equal by identity.
class Tensor {
 public:
  // Names nothing yet: a definition without a name, which a Program will name when it prints.
  Tensor(const Expr& value,  // NOLINT: `Tensor h = relu(x);`
         const SourceLocation& where = std::source_location::current());
  explicit Tensor(std::shared_ptr<const TensorNode> node) : node_(std::move(node)) {}

  const std::string& name() const;  // or what it will be called after, or ""
  const Dims& dims() const;         // in declared order
  DType type() const;
  Role role() const;
  const SourceLocation& where() const;
  const Initializer& initializer() const;  // of a parameter or state
  // Of a definition, its formula; of a carried tensor, what it holds in the first iteration.
  const Expr& value() const;
  // Do gradients compute this definition again instead of keeping it?
  bool checkpoint() const;
  const Dim& over() const;  // of a carried tensor: the dim that is iterated
  bool descending() const;  // of a carried tensor: from the last index to 0
  // Elements between neighbours along each dim: row-major, but of a view what it was made with.
  std::vector<int64_t> strides() const;

  Expr at(const Dim& dim, const Expr& index, std::optional<double> pad = std::nullopt,
          const SourceLocation& where = std::source_location::current()) const;

  bool operator==(const Tensor& other) const { return node_ == other.node_; }
  bool operator<(const Tensor& other) const;  // the order in which they were made
  const TensorNode* id() const { return node_.get(); }

 private:
  friend class Program;
  std::shared_ptr<const TensorNode> node_;
};

struct TensorNode {
  // Empty until a program takes the tensor in, which then names it once and for all.
  mutable std::string name;
  std::string stem;  // what a tensor without a name is to be called after
  Dims dims;
  DType type = DType::f32;
  Role role = Role::input;
  SourceLocation where;
  Initializer initializer;
  std::optional<Expr> value;
  bool checkpoint = false;
  std::optional<Dim> over;
  bool descending = false;
  std::vector<int64_t> strides;  // of a view; empty where it is row-major
  bool adopts_type = false;  // of what it meets, as a literal does; while loop() looks for types
  int64_t serial = 0;
};

// After the step, `target` (a parameter or state) holds `value`, computed from old values. After
// an iteration, `target` (a carried tensor) holds it.
struct Update {
  Tensor target;
  Tensor value;  // a definition with the dims of target, in its order
};

// The reductions a program may write. `mean` and `argmax` are rewritten by `normalize`: mean is a
// scaled sum; argmax is the least index at which the maximum is reached, so that only the
// associative ones (ReduceOp) are left.
enum class Reduction : uint8_t { sum, prod, max, min, any, all, argmax, argmin };

// --- The kinds of node ---------------------------------------------------------------------

struct Constant {
  Scalar value;
  bool weak = false;  // a literal that adopts the type of what it meets
};

// The value of an index, i32.
struct IndexOf {
  Dim dim;
};

struct Index {
  Expr value;           // an integer expression; IndexOf{dim} where the read leaves dim alone
  bool padded = false;  // outside the extent, read the pad value
};

// tensor[indices], one index for each of tensor.dims(), in that order.
struct Read {
  Tensor tensor;
  std::vector<Index> indices;
  std::optional<Scalar> pad;
};

struct Apply {
  Fn fn;
  std::vector<Expr> args;  // of a cast, the node's type is the target
};

struct Reduce {
  Reduction op;
  Dims dims;  // sorted
  Expr body;
};

// d loss / d wrt, of the type of `wrt` and over its dims. A loss that has dims is derived at each
// index of these on its own, so the result has them, too: at one index, by the elements of `wrt` at
// that index. What is carried over one of them is held fixed: this is the derivative within one
// iteration.
struct Gradient {
  Tensor loss;
  Tensor wrt;
};

// `value`, which depends on carried tensors, together with what these are after each iteration: it
// keeps loops alive that no program has taken in yet (see loop.h).
struct Looped {
  Expr value;
  std::shared_ptr<const std::vector<Update>> carries;
};

struct ExprNode {
  std::variant<Constant, IndexOf, Read, Apply, Reduce, Gradient, Looped> kind;
  DType type = DType::f32;
  Dims dims;  // sorted
  SourceLocation where;
  bool adopts_type = false;  // made of literals and of tensors that adopt types
  // What is known of its value as an index (see index_range.h); null where that is nothing.
  std::shared_ptr<const IndexFacts> index = nullptr;
  int height = 1;  // nodes on the longest way down
};

// Passes walk formulas by recursion, so their stacks bound how high one may grow. Where a node
// would be higher, making it is a UserError; a definition starts anew.
inline constexpr int kMaxNodeHeight = 4000;

template <typename Kind>
const Kind* as(const Expr& expr) {
  return std::get_if<Kind>(&expr.node().kind);
}

// --- Making nodes ----------------------------------------------------------------------------
// Each checks types and dims and throws a UserError that names `where`.

Expr make_constant(const Scalar& value, const SourceLocation& where = {});
Expr make_literal(double value, bool integer, const SourceLocation& where = {});
Expr make_index(const Dim& dim, const SourceLocation& where = {});
Expr make_read(const Tensor& tensor, const SourceLocation& where = {});
Expr make_read(const Tensor& tensor, std::vector<Index> indices, std::optional<Scalar> pad,
               const SourceLocation& where = {});
// Literals among `args` take the type of the others and must fit i8, u8, bf16 and f16; i32 widens
// to i64; nothing else converts.
Expr make_apply(Fn fn, std::vector<Expr> args, const SourceLocation& where = {});
// An i8 or u8 as an i32, which indices are made of; any other type as it is.
Expr as_index(const Expr& index);
Expr make_cast(DType type, const Expr& arg, const SourceLocation& where = {});
// Any type. At the root of a definition it marks the definition and leaves the formula.
Expr make_checkpoint(const Expr& arg, const SourceLocation& where = {});
// Sums and products of i8 and u8 are i32; those of bf16 and f16 are formed in f32 and then rounded.
Expr make_reduce(Reduction op, const Dims& dims, const Expr& body,
                 const SourceLocation& where = {});
// `along`: the dims that the loss may have.
Expr make_gradient(const Tensor& loss, const Tensor& wrt, const Dims& along,
                   const SourceLocation& where = {});
Expr make_looped(const Expr& value, std::shared_ptr<const std::vector<Update>> carries);

// A definition. `order` gives its dims in the order wanted: all those of `value`, and any more
// along which the value is repeated. Empty means those of `value`, sorted. A long formula becomes
// several definitions (see split_formula.h).
Tensor make_definition(std::string name, const Expr& value, const SourceLocation& where = {},
                       const Dims& order = {});
// The same with the formula as it is, for what comes after the normal form.
Tensor make_undivided(std::string name, const Expr& value, const SourceLocation& where = {},
                      const Dims& order = {});
// The same tensor without a name: a program that takes it in calls it `stem`, or something like it
// where that is taken. For what loops hold.
Tensor named_later(const Tensor& tensor, const std::string& stem);
Tensor make_tensor(std::string name, const Dims& dims, DType type, Role role,
                   const Initializer& initializer = {}, const SourceLocation& where = {});
// A window into an array, for kernels: element [i, j, …] lies i * strides[0] + j * strides[1] + …
// elements behind its first one. A block of 16 rows of x[1000, 64] is a view [16, 64] with strides
// 64, 1.
Tensor make_view(std::string name, const Dims& dims, DType type, std::vector<int64_t> strides);
// A tensor that goes from one iteration over `over` to the next. `initial` holds in the first. Its
// dims are `order`, or else those of `initial`, sorted, and `over`.
Tensor make_carried(std::string name, const Dim& over, bool descending, const Expr& initial,
                    const SourceLocation& where = {}, const Dims& order = {});

// "sum", "argmax", ...
const char* name_of(Reduction op);
// The associative operation behind `op`; not for argmax and argmin.
ReduceOp reduce_op(Reduction op);

}  // namespace tessera

#include "ir/interpret.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/host_memory.h"
#include "ir/box.h"
#include "ir/element.h"
#include "ir/interpret_cost.h"
#include "ir/normalize.h"
#include "ir/print.h"
#include "ir/sequence.h"
#include "ir/structure.h"

namespace tessera {
namespace {

using Lookup = std::function<const Array&(const Tensor&)>;

// Counts what an interpreter has done and reports it every so many operations.
class Meter {
 public:
  Meter(double total, const InterpretProgress& report) : total_(total), report_(report) {}

  void add(double operations) {
    done_ += operations;
    if (done_ < next_) return;
    next_ = done_ + kOften;
    report_(std::min(done_, total_), total_);
  }

 private:
  static constexpr double kOften = 1e6;
  const double total_;
  const InterpretProgress& report_;
  double done_ = 0;
  double next_ = kOften;
};

// Evaluates formulas at points. Each reduction is first evaluated to an array over its own dims,
// once, so that a formula costs what its loops say.
class Evaluator {
 public:
  // `iteration`: dims of loops that are being run, each at one index.
  explicit Evaluator(const Lookup& read, const std::map<Dim, int64_t>& iteration = {},
                     Meter* meter = nullptr)
      : read_(read), iteration_(iteration), meter_(meter) {
    for (const auto& [dim, at] : iteration) point_[slot(dim)] = at;
  }

  // Writes the elements of `result`, over `order`, that belong to the iteration.
  void write(const Expr& value, const Dims& order, Array& result) {
    const Reduce* reduce = as<Reduce>(value);
    prepare(reduce != nullptr ? reduce->body : value);
    const double operations = meter_ != nullptr ? operations_at_point(value) : 0;
    each_point(free(order), [&](size_t) {
      count(operations);
      store(result, offset(order), reduce != nullptr ? reduce_at_point(*reduce) : at_point(value));
    });
  }

 private:
  template <typename Body>
  void each_point(const Dims& dims, const Body& body) {
    const Box box = whole(dims);
    if (volume(box) == 0) return;
    std::vector<int64_t> at(dims.size(), 0);
    std::vector<int64_t> before;
    for (const Dim& dim : dims) before.push_back(point_[slot(dim)]);
    size_t i = 0;
    do {
      for (size_t d = 0; d < dims.size(); ++d) point_[slot(dims[d])] = at[d];
      body(i++);
    } while (advance(at, box));
    for (size_t d = 0; d < dims.size(); ++d) point_[slot(dims[d])] = before[d];
  }

  // Those that no running loop holds at one index.
  Dims free(const Dims& dims) const {
    Dims result;
    for (const Dim& dim : dims)
      if (iteration_.count(dim) == 0) result.push_back(dim);
    return result;
  }

  // Row-major position of the point in an array over `dims`.
  size_t offset(const Dims& dims) {
    size_t i = 0;
    for (const Dim& dim : dims)
      i = i * static_cast<size_t>(dim.extent()) + static_cast<size_t>(point_[slot(dim)]);
    return i;
  }

  size_t slot(const Dim& dim) {
    const auto [it, added] = slots_.emplace(dim, point_.size());
    if (added) point_.push_back(0);
    return it->second;
  }

  // Evaluates the outermost reductions inside `value`.
  void prepare(const Expr& value) {
    if (!prepared_.insert(&value.node()).second) return;
    const Reduce* reduce = as<Reduce>(value);
    for (const Expr& child : children(value)) prepare(child);
    if (reduce == nullptr) return;
    keep_.push_back(value);
    const Dims dims = free(value.dims());
    Array array = make_array(value.type(), extents(dims));
    const double operations = meter_ != nullptr ? operations_at_point(value) : 0;
    each_point(dims, [&](size_t i) {
      count(operations);
      store(array, i, reduce_at_point(*reduce));
    });
    reduced_.emplace(&value.node(), std::move(array));
  }

  Scalar reduce_at_point(const Reduce& reduce) {
    if (reduce.op == Reduction::argmax || reduce.op == Reduction::argmin)
      return position_at_point(reduce);
    const ReduceOp op = reduce_op(reduce.op);
    const DType type = reduce.body.type();
    const DType wide = type == DType::f32 ? DType::f64 : type;
    Scalar total = identity(op, wide);
    each_point(reduce.dims, [&](size_t) {
      Scalar term = at_point(reduce.body);
      term.type = wide;
      total = combine(op, total, term);
    });
    return is_float(type) ? Scalar::of_float(type, total.f) : total;
  }

  Scalar position_at_point(const Reduce& reduce) {
    const bool max = reduce.op == Reduction::argmax;
    std::optional<Scalar> best;
    int64_t where = 0;
    each_point(reduce.dims, [&](size_t i) {
      const Scalar value = settled(at_point(reduce.body));
      if (best) {
        const Scalar better = combine(max ? ReduceOp::max : ReduceOp::min, *best, value);
        if (better == *best || better.number() == best->number()) return;
      }
      best = value;
      where = static_cast<int64_t>(i);
    });
    return Scalar::of_int(DType::i32, where);
  }

  Scalar at_point(const Expr& expr) {
    if (const Constant* constant = as<Constant>(expr))
      return constant->value.type == expr.type()
                 ? constant->value
                 : Scalar::of_number(expr.type(), constant->value.number());
    if (const IndexOf* index = as<IndexOf>(expr))
      return Scalar::of_int(DType::i32, point_[slot(index->dim)]);
    if (const Read* read = as<Read>(expr)) return read_at_point(expr, *read);
    if (const Apply* apply = as<Apply>(expr)) return apply_at_point(expr, *apply);
    if (const Looped* looped = as<Looped>(expr)) return at_point(looped->value);
    TESSERA_CHECK(as<Reduce>(expr) != nullptr) << "a gradient must be expanded first";
    return load(reduced_.at(&expr.node()), offset(free(expr.dims())));
  }

  Scalar apply_at_point(const Expr& expr, const Apply& apply) {
    if (apply.fn == Fn::where) return at_point(apply.args[at_point(apply.args[0]).i != 0 ? 1 : 2]);
    Scalar args[3];
    for (size_t k = 0; k < apply.args.size(); ++k) args[k] = at_point(apply.args[k]);
    return tessera::evaluate(apply.fn, {args, apply.args.size()}, expr.type());
  }

  Scalar read_at_point(const Expr& expr, const Read& read) {
    const Dims& dims = read.tensor.dims();
    size_t i = 0;
    for (size_t d = 0; d < dims.size(); ++d) {
      const int64_t at = at_point(read.indices[d].value).i;
      if (at < 0 || at >= dims[d].extent()) {
        if (read.indices[d].padded) return *read.pad;
        fail_outside(expr, read, d, at);
      }
      i = i * static_cast<size_t>(dims[d].extent()) + static_cast<size_t>(at);
    }
    return load(array_of(read.tensor), i);
  }

  [[noreturn]] void fail_outside(const Expr& expr, const Read& read, size_t d, int64_t found) {
    const Expr& index = read.indices[d].value;
    std::string place;
    for (const Dim& dim : index.dims())
      place +=
          (place.empty() ? ", at " : ", ") + dim.name() + " = " + std::to_string(point_[slot(dim)]);
    throw UserError(expr.where(), "the index `" + print(index) + "` is " + std::to_string(found) +
                                      place + ", where it reads `" + read.tensor.name() +
                                      "` along `" + read.tensor.dims()[d].name() +
                                      "`; allowed is 0 to " +
                                      std::to_string(read.tensor.dims()[d].extent() - 1));
  }

  const Array& array_of(const Tensor& tensor) {
    const auto it = arrays_.find(tensor.id());
    if (it != arrays_.end()) return *it->second;
    const Array& array = read_(tensor);
    arrays_.emplace(tensor.id(), &array);
    return array;
  }

  void count(double operations) {
    if (meter_ != nullptr) meter_->add(operations);
  }

  const Lookup& read_;
  const std::map<Dim, int64_t> iteration_;
  Meter* const meter_;
  std::map<Dim, size_t> slots_;
  std::vector<int64_t> point_;
  std::unordered_set<const ExprNode*> prepared_;
  std::unordered_map<const ExprNode*, Array> reduced_;
  std::unordered_map<const TensorNode*, const Array*> arrays_;
  std::vector<Expr> keep_;  // nodes whose addresses are keys of reduced_
};

const Array& fed(const Tensor& tensor, const Arrays& arrays, const char* what) {
  const auto it = arrays.find(tensor.name());
  if (it == arrays.end())
    throw UserError(tensor.where(), std::string(what) + " `" + tensor.name() +
                                        "` was given no array; it takes " +
                                        describe(Array{tensor.type(), extents(tensor.dims()), {}}));
  const Array& array = it->second;
  if (array.type != tensor.type() || array.shape != extents(tensor.dims()))
    throw UserError(tensor.where(), std::string(what) + " `" + tensor.name() + "` was given " +
                                        describe(array) + "; it takes " +
                                        describe(Array{tensor.type(), extents(tensor.dims()), {}}) +
                                        ", dims " + describe(tensor.dims()));
  return array;
}

// The tensors of a program that `roots` need, for one step.
class Run {
 public:
  Run(const Program& program, const std::vector<Tensor>& roots, const Arrays& inputs,
      const Arrays& state, const InterpretProgress& progress = {})
      : program_(program), needed_(program.ancestors(roots)), inputs_(inputs), state_(state) {
    require_memory(bytes(), "the interpreter, which keeps all values of `" + program.name() + "`,",
                   "use smaller extents, or compiled kernels");
    const Sequence sequence = sequence_of(program);
    if (progress) meter_.emplace(operations(sequence), progress);
    steps(sequence);
  }

  const Array& array_of(const Tensor& tensor) const {
    if (tensor.role() == Role::input) return fed(tensor, inputs_, "input");
    if (tensor.role() == Role::parameter) return fed(tensor, state_, "parameter");
    if (tensor.role() == Role::state) return fed(tensor, state_, "state");
    return values_.at(tensor);
  }

 private:
  void steps(const Sequence& sequence) {
    for (const SequenceStep& step : sequence) {
      if (const SequenceLoop* loop = std::get_if<SequenceLoop>(&step.what)) {
        iterate(*loop);
      } else {
        compute(std::get<Tensor>(step.what));
      }
    }
  }

  int64_t bytes() const {
    double sum = 0;
    for (const Tensor& tensor : needed_)
      if (tensor.role() == Role::definition || tensor.role() == Role::carried)
        sum += static_cast<double>(size_of(tensor.type())) *
               static_cast<double>(volume(tensor.dims()));
    return static_cast<int64_t>(std::min(sum, 1e18));
  }

  double operations(const Sequence& sequence) const {
    const std::map<Tensor, Dims> loops = loops_around(sequence);
    double sum = 0;
    for (const Tensor& tensor : tensors_of(sequence)) {
      if (needed_.count(tensor) == 0) continue;
      const auto it = loops.find(tensor);
      const Dims around = it == loops.end() ? Dims{} : it->second;
      sum += operations_to_interpret(program_.formula_of(tensor), tensor.dims(), around) *
             static_cast<double>(volume(around));
    }
    return sum;
  }

  void iterate(const SequenceLoop& loop) {
    const int64_t count = loop.over.extent();
    if (count == 0) steps(loop.body);  // empty arrays
    for (int64_t i = 0; i < count; ++i) {
      iteration_[loop.over] = loop.descending ? count - 1 - i : i;
      steps(loop.body);
    }
    iteration_.erase(loop.over);
  }

  void compute(const Tensor& tensor) {
    if (needed_.count(tensor) == 0) return;
    const auto [it, fresh] = values_.try_emplace(tensor);
    if (fresh) it->second = make_array(tensor.type(), extents(tensor.dims()));
    const Lookup read = [this](const Tensor& source) -> const Array& { return array_of(source); };
    Evaluator(read, iteration_, meter_ ? &*meter_ : nullptr)
        .write(program_.formula_of(tensor), tensor.dims(), it->second);
  }

  const Program& program_;
  const std::set<Tensor> needed_;
  const Arrays& inputs_;
  const Arrays& state_;
  std::map<Dim, int64_t> iteration_;
  std::map<Tensor, Array> values_;
  std::optional<Meter> meter_;
};

Array in_order(const Array& array, const Dims& from, const Dims& to) {
  const Tensor named = make_tensor("", from, array.type, Role::input);
  return evaluate(make_read(named), to, [&](const Tensor&) -> const Array& { return array; });
}

bool has_gradients(const Program& program) {
  for (const Tensor& definition : computed_tensors(program))
    if (any_node(definition.value(),
                 [](const Expr& node) { return as<Gradient>(node) != nullptr; }))
      return true;
  return false;
}

}  // namespace

Array evaluate(const Expr& value, const Dims& order, const Lookup& read) {
  Array result = make_array(value.type(), extents(order));
  Evaluator(read).write(value, order, result);
  return result;
}

void evaluate_iteration(const Expr& value, const Dims& order,
                        const std::map<Dim, int64_t>& iteration, const Lookup& read,
                        Array& result) {
  Evaluator(read, iteration).write(value, order, result);
}

Arrays interpret(const Program& program, const Arrays& inputs, Arrays& state,
                 const InterpretProgress& progress) {
  if (has_gradients(program)) return interpret(normalize(program), inputs, state, progress);
  std::vector<Tensor> roots;
  for (const Output& output : program.outputs()) roots.push_back(output.value);
  for (const Update& update : program.updates()) roots.push_back(update.value);
  const Run run(program, roots, inputs, state, progress);
  Arrays outputs;
  for (const Output& output : program.outputs())
    outputs[output.name] = in_order(run.array_of(output.value), output.value.dims(), output.order);
  Arrays updated;
  for (const Update& update : program.updates())
    updated[update.target.name()] =
        in_order(run.array_of(update.value), update.value.dims(), update.target.dims());
  for (auto& [name, array] : updated) state[name] = std::move(array);
  return outputs;
}

Arrays interpret_all(const Program& normal, const Arrays& inputs, const Arrays& state) {
  const Run run(normal, normal.tensors(), inputs, state);
  Arrays all;
  for (const Tensor& tensor : normal.tensors()) all[tensor.name()] = run.array_of(tensor);
  return all;
}

}  // namespace tessera

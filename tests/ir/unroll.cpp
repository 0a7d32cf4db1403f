#include "tests/ir/unroll.h"

#include "base/error.h"
#include "ir/functions.h"
#include "ir/index_range.h"
#include "ir/sequence.h"
#include "ir/simplify.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// Which iteration of each loop around: one index for each dim.
using Iteration = std::map<Dim, int64_t>;

class Unroller {
 public:
  explicit Unroller(const Program& program)
      : source_(program), result_(program.name(), program.where()) {}

  Program run() {
    const Sequence sequence = sequence_of(source_);
    around_ = loops_around(sequence);
    for (const Tensor& tensor : source_.tensors())
      if (tensor.role() != Role::definition && tensor.role() != Role::carried)
        result_.import(tensor);
    steps(sequence);
    for (const Output& output : source_.outputs())
      result_.add_output({output.name, whole(output.value), output.order});
    for (const Update& update : source_.updates())
      result_.add_update({update.target, whole(update.value)});
    return needed();
  }

 private:
  // Without what only iterations past the first or last would have read.
  Program needed() const {
    std::vector<Tensor> roots;
    for (const Output& output : result_.outputs()) roots.push_back(output.value);
    for (const Update& update : result_.updates()) roots.push_back(update.value);
    const std::set<Tensor> kept = result_.ancestors(roots);
    Program program(result_.name(), result_.where());
    for (const Tensor& tensor : result_.tensors())
      if (tensor.role() != Role::definition || kept.count(tensor) != 0) program.import(tensor);
    for (const Output& output : result_.outputs()) program.add_output(output);
    for (const Update& update : result_.updates()) program.add_update(update);
    for (const Pin& pin : source_.pins())
      if (program.find(pin.tensor)) program.pin(pin.tensor, pin.dim, pin.axis, pin.where);
    return program;
  }

  void steps(const Sequence& sequence) {
    for (const SequenceStep& step : sequence) {
      if (const SequenceLoop* loop = std::get_if<SequenceLoop>(&step.what)) {
        iterate(*loop);
      } else {
        compute(std::get<Tensor>(step.what));
      }
    }
  }

  void iterate(const SequenceLoop& loop) {
    const int64_t count = loop.over.extent();
    for (int64_t i = 0; i < count; ++i) {
      iteration_[loop.over] = loop.descending ? count - 1 - i : i;
      steps(loop.body);
    }
    iteration_.erase(loop.over);
  }

  void compute(const Tensor& tensor) {
    const auto loops = around_.find(tensor);
    if (loops == around_.end()) {
      define(tensor, tensor.name(), formula(source_.formula_of(tensor)), tensor.dims());
      return;
    }
    const Dims dims = outside(tensor.dims(), loops->second);
    const bool carried = tensor.role() == Role::carried && contains(loops->second, tensor.over());
    if (carried && !is_first(tensor)) {
      Iteration before = iteration_;
      before[tensor.over()] += tensor.descending() ? 1 : -1;
      remember(tensor, at(source_.update_of(tensor)->value, before));
      return;
    }
    std::string name = tensor.name();
    for (const Dim& dim : loops->second) name += "_" + std::to_string(iteration_.at(dim));
    const Expr value = carried ? tensor.value() : source_.formula_of(tensor);
    const Tensor made = define(tensor, name, formula(value), dims);
    remember(tensor, made);
  }

  bool is_first(const Tensor& carried) const {
    const int64_t first = carried.descending() ? carried.over().extent() - 1 : 0;
    return iteration_.at(carried.over()) == first;
  }

  static Dims outside(const Dims& dims, const Dims& loops) {
    Dims rest;
    for (const Dim& dim : dims)
      if (!contains(loops, dim)) rest.push_back(dim);
    return rest;
  }

  Tensor define(const Tensor& origin, const std::string& name, const Expr& value,
                const Dims& dims) {
    const std::string free_name = result_.find(name) ? result_.fresh_name(name) : name;
    const Tensor made = result_.define(free_name, simplify(value), origin.where(), dims);
    if (around_.count(origin) == 0) wholes_.emplace(origin, made);
    return made;
  }

  std::vector<int64_t> key_of(const Tensor& tensor, const Iteration& iteration) const {
    std::vector<int64_t> key;
    for (const Dim& dim : around_.at(tensor)) key.push_back(iteration.at(dim));
    return key;
  }

  void remember(const Tensor& tensor, const Tensor& made) {
    parts_[tensor].insert_or_assign(key_of(tensor, iteration_), made);
  }

  Tensor at(const Tensor& tensor, const Iteration& iteration) const {
    return parts_.at(tensor).at(key_of(tensor, iteration));
  }

  // A formula for the current iteration.
  Expr formula(const Expr& value) {
    std::map<Dim, Expr> fixed;
    for (const auto& [dim, index] : iteration_)
      fixed.emplace(dim, make_constant(Scalar::of_int(DType::i32, index), value.where()));
    return transform(substitute(value, fixed), [this](const Expr& node) -> Expr {
      const Read* read = as<Read>(node);
      return read != nullptr ? rewritten(node, *read) : node;
    });
  }

  Expr rewritten(const Expr& node, const Read& read) {
    const auto loops = around_.find(read.tensor);
    if (loops == around_.end()) {
      const auto it = wholes_.find(read.tensor);
      return it == wholes_.end() ? node : replaced(read, it->second, node.where());
    }
    Iteration wanted;
    std::vector<Index> rest;
    for (size_t i = 0; i < read.indices.size(); ++i) {
      const Dim& dim = read.tensor.dims()[i];
      if (!contains(loops->second, dim)) {
        rest.push_back(read.indices[i]);
        continue;
      }
      const std::optional<Affine> index = affine_form(read.indices[i].value);
      if (!index || !index->terms.empty()) return replaced(read, whole(read.tensor), node.where());
      if (index->constant < 0 || index->constant >= dim.extent()) {
        TESSERA_CHECK(read.indices[i].padded) << "`" << read.tensor.name() << "` is read outside";
        return padding(node, *read.pad);
      }
      wanted[dim] = index->constant;
    }
    return make_read(at(read.tensor, wanted), std::move(rest), read.pad, node.where());
  }

  // The pad, over the dims that the read has: a reduction around it still runs over them.
  static Expr padding(const Expr& node, const Scalar& pad) {
    Expr value = make_constant(pad, node.where());
    for (const Dim& dim : node.dims()) {
      const Expr end = make_constant(Scalar::of_int(DType::i32, dim.extent()), node.where());
      value = where(make_index(dim, node.where()) < end, value, value, node.where());
    }
    return value;
  }

  static Expr replaced(const Read& read, const Tensor& other, const SourceLocation& where) {
    std::vector<Index> indices;
    for (const Dim& dim : other.dims())
      indices.push_back(read.indices[static_cast<size_t>(position(read.tensor.dims(), dim))]);
    return make_read(other, std::move(indices), read.pad, where);
  }

  // The tensor of all iterations.
  Tensor whole(const Tensor& tensor) {
    if (const auto it = wholes_.find(tensor); it != wholes_.end()) return it->second;
    const Expr value = volume(tensor.dims()) == 0
                           ? make_constant(Scalar::of_number(tensor.type(), 0), tensor.where())
                           : select(tensor, around_.at(tensor), 0, {});
    const std::string name =
        result_.find(tensor.name()) ? result_.fresh_name(tensor.name()) : tensor.name();
    const Tensor made = result_.define(name, value, tensor.where(), tensor.dims());
    wholes_.emplace(tensor, made);
    return made;
  }

  // where(i == 0, part 0, where(i == 1, part 1, …)), loop by loop.
  Expr select(const Tensor& tensor, const Dims& loops, size_t depth, Iteration chosen) {
    if (depth == loops.size()) return make_read(at(tensor, chosen), tensor.where());
    const Dim& loop = loops[depth];
    std::optional<Expr> value;
    for (int64_t i = loop.extent(); i-- > 0;) {
      chosen[loop] = i;
      const Expr part = select(tensor, loops, depth + 1, chosen);
      const Expr here = make_constant(Scalar::of_int(DType::i32, i), tensor.where());
      value = value ? where(equal(make_index(loop, tensor.where()), here), part, *value) : part;
    }
    return *value;
  }

  const Program& source_;
  Program result_;
  std::map<Tensor, Dims> around_;
  Iteration iteration_;
  std::map<Tensor, std::map<std::vector<int64_t>, Tensor>> parts_;
  std::map<Tensor, Tensor> wholes_;
};

}  // namespace

Program unroll(const Program& normal) {
  return normal.carries().empty() ? normal : Unroller(normal).run();
}

}  // namespace tessera

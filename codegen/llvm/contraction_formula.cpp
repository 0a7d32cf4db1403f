#include "codegen/llvm/contraction_formula.h"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>

#include "base/error.h"
#include "codegen/fault.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/masked_access.h"
#include "codegen/llvm/scalars.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// Evaluates one formula. Values that do not vary over the lanes stay scalars until they meet one
// that does.
class FormulaEmitter {
 public:
  FormulaEmitter(ContractionContext& context, llvm::IRBuilder<>& builder, const FormulaSite& site)
      : c_(context), b_(builder), site_(site), lanes_(site.lanes == 1 ? 0 : site.lanes) {
    memo_.emplace_back();
  }

  llvm::Value* value(const Expr& expr) {
    for (const auto& scope : memo_) {
      const auto at = scope.find(&expr.node());
      if (at != scope.end()) return at->second;
    }
    llvm::Value* result = compute(expr);
    memo_.back().emplace(&expr.node(), result);
    return result;
  }

  llvm::Value* full(llvm::Value* v) { return splat(b_, v, lanes_); }

  // 0, 1, … along the lanes.
  llvm::Value* iota() {
    std::vector<llvm::Constant*> lanes;
    for (int i = 0; i < lanes_; ++i) lanes.push_back(b_.getInt64(static_cast<uint64_t>(i)));
    return llvm::ConstantVector::get(lanes);
  }
  // Which lanes exist; null when all do.
  llvm::Value* exists() {
    if (site_.valid == nullptr || lanes_ == 0) return nullptr;
    std::vector<llvm::Constant*> numbers;
    for (int i = 0; i < lanes_; ++i) numbers.push_back(b_.getInt32(static_cast<uint32_t>(i)));
    llvm::Value* valid = b_.CreateTrunc(site_.valid, b_.getInt32Ty());
    return b_.CreateICmpSLT(llvm::ConstantVector::get(numbers), full(valid));
  }
  // Offset in elements of the first lane, and how far apart the lanes are.
  struct Place {
    llvm::Value* offset;
    int64_t step;
  };
  Place place(const Affine& form) {
    return {c_.evaluate(b_, site_.scratch, form, site_.point),
            lanes_ == 0 ? 0 : inner_step(form, c_.levels(site_.axis))};
  }
  llvm::Value* base_of(const Tensor& tensor) {
    llvm::Value* slot = b_.CreateConstInBoundsGEP1_64(
        c_.pointer, site_.arguments, static_cast<uint64_t>(c_.argument_of(tensor)));
    return c_.load_fixed(b_, c_.pointer, slot);
  }

 private:
  llvm::Value* compute(const Expr& expr) {
    if (const Constant* constant = as<Constant>(expr)) return constant_of(c_.llvm, constant->value);
    if (const Read* read = as<Read>(expr)) return load(*read);
    if (is_integer(expr.type()))
      if (const std::optional<Affine> form = affine_form(expr))
        return b_.CreateTrunc(affine(*form),
                              shaped(register_type(c_.llvm, expr.type()), varies(*form)));
    const Apply* apply = as<Apply>(expr);
    TESSERA_CHECK(apply != nullptr) << "a nest's body holds a reduction or a gradient";
    if (apply->fn == Fn::where) return select(*apply, expr.type());
    std::vector<llvm::Value*> args;
    for (const Expr& arg : apply->args) args.push_back(value(arg));
    const ApplyTypes types{apply->args[0].type(), expr.type()};
    return emit_apply(b_, apply->fn, types, one_shape(std::move(args)));
  }

  // A side is only evaluated, as far as faults go, where it is taken.
  llvm::Value* select(const Apply& apply, DType type) {
    llvm::Value* condition = value(apply.args[0]);
    llvm::Value* outer = active_;
    std::vector<llvm::Value*> args = {condition};
    for (const bool taken : {true, false}) {
      llvm::Value* here = taken ? condition : b_.CreateNot(condition);
      active_ = outer == nullptr ? here : both(outer, here);
      memo_.emplace_back();
      args.push_back(value(apply.args[taken ? 1 : 2]));
      memo_.pop_back();
    }
    active_ = outer;
    return emit_apply(b_, Fn::where, {type, type}, one_shape(std::move(args)));
  }

  std::vector<llvm::Value*> one_shape(std::vector<llvm::Value*> args) {
    int lanes = 0;
    for (const llvm::Value* arg : args) lanes = std::max(lanes, lanes_of(arg));
    for (llvm::Value*& arg : args) arg = splat(b_, arg, lanes);
    return args;
  }
  llvm::Value* both(llvm::Value* x, llvm::Value* y) {
    const std::vector<llvm::Value*> sides = one_shape({x, y});
    return b_.CreateAnd(sides[0], sides[1]);
  }

  int varies(const Affine& form) {
    return lanes_ != 0 && inner_step(form, c_.levels(site_.axis)) != 0 ? lanes_ : 0;
  }
  // An affine index as i64, a vector only if it varies.
  llvm::Value* affine(const Affine& form) {
    const Place at = place(form);
    if (at.step == 0) return at.offset;
    return b_.CreateAdd(full(at.offset), b_.CreateMul(iota(), full(c_.constant(at.step))));
  }
  llvm::Value* index_value(const Expr& index) {
    if (const std::optional<Affine> form = affine_form(index)) return affine(*form);
    llvm::Value* v = value(index);
    return b_.CreateSExt(v, shaped(c_.i64, lanes_of(v)));
  }

  llvm::Value* load(const Read& read) {
    const auto known = site_.known.find(read.tensor);
    if (known != site_.known.end()) return known->second;
    const std::optional<Affine> form = address_of(read);
    llvm::Value* inside = nullptr;
    llvm::Value* offset = nullptr;
    const std::vector<int64_t> strides = read.tensor.strides();
    for (size_t d = 0; d < read.indices.size(); ++d) {
      const Expr& index = read.indices[d].value;
      const int64_t extent = read.tensor.dims()[d].extent();
      if (!form) {
        llvm::Value* at = index_value(index);
        at = b_.CreateMul(at, splat(b_, c_.constant(strides[d]), lanes_of(at)));
        if (offset != nullptr) {
          const std::vector<llvm::Value*> sides = one_shape({offset, at});
          at = b_.CreateAdd(sides[0], sides[1]);
        }
        offset = at;
      }
      const std::optional<IndexRange> range = index_range(index);
      if (range && range->low >= 0 && range->high < extent) continue;
      llvm::Value* at = index_value(index);
      llvm::Value* limit = splat(b_, c_.constant(extent), lanes_of(at));
      llvm::Value* good = b_.CreateICmpULT(at, limit);
      if (!read.indices[d].padded) report_outside(read, d, at, good);
      inside = inside == nullptr ? good : both(inside, good);
    }
    return form ? load_affine(read, *form, inside) : load_gathered(read, offset, inside);
  }

  void report_outside(const Read& read, size_t d, llvm::Value* at, llvm::Value* good) {
    c_.faults.push_back(fault_text(read.indices[d].value.where(), read, d));
    llvm::Value* bad = b_.CreateNot(good);
    if (active_ != nullptr) bad = both(active_, bad);
    if (llvm::Value* mask = lanes_of(bad) != 0 ? exists() : nullptr) bad = b_.CreateAnd(bad, mask);
    const auto code = static_cast<int64_t>(c_.first_fault + c_.faults.size());
    report_fault(b_, bad, at, code, site_.fault);
  }

  static Scalar pad_scalar(const Read& read) {
    return read.pad ? *read.pad : Scalar::of_number(read.tensor.type(), 0);
  }
  llvm::Value* pad_of(const Read& read, int lanes) {
    return constant_of(c_.llvm, pad_scalar(read), lanes);
  }

  llvm::Value* load_affine(const Read& read, const Affine& form, llvm::Value* inside) {
    const Place at = place(form);
    llvm::Type* type = memory_type(c_.llvm, read.tensor.type());
    const bool uniform = inside == nullptr || lanes_of(inside) == 0;
    if (at.step == 1 && read.tensor.type() != DType::b8 && volume(read.tensor.dims()) > 0) {
      llvm::Value* from = b_.CreateGEP(type, base_of(read.tensor), at.offset);
      llvm::Value* mask = exists();
      if (inside != nullptr && uniform && mask == nullptr) {
        // Where all of it is outside, vectors of the pad are read instead.
        llvm::Value* padding = c_.in_memory(memory_constant(c_.llvm, pad_scalar(read), lanes_));
        from = b_.CreateSelect(inside, from, padding);
        inside = nullptr;
      }
      if (inside != nullptr) mask = mask == nullptr ? full(inside) : both(mask, inside);
      llvm::Type* vector = shaped(type, lanes_);
      const llvm::Align align(size_of(read.tensor.type()));
      const DType element = read.tensor.type();
      llvm::Constant* pad = memory_constant(c_.llvm, pad_scalar(read), lanes_);
      return from_memory(
          b_, element, MaskedAccess(b_, c_.register_bytes()).load(vector, from, align, mask, pad));
    }
    if (at.step == 0 && uniform) return load_gathered(read, at.offset, inside);
    return load_gathered(read, affine(form), inside);
  }

  // A load for each lane from its own offset; a lane that is outside or does not exist reads
  // the tensor's first element instead.
  llvm::Value* load_gathered(const Read& read, llvm::Value* offset, llvm::Value* inside) {
    const int64_t elements = volume(read.tensor.dims());
    if (elements == 0) return pad_of(read, 0);
    const std::vector<llvm::Value*> sides =
        one_shape(inside == nullptr ? std::vector<llvm::Value*>{offset}
                                    : std::vector<llvm::Value*>{offset, inside});
    offset = sides[0];
    const int lanes = lanes_of(offset);
    llvm::Value* safe = inside == nullptr ? nullptr : sides[1];
    if (lanes != 0)
      if (llvm::Value* mask = exists()) safe = safe == nullptr ? mask : b_.CreateAnd(safe, mask);
    if (safe != nullptr)
      offset = b_.CreateSelect(safe, offset, llvm::Constant::getNullValue(offset->getType()));
    llvm::Type* type = memory_type(c_.llvm, read.tensor.type());
    llvm::Value* base = base_of(read.tensor);
    const llvm::Align align(size_of(read.tensor.type()));
    llvm::Value* stored = nullptr;
    if (lanes == 0) {
      stored = b_.CreateAlignedLoad(type, b_.CreateGEP(type, base, offset), align);
    } else {
      stored = llvm::PoisonValue::get(shaped(type, lanes));
      for (int i = 0; i < lanes; ++i) {
        llvm::Value* from = b_.CreateGEP(
            type, base, b_.CreateExtractElement(offset, b_.getInt64(static_cast<uint64_t>(i))));
        stored = b_.CreateInsertElement(stored, b_.CreateAlignedLoad(type, from, align),
                                        b_.getInt64(static_cast<uint64_t>(i)));
      }
    }
    llvm::Value* v = from_memory(b_, read.tensor.type(), stored);
    return inside == nullptr ? v : b_.CreateSelect(sides[1], v, pad_of(read, lanes));
  }

  ContractionContext& c_;
  llvm::IRBuilder<>& b_;
  const FormulaSite& site_;
  int lanes_;  // 0 for one point
  llvm::Value* active_ = nullptr;
  std::vector<std::map<const ExprNode*, llvm::Value*>> memo_;
};

}  // namespace

llvm::Value* emit_formula(ContractionContext& context, llvm::IRBuilder<>& b,
                          const FormulaSite& site, const Expr& expr) {
  FormulaEmitter emitter(context, b, site);
  return emitter.full(emitter.value(expr));
}

void emit_write(ContractionContext& context, llvm::IRBuilder<>& b, const FormulaSite& site,
                const Tensor& tensor, llvm::Value* value) {
  FormulaEmitter emitter(context, b, site);
  const auto at = emitter.place(address_of(tensor));
  llvm::Type* type = memory_type(context.llvm, tensor.type());
  const llvm::Align align(size_of(tensor.type()));
  llvm::Value* base = emitter.base_of(tensor);
  value = to_memory(b, tensor.type(), value);
  llvm::Value* to = b.CreateGEP(type, base, at.offset);
  if (lanes_of(value) == 0) {
    b.CreateAlignedStore(value, to, align);
  } else if (at.step == 1 && (site.valid == nullptr || tensor.type() != DType::b8)) {
    MaskedAccess(b, context.register_bytes()).store(value, to, align, emitter.exists());
  } else {
    for (int i = 0; i < lanes_of(value); ++i) {
      const auto write = [&] {
        llvm::Value* place = b.CreateGEP(type, to, context.constant(i * at.step));
        b.CreateAlignedStore(b.CreateExtractElement(value, b.getInt64(static_cast<uint64_t>(i))),
                             place, align);
      };
      if (site.valid == nullptr || i == 0)
        write();
      else
        emit_if(b, b.CreateICmpSGT(site.valid, context.constant(i)), write);
    }
  }
}

}  // namespace tessera

#include "codegen/llvm/emit_values.h"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "codegen/lane_places.h"
#include "codegen/llvm/compensated_sum.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

constexpr int64_t kCacheLine = 64;

// Of a Kernel::Entry.
std::vector<llvm::Value*> buffers_of(llvm::IRBuilderBase& b, const LoopNest& nest,
                                     llvm::Function& function) {
  std::vector<llvm::Value*> buffers;
  for (const NestBuffer& buffer : nest.buffers) {
    if (buffer.argument < 0) {
      buffers.push_back(
          b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), function.getArg(1), buffer.scratch_offset));
      continue;
    }
    llvm::Value* slot = b.CreateConstInBoundsGEP1_64(b.getPtrTy(), function.getArg(0),
                                                     static_cast<uint64_t>(buffer.argument));
    buffers.push_back(b.CreateLoad(b.getPtrTy(), slot, buffer.name));
  }
  return buffers;
}

}  // namespace

ValueEmitter::ValueEmitter(llvm::IRBuilderBase& builder, const LoopNest& nest,
                           llvm::Function& function, int register_bytes)
    : ValueEmitter(builder, nest, buffers_of(builder, nest, function), function.getArg(4),
                   register_bytes, 1) {}

ValueEmitter::ValueEmitter(llvm::IRBuilderBase& builder, const LoopNest& nest,
                           std::vector<llvm::Value*> buffers, llvm::Value* fault,
                           int register_bytes, int64_t buffer_align)
    : b_(builder),
      access_(builder, register_bytes),
      register_bytes_(register_bytes),
      buffer_align_(buffer_align),
      nest_(nest),
      fault_(fault),
      buffers_(std::move(buffers)) {
  loops_.assign(nest.loops.size(), nullptr);
  known_.assign(nest.nodes.size(), nullptr);
}

ValueEmitter::Scope::Scope(ValueEmitter& values)
    : values_(values),
      loops_(values.loops_),
      known_(values.known_),
      conditional_(values.conditional_),
      tail_(values.tail_),
      lane_(values.lane_),
      lanes_(values.lanes_) {}

ValueEmitter::Scope::~Scope() {
  values_.loops_ = std::move(loops_);
  values_.known_ = std::move(known_);
  values_.conditional_ = std::move(conditional_);
  values_.tail_ = tail_;
  values_.lane_ = lane_;
  values_.lanes_ = lanes_;
}

void ValueEmitter::set_lanes(int lane, int lanes) {
  lane_ = lane;
  lanes_ = lanes;
  tail_ = nullptr;
}

void ValueEmitter::set_tail(int64_t count) {
  tail_count_ = count;
  std::vector<llvm::Constant*> bits;
  for (int i = 0; i < lanes_; ++i) bits.push_back(b_.getInt1(i < count));
  tail_ = llvm::ConstantVector::get(bits);
}

void ValueEmitter::bind(int loop, llvm::Value* value) {
  loops_[static_cast<size_t>(loop)] = value;
}

void ValueEmitter::set_result(int reduction, llvm::Value* value) {
  for (size_t i = 0; i < nest_.nodes.size(); ++i)
    if (nest_.nodes[i].kind == Node::Kind::result && nest_.nodes[i].reduction == reduction)
      known_[i] = value;
}

bool ValueEmitter::varies(int node) const {
  return lane_ >= 0 && (node_at(node).loops >> lane_ & 1) != 0;
}

std::vector<int> ValueEmitter::always_evaluated(const std::vector<int>& roots) const {
  std::set<int> seen;
  std::vector<int> work = roots;
  while (!work.empty()) {
    const int n = work.back();
    work.pop_back();
    if (!seen.insert(n).second) continue;
    const Node& node = node_at(n);
    const bool branches = node.kind == Node::Kind::apply && node.fn == Fn::where;
    for (size_t i = 0; i < node.args.size(); ++i)
      if (!branches || i == 0 || !node_at(node.args[i]).faulting) work.push_back(node.args[i]);
    for (const auto& [term, stride] : node.address.terms) work.push_back(term);
    for (const Guard& guard : node.address.guards)
      if (guard.node >= 0) work.push_back(guard.node);
  }
  return {seen.begin(), seen.end()};
}

void ValueEmitter::hoist(const std::vector<int>& nodes) {
  for (int n : nodes) {
    const Node& node = node_at(n);
    if (node.kind == Node::Kind::constant || node.kind == Node::Kind::result) continue;
    bool ready = true;
    for (size_t loop = 0; loop < loops_.size(); ++loop)
      if ((node.loops >> loop & 1) != 0 && loops_[loop] == nullptr) ready = false;
    if (ready) value(n);
  }
}

llvm::Value* ValueEmitter::value(int node, llvm::Value* context) {
  if (known_[static_cast<size_t>(node)] != nullptr) return known_[static_cast<size_t>(node)];
  if (!node_at(node).faulting || context == nullptr)
    return known_[static_cast<size_t>(node)] = emit(node, nullptr);
  const std::pair<int, llvm::Value*> key{node, context};
  const auto it = conditional_.find(key);
  if (it != conditional_.end()) return it->second;
  llvm::Value* made = emit(node, context);
  conditional_[key] = made;
  return made;
}

llvm::Value* ValueEmitter::emit(int n, llvm::Value* context) {
  const Node& node = node_at(n);
  switch (node.kind) {
    case Node::Kind::constant:
      return constant_of(b_.getContext(), node.value);
    case Node::Kind::loop:
      return emit_index(node.index);
    case Node::Kind::load:
      return emit_load(node, context);
    case Node::Kind::result:
      TESSERA_CHECK(false) << "the result of a reduction is used before it is there";
      return nullptr;
    case Node::Kind::apply:
      break;
  }
  if (node.fn == Fn::where && node.faulting) return emit_where(node, context);
  const int lanes = varies(n) ? lanes_ : 0;
  std::vector<llvm::Value*> args;
  for (int arg : node.args) args.push_back(splat(b_, value(arg, context), lanes));
  return emit_apply(b_, node.fn, {node_at(node.args[0]).type, node.type}, args);
}

// Only the lanes that take a side may report its faults.
llvm::Value* ValueEmitter::emit_where(const Node& node, llvm::Value* context) {
  llvm::Value* condition = value(node.args[0], context);
  llvm::Value* yes = value(node.args[1], both(context, condition));
  llvm::Value* no = value(node.args[2], both(context, b_.CreateNot(condition)));
  const int lanes = std::max({lanes_of(condition), lanes_of(yes), lanes_of(no)});
  return b_.CreateSelect(splat(b_, condition, lanes), splat(b_, yes, lanes), splat(b_, no, lanes));
}

// Both masks; each may be a scalar, a vector or nullptr.
llvm::Value* ValueEmitter::both(llvm::Value* a, llvm::Value* b) {
  if (a == nullptr || b == nullptr) return a == nullptr ? b : a;
  const int lanes = std::max(lanes_of(a), lanes_of(b));
  return b_.CreateAnd(splat(b_, a, lanes), splat(b_, b, lanes));
}

llvm::Value* ValueEmitter::emit_index(const LoopAffine& index) {
  llvm::Value* base = b_.CreateTrunc(base_of(index, 1), b_.getInt32Ty());
  const int64_t step = lane_ >= 0 ? index.coefficient(lane_) : 0;
  if (step == 0) return base;
  return b_.CreateAdd(splat(b_, base, lanes_), iota(b_.getInt32Ty(), lanes_, step));
}

// The value of the affine form, for lane 0, times `factor`; 64 bits.
llvm::Value* ValueEmitter::base_of(const LoopAffine& affine, int64_t factor) {
  llvm::Value* sum = nullptr;
  for (const auto& [loop, coefficient] : affine.terms) {
    llvm::Value* term = bound(loop);
    TESSERA_CHECK(term != nullptr) << nest_.loops[static_cast<size_t>(loop)].name;
    if (coefficient * factor != 1)
      term = b_.CreateNSWMul(term, b_.getInt64(static_cast<uint64_t>(coefficient * factor)));
    sum = sum == nullptr ? term : b_.CreateNSWAdd(sum, term);
  }
  llvm::Value* constant = b_.getInt64(static_cast<uint64_t>(affine.constant * factor));
  if (sum == nullptr) return constant;
  return affine.constant == 0 ? sum : b_.CreateNSWAdd(sum, constant);
}

// Do all values of the form, and the extent, fit 31 bits?
bool ValueEmitter::is_small(const LoopAffine& affine, int64_t extent) const {
  double reach = std::abs(static_cast<double>(affine.constant)) + static_cast<double>(extent);
  for (const auto& [loop, coefficient] : affine.terms)
    reach += std::abs(static_cast<double>(coefficient)) *
             static_cast<double>(nest_.loops[static_cast<size_t>(loop)].extent + lanes_);
  return reach < 1e9;
}

// i1 or a vector of them: 0 <= position < extent.
llvm::Value* ValueEmitter::inside(const Guard& guard, llvm::Value* context) {
  llvm::Value* position = nullptr;
  if (guard.node >= 0) {
    position = value(guard.node, context);
    if (guard.extent >= (int64_t{1} << 31) && position->getType()->getScalarType()->isIntegerTy(32))
      position = b_.CreateSExt(position, shaped(b_.getInt64Ty(), lanes_of(position)));
  } else {
    position = base_of(guard.affine, 1);
    const int64_t step = lane_ >= 0 ? guard.affine.coefficient(lane_) : 0;
    if (step != 0) {
      llvm::Type* type = b_.getInt64Ty();
      if (is_small(guard.affine, guard.extent)) type = b_.getInt32Ty();
      position = b_.CreateTrunc(position, type);
      position = b_.CreateAdd(splat(b_, position, lanes_), iota(type, lanes_, step));
    }
  }
  // As unsigned numbers negative positions are large.
  return b_.CreateICmpULT(
      position, llvm::ConstantInt::get(position->getType(), static_cast<uint64_t>(guard.extent)));
}

void ValueEmitter::guard(const Guard& guard, llvm::Value* context, Place& place) {
  llvm::Value* is_inside = inside(guard, context);
  if (guard.fault != 0) report(b_.CreateNot(is_inside), context, guard);
  llvm::Value*& sum = lanes_of(is_inside) == 0 ? place.uniform : place.mask;
  sum = both(sum, is_inside);
}

// A guard that may fault has a node: affine indices are checked when a program is built.
void ValueEmitter::report(llvm::Value* outside, llvm::Value* context, const Guard& guard) {
  llvm::Value* bad = both(outside, context);
  if (lanes_of(bad) != 0 && tail_ != nullptr) bad = both(bad, tail_);
  report_fault(b_, bad, value(guard.node, context), guard.fault, fault_);
}

// Offsets of the lanes that no single step describes: what reads of other tensors contribute.
llvm::Value* ValueEmitter::lane_offsets(const Address& address, const NestBuffer& buffer,
                                        int64_t factor, llvm::Value* context) {
  const int64_t most = buffer.elements * factor;
  llvm::Type* type = most < (int64_t{1} << 31) ? b_.getInt32Ty() : b_.getInt64Ty();
  llvm::Value* sum = nullptr;
  for (const auto& [term, stride] : address.terms) {
    if (!varies(term)) continue;
    llvm::Value* index = value(term, context);
    index = b_.CreateSExtOrTrunc(index, shaped(type, lanes_));
    index = b_.CreateMul(index, llvm::ConstantInt::getSigned(index->getType(), stride * factor));
    sum = sum == nullptr ? index : b_.CreateAdd(sum, index);
  }
  return sum;
}

void ValueEmitter::Place::set_lanes(std::vector<int64_t> places) {
  const auto is_step = [&](int64_t by) {
    for (size_t l = 0; l < places.size(); ++l)
      if (places[l] != by * static_cast<int64_t>(l)) return false;
    return true;
  };
  step = is_step(1) ? 1 : 0;
  if (step == 0 && !is_step(0)) lanes = std::move(places);
}

// What a quotient of the first lane's index adds to an offset; exact, as blocks of lanes begin at
// multiples of the divisor.
llvm::Value* ValueEmitter::quotient_of_first(int node, int64_t stride) {
  const LaneQuotient quotient = *lane_quotient(nest_, node, lane_, lanes_);
  if (quotient.rest) return b_.getInt64(0);
  llvm::Value* first = b_.CreateExactSDiv(base_of(quotient.index, 1),
                                          b_.getInt64(static_cast<uint64_t>(quotient.by)));
  return b_.CreateMul(first, b_.getInt64(static_cast<uint64_t>(stride)));
}

// Bytes that surely divide the address of the first lane; those of an element at least. Blocks of
// lanes begin at multiples of their size.
int64_t ValueEmitter::alignment_of(const Address& address, const NestBuffer& buffer) const {
  const auto element = static_cast<int64_t>(size_of(buffer.type));
  int64_t align = std::gcd(buffer_align_, element * address.affine.constant);
  for (const auto& [loop, coefficient] : address.affine.terms)
    align = std::gcd(align, element * coefficient * (loop == lane_ ? lanes_ : 1));
  for (const auto& [node, stride] : address.terms) align = std::gcd(align, element * stride);
  return std::max(align, element);
}

ValueEmitter::Place ValueEmitter::place_of(const Address& address, llvm::Value* context) {
  const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(address.buffer)];
  llvm::Type* element = memory_type(b_.getContext(), buffer.type);
  const int64_t factor = buffer.per_lane ? lanes_ : 1;
  Place place;
  place.align = alignment_of(address, buffer);
  for (const Guard& each : address.guards) guard(each, context, place);
  llvm::Value* offset = base_of(address.affine, factor);
  std::optional<std::vector<int64_t>> places;
  if (lane_ >= 0 && factor == 1) places = lane_places(nest_, address, lane_, lanes_);
  for (const auto& [term, stride] : address.terms) {
    if (varies(term)) {
      if (places) offset = b_.CreateAdd(offset, quotient_of_first(term, stride));
      continue;
    }
    llvm::Value* index = b_.CreateSExt(value(term, context), b_.getInt64Ty());
    offset = b_.CreateAdd(offset,
                          b_.CreateMul(index, b_.getInt64(static_cast<uint64_t>(stride * factor))));
  }
  const bool has_lanes = lane_ >= 0 && loops_[static_cast<size_t>(lane_)] != nullptr;
  if (has_lanes) place.step = buffer.per_lane ? 1 : address.affine.coefficient(lane_);
  if (places && has_lanes)
    place.set_lanes(std::move(*places));
  else
    place.offsets = lane_offsets(address, buffer, factor, context);
  if (place.uniform != nullptr && !place.vector())
    offset = b_.CreateSelect(place.uniform, offset, b_.getInt64(0));
  place.pointer = b_.CreateGEP(element, buffers_[static_cast<size_t>(address.buffer)], offset);
  return place;
}

llvm::Value* ValueEmitter::emit_load(const Node& node, llvm::Value* context) {
  const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(node.address.buffer)];
  const Place place = place_of(node.address, context);
  if (buffer.elements == 0)  // every index is outside
    return constant_of(b_.getContext(), node.value, place.vector() || place.mask ? lanes_ : 0);
  if (!place.vector()) return load_scalar(node, place);
  return load_vector(node, place);
}

ValueEmitter::Source ValueEmitter::source_of(int node) {
  const Place place = place_of(node_at(node).address, nullptr);
  TESSERA_CHECK(place.contiguous() && place.mask == nullptr && tail_ == nullptr)
      << "the lanes of a load lie apart";
  return {place.pointer, place.uniform};
}

llvm::Value* ValueEmitter::start_of(int node) const {
  return buffers_[static_cast<size_t>(node_at(node).address.buffer)];
}

llvm::Value* ValueEmitter::load_scalar(const Node& node, const Place& place) {
  llvm::Type* element = memory_type(b_.getContext(), node.type);
  llvm::Value* loaded = b_.CreateAlignedLoad(element, place.pointer, place.alignment(node.type));
  loaded = from_memory(b_, node.type, loaded);
  llvm::Constant* pad = constant_of(b_.getContext(), node.value);
  if (place.uniform != nullptr) loaded = b_.CreateSelect(place.uniform, loaded, pad);
  if (place.mask == nullptr) return loaded;
  // One address, of which some lanes read the pad.
  return b_.CreateSelect(place.mask, splat(b_, loaded, lanes_), splat(b_, pad, lanes_));
}

// What lies at a place; of lanes that do not touch memory, 0.
llvm::Value* ValueEmitter::read(const Place& place, DType type) {
  llvm::Type* element = memory_type(b_.getContext(), type);
  const llvm::Align align = place.alignment(type);
  if (!place.vector()) return b_.CreateAlignedLoad(element, place.pointer, align);
  llvm::Type* vector = shaped(element, lanes_);
  llvm::Value* mask = mask_of(place);
  llvm::Value* zero = llvm::Constant::getNullValue(vector);
  return place.contiguous()
             ? access_.load(vector, place.pointer, align, mask, zero)
             : access_.gather(vector, place.pointer, offsets_of(place), align, mask, zero);
}

void ValueEmitter::write(const Place& place, DType type, llvm::Value* value) {
  const llvm::Align align = place.alignment(type);
  if (!place.vector())
    b_.CreateAlignedStore(value, place.pointer, align);
  else if (place.contiguous())
    access_.store(value, place.pointer, align, mask_of(place));
  else
    access_.scatter(value, place.pointer, offsets_of(place), align, mask_of(place));
}

void ValueEmitter::fetch(const Address& address) {
  const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(address.buffer)];
  llvm::Value* first = place_of(address, nullptr).pointer;
  const int64_t bytes = lanes_ * static_cast<int64_t>(size_of(buffer.type));
  for (int64_t at = 0; at < bytes; at += kCacheLine) {
    llvm::Value* line = b_.CreateConstGEP1_64(b_.getInt8Ty(), first, static_cast<uint64_t>(at));
    b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {line->getType()},
                       {line, b_.getInt32(0), b_.getInt32(2), b_.getInt32(1)});
  }
}

// Is the buffer written past the caches, and here in whole lines?
bool ValueEmitter::goes_past_caches(const Store& store) const {
  const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(store.address.buffer)];
  if (!buffer.past_caches || store.accumulate || !store.address.terms.empty()) return false;
  const auto whole_lines = [&](int64_t elements) {
    return elements * static_cast<int64_t>(size_of(buffer.type)) % kCacheLine == 0;
  };
  const LoopAffine& place = store.address.affine;
  return whole_lines(lanes_) && whole_lines(place.constant) &&
         std::all_of(place.terms.begin(), place.terms.end(), [&](const auto& term) {
           return whole_lines(term.second * (term.first == lane_ ? lanes_ : 1));
         });
}

void ValueEmitter::store(const Store& store, llvm::Value* value) {
  const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(store.address.buffer)];
  if (buffer.elements == 0) return;
  const Place place = place_of(store.address, nullptr);
  TESSERA_CHECK(place.vector() || lanes_of(value) == 0)
      << "lanes store to one place in " << buffer.name;
  value = to_memory(b_, buffer.type, splat(b_, value, place.vector() ? lanes_ : 0));
  if (place.contiguous() && mask_of(place) == nullptr && goes_past_caches(store)) {
    auto* stored = b_.CreateAlignedStore(value, place.pointer, llvm::Align(kCacheLine));
    stored->setMetadata(
        llvm::LLVMContext::MD_nontemporal,
        llvm::MDNode::get(b_.getContext(), llvm::ConstantAsMetadata::get(b_.getInt32(1))));
    return;
  }
  write(place, buffer.type, store.accumulate ? accumulated(store, place, value) : value);
}

// The value combined with what is there; what a sum loses is kept at `lost`.
llvm::Value* ValueEmitter::accumulated(const Store& store, const Place& place, llvm::Value* value) {
  const DType type = nest_.buffers[static_cast<size_t>(store.address.buffer)].type;
  TESSERA_CHECK(sum_type(type) == type) << name_of(type);
  llvm::Value* before = read(place, type);
  // A scalar outside: what the buffer's first element holds is written back.
  const auto unless_outside = [&](const Place& at, llvm::Value* after, llvm::Value* held) {
    return at.vector() || at.uniform == nullptr ? after : b_.CreateSelect(at.uniform, after, held);
  };
  if (!store.lost)
    return unless_outside(place, emit_combine(b_, *store.accumulate, type, before, value), before);
  const Place lost = place_of(*store.lost, nullptr);
  llvm::Value* rest = read(lost, type);
  const CompensatedSum total = emit_add(b_, {before, rest}, value);
  write(lost, type, unless_outside(lost, total.rest, rest));
  return unless_outside(place, total.sum, before);
}

}  // namespace tessera

#pragma once

#include <llvm/IR/IRBuilder.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "codegen/llvm/masked_access.h"
#include "codegen/loop_nest.h"

namespace tessera {

// The values of a nest's nodes at the current point: loops that have a value are bound; a node is
// emitted once within the scope in which it was first needed. Values that depend on the lane loop
// are vectors, all others scalars.
class ValueEmitter {
 public:
  // `register_bytes` are those of one vector register of the target.
  ValueEmitter(llvm::IRBuilderBase& builder, const LoopNest& nest, llvm::Function& function,
               int register_bytes);
  // Where the nest's buffers lie is given, and that all of them begin at addresses that
  // `buffer_align` divides, which accesses then make use of.
  ValueEmitter(llvm::IRBuilderBase& builder, const LoopNest& nest,
               std::vector<llvm::Value*> buffers, llvm::Value* fault, int register_bytes,
               int64_t buffer_align);

  // Restores bindings, lanes, tail and known values when it ends.
  class Scope {
   public:
    explicit Scope(ValueEmitter& values);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    ValueEmitter& values_;
    std::vector<llvm::Value*> loops_;
    std::vector<llvm::Value*> known_;
    std::map<std::pair<int, llvm::Value*>, llvm::Value*> conditional_;
    llvm::Value* tail_;
    int lane_, lanes_;
  };

  void set_lanes(int lane, int lanes);
  int lane() const { return lane_; }
  int lanes() const { return lanes_; }
  // Only the first `count` lanes count.
  void set_tail(int64_t count);
  llvm::Value* tail() const { return tail_; }  // or nullptr: all lanes count

  void bind(int loop, llvm::Value* value);
  llvm::Value* bound(int loop) const { return loops_[static_cast<size_t>(loop)]; }
  void set_result(int reduction, llvm::Value* value);
  // What a node is from here to the end of the scope.
  void know(int node, llvm::Value* value) { known_[static_cast<size_t>(node)] = value; }

  // A load (transposed_loads.h) at `count` steps of a loop that is bound to the first of them: the
  // lanes of each step, into memory, which holds a vector for each.
  void load_transposed(int node, int64_t count, llvm::Value* memory);
  // A store (transposed_loads.h) at `count` steps of a loop that is bound to the first of them: of
  // the vectors in memory, one for each step, a row of steps for each lane.
  void store_transposed(const Store& store, int64_t count, llvm::Value* memory);
  // That memory's vectors.
  llvm::Type* vector_of(int node) const;
  // Steps that one square of registers holds.
  int64_t square_of(int node) const;

  llvm::Value* value(int node) { return value(node, nullptr); }
  void store(const Store& store, llvm::Value* value);
  // Asks for the lines of an address, all lanes, into the second-level cache.
  void fetch(const Address& address);

  // Where the lanes of a load lie, side by side, and whether they do, which of them is i1 or
  // nullptr: always. All of them or none are inside.
  struct Source {
    llvm::Value* pointer;
    llvm::Value* inside;
  };
  Source source_of(int node);
  // Where the buffer of a load begins.
  llvm::Value* start_of(int node) const;

  // The nodes below `roots` that are evaluated wherever the roots are, and not only on one side of
  // a `where`.
  std::vector<int> always_evaluated(const std::vector<int>& roots) const;
  // Emits those whose loops are all bound.
  void hoist(const std::vector<int>& nodes);

 private:
  // Where an access goes: pointer + lane * step, or pointer + offsets for each lane, which may be
  // known (lane_places.h).
  struct Place {
    llvm::Value* pointer = nullptr;
    int64_t step = 0;
    int64_t align = 1;               // bytes that divide the pointer
    llvm::Value* offsets = nullptr;  // elements
    std::vector<int64_t> lanes = {};
    llvm::Value* uniform = nullptr;  // i1: nullptr is true
    llvm::Value* mask = nullptr;     // lanes: nullptr is all
    bool vector() const { return step != 0 || offsets != nullptr || !lanes.empty(); }
    // Of an access: one that is not contiguous goes element by element.
    llvm::Align alignment(DType type) const {
      return llvm::Align(
          static_cast<uint64_t>(contiguous() ? align : static_cast<int64_t>(size_of(type))));
    }
    bool contiguous() const { return step == 1 && offsets == nullptr; }
    void set_lanes(std::vector<int64_t> places);
  };

  const Node& node_at(int node) const { return nest_.nodes[static_cast<size_t>(node)]; }
  bool varies(int node) const;
  llvm::Value* value(int node, llvm::Value* context);
  llvm::Value* emit(int node, llvm::Value* context);
  llvm::Value* emit_where(const Node& node, llvm::Value* context);
  llvm::Value* emit_index(const LoopAffine& index);
  llvm::Value* emit_load(const Node& node, llvm::Value* context);
  llvm::Value* load_scalar(const Node& node, const Place& place);
  llvm::Value* load_vector(const Node& node, const Place& place);
  std::optional<Place> always_inside(const Node& node, const Place& place);
  llvm::Value* read(const Place& place, DType type);
  void write(const Place& place, DType type, llvm::Value* value);
  bool goes_past_caches(const Store& store) const;
  llvm::Value* accumulated(const Store& store, const Place& place, llvm::Value* value);

  llvm::Value* base_of(const LoopAffine& affine, int64_t factor);
  Place place_of(const Address& address, llvm::Value* context);
  llvm::Value* quotient_of_first(int node, int64_t stride);
  llvm::Value* lane_offsets(const Address& address, const NestBuffer& buffer, int64_t factor,
                            llvm::Value* context);
  void guard(const Guard& guard, llvm::Value* context, Place& place);
  llvm::Value* inside(const Guard& guard, llvm::Value* context);
  void report(llvm::Value* outside, llvm::Value* context, const Guard& guard);
  llvm::Value* offsets_of(const Place& place);
  llvm::Value* mask_of(const Place& place);
  llvm::Value* both(llvm::Value* a, llvm::Value* b);
  bool is_small(const LoopAffine& affine, int64_t extent) const;
  int64_t alignment_of(const Address& address, const NestBuffer& buffer) const;

  llvm::IRBuilderBase& b_;
  MaskedAccess access_;
  const int register_bytes_;
  const int64_t buffer_align_ = 1;
  const LoopNest& nest_;
  llvm::Value* fault_;
  std::vector<llvm::Value*> buffers_;
  std::vector<llvm::Value*> loops_;  // by loop: its value, or nullptr
  std::vector<llvm::Value*> known_;  // by node
  // By node and the lanes for which it is evaluated: nodes that may report faults.
  std::map<std::pair<int, llvm::Value*>, llvm::Value*> conditional_;
  llvm::Value* tail_ = nullptr;
  int64_t tail_count_ = 0;
  int lane_ = -1;
  int lanes_ = 1;
};

}  // namespace tessera

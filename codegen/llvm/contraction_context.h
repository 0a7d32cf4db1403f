#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "codegen/contraction_schedule.h"

namespace tessera {

// The three flattened indices of a point of a contraction. m and n count from the start of the
// chunk's block, k from 0. Null where a formula does not depend on that role.
// Of a batched schedule, lanes lie along `batch`, whose index the slots hold.
enum class TileAxis : uint8_t { m, n, k, batch };
struct ContractionPoint {
  llvm::Value* m = nullptr;
  llvm::Value* n = nullptr;
  llvm::Value* k = nullptr;

  llvm::Value*& operator[](TileAxis axis) {
    return axis == TileAxis::m ? m : axis == TileAxis::n ? n : k;
  }
  llvm::Value* operator[](TileAxis axis) const {
    return axis == TileAxis::m ? m : axis == TileAxis::n ? n : k;
  }
};

// What the parts of one contraction kernel share while it is emitted: types, the layout of
// scratch memory, and for each affine form that the code evaluates where its parts are found.
//
// form(batch, m, n, k) = slot + part(m) + part(n) + part(k). The slot holds the constant, the
// batch's share and the block's origin; it is written once a chunk. A part is a multiplication
// where the form has one step along the axis, else a table in scratch: for m and n of the chunk's
// block, for k of all of k.
class ContractionContext {
 public:
  ContractionContext(llvm::Module& target_module, const ContractionPlan& contraction_plan);

  const ContractionPlan& plan;
  llvm::Module& module;
  llvm::LLVMContext& llvm;
  llvm::Type* element;  // of products and sums
  llvm::Type* word;     // of panels: an element, or narrow numbers side by side in as many bytes
  llvm::PointerType* pointer;
  llvm::IntegerType* i64;
  std::vector<std::string> faults;  // by code - first_fault - 1
  size_t first_fault = 0;

  const ContractionSchedule& schedule() const { return plan.schedule; }
  const IndexLevels& levels(TileAxis axis) const;
  int64_t element_bytes() const {
    return static_cast<int64_t>(size_of(plan.group.contraction.type));
  }
  // Of one vector of products, which fills a register of the target.
  int register_bytes() const { return static_cast<int>(schedule().lanes * element_bytes()); }
  int argument_of(const Tensor& tensor) const;
  // Of a batched schedule: how many batches of the chunk's block exist, i64; null when all do.
  llvm::Value* valid_batches(llvm::IRBuilder<>& b, llvm::Value* scratch) const;
  void set_valid_batches(llvm::IRBuilder<>& b, llvm::Value* scratch, llvm::Value* count) const;

  // Reserves bytes of scratch, aligned to 64; returns their offset.
  int64_t reserve(int64_t bytes);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  llvm::Value* at_scratch(llvm::IRBuilder<>& b, llvm::Value* scratch, int64_t offset) const;

  // The form's value at a point, i64; may register a slot and tables, which the entry then fills.
  llvm::Value* evaluate(llvm::IRBuilder<>& b, llvm::Value* scratch, const Affine& form,
                        const ContractionPoint& point);
  // Only the part of one axis.
  llvm::Value* part(llvm::IRBuilder<>& b, llvm::Value* scratch, const Affine& form, TileAxis axis,
                    llvm::Value* index);
  // Code that fills the tables of an axis for `count` flattened indices from `origin` on.
  void fill_tables(llvm::IRBuilder<>& b, llvm::Value* scratch, TileAxis axis, llvm::Value* origin,
                   llvm::Value* count);
  // Code that fills every slot for a batch and a block that starts at m0, n0.
  void fill_slots(llvm::IRBuilder<>& b, llvm::Value* scratch, llvm::Value* batch, llvm::Value* m0,
                  llvm::Value* n0);

  // An internal function whose parameter `scratch` is the scratch memory; the one before it, if
  // any, the arguments. While it runs, neither its slots and tables nor the arguments change, and
  // loads of them (`load_fixed`) may be moved out of loops.
  llvm::Function* make_function(const std::string& name, const std::vector<llvm::Type*>& params,
                                unsigned scratch);
  llvm::Value* load_fixed(llvm::IRBuilder<>& b, llvm::Type* type, llvm::Value* from) const;
  // Tells LLVM how much of scratch and arguments may be read at any time. Call last.
  void finish_functions();
  llvm::Value* constant(int64_t value) const;
  // A constant that can be read.
  llvm::Value* in_memory(llvm::Constant* value);

 private:
  struct Table {
    Affine form;
    int64_t offset;
  };
  int64_t slot_of(const Affine& form);
  int64_t table_of(const Affine& form, TileAxis axis);

  int64_t scratch_bytes_ = 0;
  int64_t valid_batches_ = -1;  // in scratch, where not all blocks are whole
  std::vector<std::pair<llvm::Function*, unsigned>> functions_;  // with the place of scratch
  std::map<llvm::Constant*, llvm::GlobalVariable*> constants_;
  std::vector<Table> slots_;
  std::vector<Table> tables_[3];
};

// for (i = begin; i < end; i += step) body(i), with nothing carried. `begin` may equal `end`.
void emit_loop(llvm::IRBuilder<>& b, llvm::Value* begin, llvm::Value* end, int64_t step,
               const std::function<void(llvm::Value*)>& body);
// if (condition) body()
void emit_if(llvm::IRBuilder<>& b, llvm::Value* condition, const std::function<void()>& body);
llvm::Value* emit_min(llvm::IRBuilder<>& b, llvm::Value* x, llvm::Value* y);

}  // namespace tessera

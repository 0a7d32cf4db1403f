#pragma once

#include <llvm/IR/IRBuilder.h>

#include <functional>
#include <vector>

#include "codegen/llvm/compensated_sum.h"
#include "codegen/llvm/emit_values.h"
#include "codegen/llvm/prefix.h"
#include "codegen/loop_nest.h"

namespace tessera {

// The running values of a stage's reductions at one point of its free loops, in variables of the
// function. Where the lane loop is reduced each lane has a value of its own, until `finish`.
//
//   start(false); add … add; finish()                                  few terms
//   start(true); { begin_block(); add … add; end_block() } …; finish() long sums, block by block
//   start(true); take_in …                                             a scan along the lane loop
//   start_at(memory); … resume_at(memory); { begin_block(); … } …; resume_at(memory); finish()
class Accumulators {
 public:
  // With `turns` running values of each reduction, which steps go into in turns.
  Accumulators(llvm::IRBuilderBase& builder, const LoopNest& nest, const Stage& stage,
               ValueEmitter& values, int turns = 1);

  int turns() const { return turns_; }
  // Into which of them the next steps go.
  void take_turn(int turn) { turn_ = static_cast<size_t>(turn); }

  // Is one of them a sum of floats, which long ones should form in blocks?
  bool lose_digits() const;

  void start(bool in_blocks);
  // With what comes before the current block in memory, from `memory` on, instead: two vectors a
  // reduction. `start_at` begins, `resume_at` goes on with what is there.
  void start_at(llvm::Value* memory);
  void resume_at(llvm::Value* memory);
  void begin_block();
  void end_block();
  // One step of the stage's i-th reduction; lanes beyond the tail are left out.
  void add(size_t i, llvm::Value* value);
  // One step of a scan that goes along the lane loop: takes in the values of all lanes and hands to
  // the ValueEmitter what there is at each of them; lanes beyond the tail are left out.
  void take_in(size_t i, llvm::Value* value, Running running, int register_bytes);
  // Hands the values to the ValueEmitter. In blocks, more may follow. `across`, where several
  // threads make the steps of a point, combines what each of them has.
  using Across = std::function<llvm::Value*(const Accumulation&, llvm::Value*)>;
  void finish(const Across& across = {});

 private:
  struct Sum {
    const Accumulation* reduction = nullptr;
    std::vector<llvm::AllocaInst*> values = {};  // or of the block; one for each turn
    llvm::Value* total = nullptr;                // variable with that of the blocks before
    llvm::Value* rest = nullptr;                 // and with what it lost, where digits are lost
  };

  bool over_reduced() const;
  bool along_scan() const;
  void hand_over(size_t i, llvm::Value* value);
  llvm::Value* within_tail(const Sum& sum, llvm::Value* value);
  int lanes() const;
  llvm::Type* type_of(const Accumulation& reduction) const;
  llvm::Value* identity_of(const Accumulation& reduction) const;
  void reset(const Sum& sum);
  void begin_total(const Sum& sum);
  llvm::Value* read(const Sum& sum, llvm::Value* variable);
  llvm::Value* of_all_turns(const Sum& sum);
  CompensatedSum total_of(const Sum& sum);

  llvm::IRBuilderBase& b_;
  const Stage& stage_;
  ValueEmitter& values_;
  std::vector<Sum> sums_;
  const int turns_;
  size_t turn_ = 0;
};

}  // namespace tessera

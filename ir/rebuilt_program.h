#pragma once

#include <map>

#include "ir/program.h"

namespace tessera {

// A program that is made again from another one, tensor by tensor: which tensor stands for which,
// and what follows from that. `take` each tensor of `in_order(source)`, then `finish`.
//
//   RebuiltProgram rebuilt(source);
//   rebuilt.take(x, rebuilt.program().define("x", changed(rebuilt.reading(x.value()))));
//   return rebuilt.finish();
class RebuiltProgram {
 public:
  // With the dims of the source.
  explicit RebuiltProgram(const Program& source);

  Program& program() { return result_; }

  // What stands for a tensor of the source: itself where nothing else was said.
  Tensor made(const Tensor& tensor) const;
  void take(const Tensor& tensor, const Tensor& made) { made_.emplace(tensor, made); }

  // The same formula, reading what stands for what it reads, in whatever order their dims are.
  Expr reading(const Expr& value) const;

  // With the carries, outputs, updates and pins of the source. Nothing may be asked of it after.
  Program finish();

 private:
  const Program& source_;
  Program result_;
  std::map<Tensor, Tensor> made_;
};

}  // namespace tessera

#pragma once

#include <map>
#include <set>
#include <vector>

#include "ir/program.h"

namespace tessera {

// Who reads what in a program that is being made.
class Readers {
 public:
  explicit Readers(const Program& program) : program_(program) {}

  // The tensors that read `tensor` so far, in the order of making.
  const std::set<Tensor>& of(const Tensor& tensor);
  // Those of them that `loss`, which is whole, depends on.
  std::vector<Tensor> between(const Tensor& tensor, const Tensor& loss);
  // What a carried tensor reads is known only when its loop is whole: to be called then.
  void look_at(const Tensor& reader);

 private:
  const Program& program_;
  std::map<Tensor, std::set<Tensor>> readers_;
  std::map<Tensor, std::set<Tensor>> reached_;  // by loss
  size_t seen_ = 0;                             // tensors of the program that are in `readers_`
};

}  // namespace tessera

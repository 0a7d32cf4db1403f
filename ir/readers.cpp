#include "ir/readers.h"

namespace tessera {

const std::set<Tensor>& Readers::of(const Tensor& tensor) {
  for (; seen_ < program_.tensors().size(); ++seen_) look_at(program_.tensors()[seen_]);
  return readers_[tensor];
}

std::vector<Tensor> Readers::between(const Tensor& tensor, const Tensor& loss) {
  const auto [needed, fresh] = reached_.try_emplace(loss);
  if (fresh) needed->second = program_.ancestors({loss});
  std::vector<Tensor> found;
  for (const Tensor& reader : of(tensor))
    if (needed->second.count(reader) != 0) found.push_back(reader);
  return found;
}

void Readers::look_at(const Tensor& reader) {
  for (const Tensor& read : program_.sources_of(reader)) readers_[read].insert(reader);
}

}  // namespace tessera

#include "codegen/stage_results.h"

#include "base/error.h"

namespace tessera {

// Operands come before what is made of them.
std::vector<bool> depends_on_stage(const LoopNest& nest) {
  std::vector<bool> written(nest.buffers.size());
  for (const Stage& stage : nest.stages)
    for (const std::vector<Store>* stores : {&stage.inner, &stage.outer})
      for (const Store& store : *stores) written[static_cast<size_t>(store.address.buffer)] = true;
  std::vector<bool> depends(nest.nodes.size());
  for (size_t n = 0; n < nest.nodes.size(); ++n) {
    const Node& node = nest.nodes[n];
    bool found =
        node.kind == Node::Kind::result ||
        (node.kind == Node::Kind::load && written[static_cast<size_t>(node.address.buffer)]);
    const auto look_at = [&](int operand) {
      TESSERA_CHECK(operand < static_cast<int>(n)) << "a node stands before its operand";
      found = found || depends[static_cast<size_t>(operand)];
    };
    for (const int arg : node.args) look_at(arg);
    for (const auto& [term, stride] : node.address.terms) look_at(term);
    for (const Guard& guard : node.address.guards)
      if (guard.node >= 0) look_at(guard.node);
    depends[n] = found;
  }
  return depends;
}

}  // namespace tessera

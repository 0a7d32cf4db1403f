#include "placement/nest_classes.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "ir/structure.h"
#include "partition/halo.h"

namespace tessera {
namespace {

// What a nest is up to names, as a text of numbers.
class Describer {
 public:
  Describer(const NestRules& rules, const std::vector<Choice>& choices, const Scopes& scopes)
      : rules_(rules), choices_(choices), scopes_(scopes), loops_(rules.nest().loops()) {}

  std::string text() {
    const Nest& nest = rules_.nest();
    const Scope& scope = scopes_.of(nest.out);
    add(nest.op ? static_cast<int64_t>(*nest.op) : -1);
    add(static_cast<int64_t>(nest.out.dims().size()));
    for (const Dim& loop : loops_) add(loop.extent());
    add(static_cast<int64_t>(scope.size()));
    add(scopes_.times(scope));
    add(static_cast<int64_t>(nest.out.type()));
    for (const Expr& node : subexpressions(nest.body)) add_node(node);
    for (size_t k = 0; k < rules_.operands().size(); ++k) {
      const Tensor& tensor = rules_.operand_tensor(k);
      add(number(tensor));
      add(static_cast<int64_t>(common(scopes_.of(tensor), scope).size()));
    }
    for (const Choice& choice : choices_) {
      add(static_cast<int64_t>(choice.kind));
      add(static_cast<int64_t>(choice.op));
      if (choice.kind == Choice::Kind::loop) add(position(loops_, *find_loop(nest, choice.dim)));
      for (const std::string& name : choice.tensors) add_name(choice, name);
    }
    return std::move(text_);
  }

 private:
  void add(int64_t value) { text_.append(reinterpret_cast<const char*>(&value), sizeof value); }

  int64_t number(const Tensor& tensor) {
    return static_cast<int64_t>(tensors_.emplace(tensor.id(), tensors_.size()).first->second);
  }

  void add_name(const Choice& choice, const std::string& name) {
    for (size_t k = 0; k < rules_.operands().size(); ++k) {
      const Tensor& tensor = rules_.operand_tensor(k);
      if (tensor.name() != name) continue;
      add(number(tensor));
      for (size_t d = 0; d < tensor.dims().size(); ++d)
        if (tensor.dims()[d].name() == choice.dim) add(static_cast<int64_t>(d));
      return;
    }
  }

  void add_node(const Expr& node) {
    nodes_.emplace(&node.node(), nodes_.size());
    add(static_cast<int64_t>(node.node().kind.index()));
    add(static_cast<int64_t>(node.type()));
    if (const Constant* constant = as<Constant>(node)) {
      int64_t bits = 0;
      const double value = constant->value.number();
      std::memcpy(&bits, &value, sizeof bits);
      add(bits);
    } else if (const IndexOf* index = as<IndexOf>(node)) {
      add(position(loops_, index->dim));
    } else if (const Apply* apply = as<Apply>(node)) {
      add(static_cast<int64_t>(apply->fn));
    } else if (const Read* read = as<Read>(node)) {
      add(number(read->tensor));
      add(static_cast<int64_t>(read->tensor.type()));
      add(static_cast<int64_t>(read->tensor.role()));
      for (const Dim& dim : read->tensor.dims()) add(dim.extent());
      for (const Index& each : read->indices) add(each.padded ? 1 : 0);
      add(read->pad ? 1 : 0);
    }
    const std::vector<Expr> below = children(node);
    add(static_cast<int64_t>(below.size()));
    for (const Expr& child : below) add(static_cast<int64_t>(nodes_.at(&child.node())));
  }

  const NestRules& rules_;
  const std::vector<Choice>& choices_;
  const Scopes& scopes_;
  const Dims loops_;
  std::string text_;
  std::unordered_map<const TensorNode*, size_t> tensors_;
  std::unordered_map<const ExprNode*, size_t> nodes_;
};

int place_of(const Sharding& sharding) {
  if (!sharding.partial.empty()) return kPartial;
  for (size_t d = 0; d < sharding.split.size(); ++d)
    if (!sharding.split[d].empty()) return static_cast<int>(d);
  return kNowhere;
}

NestClass class_of(const NestRules& rules, const std::vector<Choice>& choices, size_t example) {
  NestClass made;
  made.example = example;
  const Dims loops = rules.nest().loops();
  const size_t operands = rules.operands().size();
  std::vector<Tensor> distinct;
  for (size_t k = 0; k < operands; ++k) {
    made.may_halo.push_back(may_have_windows(rules, k));
    const Tensor& tensor = rules.operand_tensor(k);
    const auto it = std::find(distinct.begin(), distinct.end(), tensor);
    made.distinct_of.push_back(static_cast<int>(it - distinct.begin()));
    if (it == distinct.end()) distinct.push_back(tensor);
  }
  for (const Choice& choice : choices) {
    const Assignment alone{{choice}, {}};
    made.operands.emplace_back();
    made.guarded.emplace_back();
    for (size_t k = 0; k < operands; ++k) {
      made.operands.back().push_back(place_of(rules.operand_sharding(k, alone)));
      int guarded = kNowhere;
      for (size_t d = 0; d < rules.operand_tensor(k).dims().size(); ++d)
        if (rules.guarded(k, d, alone)) guarded = static_cast<int>(d);
      made.guarded.back().push_back(guarded);
    }
    made.result.push_back(place_of(rules.result_sharding(alone)));
    made.loop.push_back(choice.kind == Choice::Kind::loop
                            ? position(loops, *find_loop(rules.nest(), choice.dim))
                            : kNowhere);
  }
  return made;
}

}  // namespace

NestClasses classify(const std::vector<NestRules>& nests,
                     const std::vector<std::vector<Choice>>& choices, const Scopes& scopes,
                     const std::vector<Tensor>& alone) {
  NestClasses result;
  std::unordered_map<std::string, size_t> known;
  for (size_t n = 0; n < nests.size(); ++n) {
    const Tensor& out = nests[n].nest().out;
    const bool own = std::find(alone.begin(), alone.end(), out) != alone.end();
    size_t number = result.classes.size();
    if (!own)
      number = known.emplace(Describer(nests[n], choices[n], scopes).text(), number).first->second;
    if (number == result.classes.size())
      result.classes.push_back(class_of(nests[n], choices[n], n));
    result.of.push_back(number);
  }
  return result;
}

}  // namespace tessera

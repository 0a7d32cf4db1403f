#include "placement/useful_choices.h"

#include <algorithm>
#include <set>

namespace tessera {

std::vector<std::vector<Choice>> useful_choices(const std::vector<NestRules>& nests,
                                                size_t most_passes) {
  std::vector<std::vector<Choice>> result;
  std::set<std::pair<std::string, ReduceOp>> partial;  // that some choice leaves so, and by what
  for (const NestRules& rules : nests) {
    const Nest& nest = rules.nest();
    const auto leaves = [&](ReduceOp op) { partial.emplace(nest.out.name(), op); };
    std::vector<Choice> kept;
    size_t passes = 0;
    for (const Choice& choice : rules.choices()) {
      if (choice.kind == Choice::Kind::loop) {
        std::optional<Dim> loop = find_loop(nest, choice.dim);
        if (!loop || loop->extent() < 2) continue;
        if (contains(nest.reduced, *loop)) leaves(*nest.op);
      }
      if (choice.kind == Choice::Kind::gather) leaves(ReduceOp::sum);
      if (choice.kind == Choice::Kind::pass) {
        bool some =
            std::any_of(choice.tensors.begin(), choice.tensors.end(), [&](const std::string& name) {
              return partial.count({name, choice.op}) > 0;
            });
        if (!some || passes++ >= most_passes) continue;
        leaves(choice.op);
      }
      kept.push_back(choice);
    }
    result.push_back(std::move(kept));
  }
  return result;
}

}  // namespace tessera

#include "placement/useful_choices.h"

#include <algorithm>
#include <set>

namespace tessera {

std::vector<std::vector<Choice>> useful_choices(const std::vector<NestRules>& nests,
                                                size_t most_passes) {
  std::vector<std::vector<Choice>> result;
  std::set<std::string> partial;  // tensors that some choice leaves as a partial sum
  for (const NestRules& rules : nests) {
    const Nest& nest = rules.nest();
    bool sums = nest.op && *nest.op == ReduceOp::sum;
    std::vector<Choice> kept;
    size_t passes = 0;
    for (const Choice& choice : rules.choices()) {
      if (choice.kind == Choice::Kind::loop) {
        std::optional<Dim> loop = find_loop(nest, choice.dim);
        if (!loop || loop->extent() < 2) continue;
        if (sums && contains(nest.reduced, *loop)) partial.insert(nest.out.name());
      }
      if (choice.kind == Choice::Kind::gather) partial.insert(nest.out.name());
      if (choice.kind == Choice::Kind::pass) {
        bool some = std::any_of(choice.tensors.begin(), choice.tensors.end(),
                                [&](const std::string& name) { return partial.count(name) > 0; });
        if (!some || passes++ >= most_passes) continue;
        partial.insert(nest.out.name());
      }
      kept.push_back(choice);
    }
    result.push_back(std::move(kept));
  }
  return result;
}

}  // namespace tessera

#include "placement/likeness.h"

#include <algorithm>
#include <unordered_map>

#include "base/hash.h"

namespace tessera {
namespace {

class Colouring {
 public:
  explicit Colouring(const ProgramRules& rules) : rules_(rules), tensors_(rules.program.tensors()) {
    std::map<Tensor, size_t> number;
    for (size_t t = 0; t < tensors_.size(); ++t) number.emplace(tensors_[t], t);
    size_t n = 0;
    for (const NestRules& nest : rules.nests) nest_of_.emplace(number.at(nest.nest().out), n++);
    links_.resize(tensors_.size());
    for (const NestRules& nest : rules.nests) {
      const size_t out = number.at(nest.nest().out);
      for (size_t k = 0; k < nest.operands().size(); ++k)
        link(out, number.at(nest.operand_tensor(k)), static_cast<int>(k));
    }
    for (const Update& update : rules.program.updates())
      link(number.at(update.target), number.at(update.value), -1);
    for (const Update& carry : rules.program.carries())
      link(number.at(carry.target), number.at(carry.value), -2);
    for (const Tensor& tensor : tensors_)
      if (tensor.role() == Role::carried)
        link(number.at(tensor), number.at(as<Read>(tensor.value())->tensor), -3);
    colour_first(number);
  }

  Likeness run(size_t most) {
    std::vector<uint64_t> best = colours_;
    size_t count = count_of(colours_);
    while (true) {
      refine();
      const size_t now = count_of(colours_);
      if (now > most || now == count) break;
      best = colours_;
      count = now;
    }
    return likeness_by(best);
  }

 private:
  void link(size_t reader, size_t read, int role) {
    links_[reader].push_back({read, 2 * role});
    links_[read].push_back({reader, 2 * role + 1});
  }

  void colour_first(const std::map<Tensor, size_t>& number) {
    for (size_t t = 0; t < tensors_.size(); ++t) {
      const auto nest = nest_of_.find(t);
      std::vector<int64_t> key = {nest == nest_of_.end()
                                      ? -1 - static_cast<int64_t>(tensors_[t].role())
                                      : static_cast<int64_t>(rules_.classes.of[nest->second])};
      if (nest == nest_of_.end()) {
        key.push_back(static_cast<int64_t>(tensors_[t].type()));
        for (const Dim& dim : tensors_[t].dims()) key.push_back(dim.extent());
        key.push_back(static_cast<int64_t>(rules_.scopes.of(tensors_[t]).size()));
        if (pinned(tensors_[t])) key.push_back(static_cast<int64_t>(t));
      }
      colours_.push_back(hash_of(key));
    }
    int64_t next = 0;
    const auto alone = [&](const Tensor& tensor) {
      uint64_t& colour = colours_[number.at(tensor)];
      colour = hash_of({static_cast<int64_t>(colour), --next});
    };
    for (const Output& output : rules_.program.outputs()) alone(output.value);
    for (const Tensor& condition : rules_.conditions) alone(condition);
  }

  bool pinned(const Tensor& tensor) const {
    return std::find(rules_.pinned.begin(), rules_.pinned.end(), tensor) != rules_.pinned.end();
  }

  static uint64_t hash_of(const std::vector<int64_t>& key) {
    return hash_bytes({reinterpret_cast<const char*>(key.data()), key.size() * sizeof(int64_t)});
  }

  void refine() {
    std::vector<uint64_t> next;
    std::vector<std::pair<int64_t, int64_t>> around;
    std::vector<int64_t> key;
    for (size_t t = 0; t < tensors_.size(); ++t) {
      around.clear();
      for (const Link& link : links_[t])
        around.emplace_back(link.role, static_cast<int64_t>(colours_[link.other]));
      std::sort(around.begin(), around.end());
      key.assign(1, static_cast<int64_t>(colours_[t]));
      for (const auto& [role, colour] : around) {
        key.push_back(role);
        key.push_back(colour);
      }
      next.push_back(hash_of(key));
    }
    colours_ = std::move(next);
  }

  static size_t count_of(std::vector<uint64_t> colours) {
    std::sort(colours.begin(), colours.end());
    return static_cast<size_t>(std::unique(colours.begin(), colours.end()) - colours.begin());
  }

  Likeness likeness_by(const std::vector<uint64_t>& colours) const {
    Likeness result;
    std::unordered_map<uint64_t, int32_t> numbers;
    result.nests.resize(rules_.nests.size());
    for (size_t t = 0; t < tensors_.size(); ++t) {
      const int32_t number =
          numbers.emplace(colours[t], static_cast<int32_t>(numbers.size())).first->second;
      result.tensors.push_back(number);
      const auto nest = nest_of_.find(t);
      if (nest != nest_of_.end()) result.nests[nest->second] = number;
    }
    return result;
  }

  struct Link {
    size_t other;
    int role;  // of the reader's operand, and from which end it is seen
  };
  const ProgramRules& rules_;
  const std::vector<Tensor>& tensors_;
  std::unordered_map<size_t, size_t> nest_of_;  // by tensor
  std::vector<std::vector<Link>> links_;
  std::vector<uint64_t> colours_;
};

}  // namespace

Likeness likeness_of(const ProgramRules& rules, size_t most) {
  if (rules.nests.size() <= most) return all_alone(rules);
  return Colouring(rules).run(most);
}

}  // namespace tessera

#include "runtime/given_values.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"

namespace tessera {

GivenValues::GivenValues(const ShardedProgram& program) : program_(program.name) {
  const auto add = [&](const Border& border) {
    const bool updated =
        std::any_of(program.updates.begin(), program.updates.end(),
                    [&](const LocalUpdate& update) { return update.target == border.local; });
    const Tensor& tensor = border.global;
    slots_.push_back({border.name, tensor.where(), tensor.role(), updated, false, {}});
  };
  for (const Border& input : program.inputs) add(input);
  for (const Border& stored : program.stored) add(stored);
}

GivenValues::Slot& GivenValues::slot(const std::string& name) {
  const auto it = std::find_if(slots_.begin(), slots_.end(),
                               [&](const Slot& slot) { return slot.name == name; });
  TESSERA_CHECK(it != slots_.end()) << "`" << name << "` takes no values";
  return *it;
}

void GivenValues::seed(uint64_t seed) {
  seed_ = seed;
  for (Slot& slot : slots_) {
    if (slot.role == Role::input) continue;
    slot.given = "from the seed";
    slot.lost = false;
  }
}

void GivenValues::whole(const std::string& name, const Array& array, bool digest) {
  Slot& to = slot(name);
  to.lost = false;
  if (digest)
    to.given =
        describe(array) + " " +
        hex(hash_bytes({reinterpret_cast<const char*>(array.data.data()), array.data.size()}));
  else if (to.given.empty())
    to.given = "fed";
}

void GivenValues::part(const std::string& name) {
  slot(name).given = "fed in parts";
}

void GivenValues::stored_part(const std::string& name, const std::string& source) {
  Slot& to = slot(name);
  to.lost = false;
  to.given = source;
}

void GivenValues::lose_updated() {
  for (Slot& slot : slots_) slot.lost = slot.lost || slot.updated;
}

void GivenValues::require_all() const {
  std::vector<const Slot*> all;
  for (const Slot& slot : slots_) all.push_back(&slot);
  require(all);
}

void GivenValues::require(const std::string& name) const {
  for (const Slot& slot : slots_)
    if (slot.name == name) require({&slot});
}

void GivenValues::require(const std::vector<const Slot*>& slots) const {
  std::vector<std::string> unfed, unset, lost;
  for (const Slot* slot : slots) {
    const std::string text =
        "`" + slot->name + "`" + (slot->where.known() ? " (" + slot->where.str() + ")" : "");
    if (slot->given.empty())
      (slot->role == Role::input ? unfed : unset).push_back(text);
    else if (slot->lost)
      lost.push_back(text);
  }
  std::vector<std::string> wrong;
  if (!unfed.empty())
    wrong.push_back("nothing was fed to " + join(unfed) + ": call feed(name, array) before run()");
  if (!unset.empty())
    wrong.push_back("there are no values of " + join(unset) +
                    ": call initialize(seed), or set_value(name, array)");
  if (!lost.empty())
    wrong.push_back("the step that failed before left no whole values of " + join(lost) +
                    ": call initialize(seed), or set_value(name, array)");
  if (!wrong.empty()) throw UserError("program `" + program_ + "`: " + join(wrong, "; "));
}

std::vector<RankStatement> GivenValues::statements() const {
  RankStatement seed{"the seed", seed_ ? std::to_string(*seed_) : "none"};
  RankStatement stored{"the values of parameters and states", ""};
  RankStatement inputs{"the data", ""};
  for (const Slot& slot : slots_)
    (slot.role == Role::input ? inputs : stored).text +=
        fmt::format("{}: {}\n", slot.name, slot.given.empty() ? "nothing" : slot.given);
  return {seed, stored, inputs};
}

}  // namespace tessera

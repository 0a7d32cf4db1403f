#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/array.h"
#include "base/source_location.h"
#include "partition/sharded_program.h"
#include "runtime/agree.h"

namespace tessera {

// What the inputs, parameters and states of a program were given: so that no step computes on
// nothing, and ranks can compare what each was given before their first.
//
//   GivenValues given(sharded);
//   given.seed(1);                  // parameters and states
//   given.whole("x", array);
//   given.require_all();            // UserError: "…: input `y` (fit.tess:4:1) was never fed; …"
class GivenValues {
 public:
  explicit GivenValues(const ShardedProgram& program);

  void seed(uint64_t seed);
  std::optional<uint64_t> seed() const { return seed_; }
  // `digest`: hash the content, for statements()?
  void whole(const std::string& name, const Array& array, bool digest);
  void part(const std::string& name);
  // The rank's part of a parameter or state, from a source that all ranks should share.
  void stored_part(const std::string& name, const std::string& source);
  // A step failed: parameters and states with updates hold old or new values, or neither.
  void lose_updated();

  // Throws UserError unless everything, or this tensor, was given something.
  void require_all() const;
  void require(const std::string& name) const;
  // The seed, initial values and inputs, as far as ranks have them in common.
  std::vector<RankStatement> statements() const;

 private:
  struct Slot {
    std::string name;
    SourceLocation where;
    Role role;
    bool updated = false;  // by each step
    bool lost = false;
    std::string given;  // "f32[3] 93f0…"; empty: nothing
  };

  Slot& slot(const std::string& name);
  void require(const std::vector<const Slot*>& slots) const;

  std::string program_;
  std::vector<Slot> slots_;
  std::optional<uint64_t> seed_;
};

}  // namespace tessera

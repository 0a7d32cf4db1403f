#pragma once

#include <string>
#include <vector>

#include "ir/program.h"
#include "ir/recompute.h"
#include "partition/rules.h"

namespace tessera {

enum class ChosenBy : uint8_t { rule, user, optimizer };
const char* name_of(ChosenBy by);  // "rule", "user", "optimizer"

// Who decided, and why, for people to read.
struct Provenance {
  ChosenBy by = ChosenBy::rule;
  std::string why;
  SourceLocation where;  // of the pin, if a user wrote one

  bool operator==(const Provenance& other) const;
};

// How the nest that defines `nest` uses each mesh axis.
struct NestDecision {
  std::string nest;
  Assignment assignment;
  Provenance chosen;

  bool operator==(const NestDecision&) const = default;
};

// How a tensor lies between steps (inputs, parameters, states) or between iterations (what loops
// carry), or is returned (outputs). Never partial. `dims` names its dims, in declared order, so
// that a plan can be read without a program.
struct StorageDecision {
  std::string tensor;
  std::vector<std::string> dims;
  Sharding stored;
  Provenance chosen;

  bool operator==(const StorageDecision&) const = default;
};

// The form to which a tensor is brought once, when somebody first needs it other than as it was
// made. Each reader converts it from there on its own. `loops` is how many of the loops around the
// tensor are around the conversion, too: in them, every iteration converts its own part. May be
// partial where what is made is.
//
//   gradient partial over data, read by three nests: held as [k: data], it is reduce-scattered once
struct HeldDecision {
  std::string tensor;
  std::vector<std::string> dims;
  Sharding form;
  int loops = 0;

  bool operator==(const HeldDecision&) const = default;
};

// What the planner expects; all zero for a plan that no cost model has seen. Seconds and bytes are
// per step of the program and per rank.
struct Prediction {
  double seconds = 0;
  double lower_bound_seconds = 0;  // no plan in the search space is faster, by the same model
  double gap = 0;                  // seconds / lower_bound_seconds - 1; infinite without a bound
  double compute_seconds = 0;
  double exposed_comm_seconds = 0;  // communication that nothing hides
  int64_t peak_bytes = 0;           // per device
  double search_seconds = 0;

  struct Collective {
    std::string kind;    // name_of(CommKind)
    std::string axes;    // "data"
    std::string tensor;  // what it moves; "" for a total
    int64_t bytes = 0;
    double seconds = 0;

    bool operator==(const Collective&) const = default;
  };
  std::vector<Collective> collectives;

  // What a strategy that people write by hand comes to at best.
  struct Strategy {
    std::string name;  // "data parallel"
    std::string mesh;  // "data=8"
    double seconds = 0;

    bool operator==(const Strategy&) const = default;
  };
  std::vector<Strategy> templates;

  bool operator==(const Prediction&) const = default;
};

// Decisions only: which index goes to which mesh axis, and where tensors are kept. Everything else,
// collectives included, follows by `lower`. A plan names things, so it outlives the program that
// it was made for and can be kept in a file.
struct Plan {
  std::string program;
  Mesh mesh;
  std::vector<NestDecision> nests;       // one per definition, in program order
  std::vector<StorageDecision> stored;   // inputs, parameters, states, carried tensors
  std::vector<StorageDecision> outputs;  // by output name
  std::vector<HeldDecision> held;        // other tensors are held as they are made, or stored
  // What is computed twice, so that it need not be kept. All other decisions are of the program
  // that `recomputing` makes of the planned one by this list (ir/recompute.h).
  std::vector<Recomputation> recomputed;
  Prediction predicted;

  bool operator==(const Plan&) const = default;

  const NestDecision& nest(const std::string& name) const;  // InternalError if there is none
  const StorageDecision& storage(const std::string& tensor) const;
  const StorageDecision& output(const std::string& name) const;
};

// What a plan decides about: `normal`, or that with what the plan computes again.
Program planned_program(const Program& normal, const Plan& plan);

// The lock file: JSON, which is YAML. from_text(to_text(p)) == p. Throws UserError with `file`.
std::string to_text(const Plan& plan);
Plan plan_from_text(const std::string& text, const std::string& file = "<plan>");

// An aligned table for people: one line a nest, one a stored tensor.
std::string print(const Plan& plan);

// As to_text, the decisions alone: without predictions and provenance.
std::string decisions_text(const Plan& plan);
// Sixteen hexadecimal digits over decisions_text.
std::string plan_hash(const Plan& plan);

// Throws UserError unless the plan fits the program (in normal form; planned_program is made
// inside): every nest decided, every
// choice legal, every name known, every pin of the program honoured. `file` stands in front of
// messages about the plan.
void verify(const Plan& plan, const Program& program, const std::string& file = "");
// Throws UserError for pins that name an unknown tensor, dim or axis, or clash. On one rank every
// pin holds, whatever its axis is called.
void verify_pins(const std::vector<Pin>& pins, const Program& program, const Mesh& mesh);

}  // namespace tessera

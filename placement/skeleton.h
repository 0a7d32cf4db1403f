#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "placement/program_rules.h"

namespace tessera {

// The decisions of a program, and which of them cost something together, whatever the mesh.
//
//   nest      which loop each mesh axis takes
//   stored    how an input, parameter, state or carried tensor is kept
//   held      how a tensor is held for all who read it, in one of the scopes in which it is
//             converted; left out where a stored tensor has one reader there
//   output    how it is returned
//
// Decisions that are taken alike are one variable with several copies, and so are edges between
// such. What follows holds for any partition into likes whose nests are of one class and whose
// stored tensors are of one shape.
struct Skeleton {
  enum class Kind : uint8_t { nest, stored, held, output };
  struct Variable {
    Kind kind;
    size_t number;  // of a nest; of a tensor in program.tensors(); of an output: of the first copy
    size_t loops;   // of held ones: around the conversion
    int64_t copies = 0;
  };
  // Costs of what a decision makes, or keeps, in view of how it is held; and of that in view of who
  // reads it.
  enum class Meeting : uint8_t { made, read, kept };
  struct Edge {
    Meeting meeting;
    int32_t from;  // nest or stored to held: made; held or stored to nest: read; to stored or
    int32_t to;    // output: kept
    // read: which of the distinct tensors of the nest. kept: the position in the target of each dim
    // of what is read.
    std::vector<int> detail;
    size_t loops = 0;  // around the conversion
    double times = 1;  // that it runs in a step
    int64_t copies = 0;
    // The most frequent pair of types of its ends.
    int32_t from_type = -1;
    int32_t to_type = -1;
  };
  // Copies of a variable that the same edges meet equally often.
  struct Type {
    int32_t variable;
    int64_t copies = 0;
    std::vector<std::pair<int32_t, int>> edges;  // and how often; ascending
  };
  std::vector<Variable> variables;
  std::vector<Edge> edges;
  std::vector<Type> types;
  std::vector<std::vector<int32_t>> types_of;  // by variable

  std::vector<int32_t> nests;                         // variable of each nest
  std::map<size_t, int32_t> stored;                   // by number in program.tensors()
  std::map<std::pair<size_t, size_t>, int32_t> held;  // by number in tensors(), and loops
  std::vector<int32_t> outputs;
  std::map<Tensor, size_t> numbers;  // in program.tensors()
};

// Which nests, and which tensors that are kept, are decided alike: a number each, equal for likes.
struct Likeness {
  std::vector<int32_t> nests;
  std::vector<int32_t> tensors;  // by number in program.tensors(); of definitions: that of the nest
};
// Everything is decided on its own.
Likeness all_alone(const ProgramRules& rules);

Skeleton skeleton_of(const ProgramRules& rules, const Likeness& likeness);

}  // namespace tessera

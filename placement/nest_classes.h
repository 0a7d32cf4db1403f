#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/program.h"
#include "partition/rules.h"
#include "partition/scopes.h"

namespace tessera {

// Where a choice puts a mesh axis in one tensor: a dim's position, or one of these.
constexpr int kNowhere = -1;
constexpr int kPartial = -2;

// Nests that differ in names alone: the same formula over loops and tensors of the same extents, in
// as many loops around, with the same choices. What a mesh makes of one, it makes of all.
//
//   the projections of 96 equal layers, and their 96 gradients, are two classes
struct NestClass {
  size_t example;  // the number of a nest
  // Where each choice puts an axis: by choice, by operand; and in the result.
  std::vector<std::vector<int>> operands;
  std::vector<int> result;
  // By choice: the position in loops() that shares its range; kNowhere.
  std::vector<int> loop;
  // By choice, by operand: the dim that is read only inside of its block; kNowhere.
  std::vector<std::vector<int>> guarded;
  std::vector<char> may_halo;    // by operand: windows may serve it
  std::vector<int> distinct_of;  // by operand: the number of its tensor among the distinct ones
};

struct NestClasses {
  std::vector<size_t> of;  // by nest
  std::vector<NestClass> classes;
};

// `choices` are those worth trying, by nest. Nests whose results are in `alone` have a class of
// their own.
NestClasses classify(const std::vector<NestRules>& nests,
                     const std::vector<std::vector<Choice>>& choices, const Scopes& scopes,
                     const std::vector<Tensor>& alone);

}  // namespace tessera

#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/ir/random_program.h"

namespace tessera {

// What random floats stay within.
constexpr double kTame = 8;

// Random formulas over the tensors of a program: the part of random_program that writes right
// sides. Each comes with a bound on its values, by which the next operation is chosen.
class RandomFormula {
 public:
  // A formula whose values lie within ±bound.
  struct Bounded {
    Expr expr;
    double bound;
  };

  RandomFormula(const Program& program, const RandomProgramOptions& options, RandomSource& random)
      : program_(program), options_(options), random_(random) {}

  // Which dims reductions may run over.
  void set_dims(const Dims& dims) { dims_ = dims; }
  // A definition's values lie within ±bound; one that is not told of within ±1 (integers ±9).
  void set_bound(const std::string& name, double bound) { bounds_[name] = bound; }

  // Over dims of `scope` only; `depth` bounds the nesting.
  Bounded tame(const Bounded& value, double limit = kTame);
  Bounded float_value(DType type, const Dims& scope, int depth);
  Expr bool_value(const Dims& scope, int depth);
  Bounded int_value(DType type, const Dims& scope, int depth);

 private:
  // An index for a dim of extent `extent` over dims of `scope`; sets `padded` where it may leave.
  Expr index_for(const Dim& target, const Dims& scope, bool& padded);
  Expr read(const Tensor& tensor, const Dims& scope);
  // A tensor of the type that can be read within the scope, if there is any.
  std::optional<Tensor> source(DType type, const Dims& scope);
  double bound_of(const Tensor& tensor);
  Bounded float_leaf(DType type, const Dims& scope);
  Bounded draw(DType type, const Dims& scope);
  Bounded float_sum(DType type, const Dims& scope, int depth);
  Bounded float_quotient(DType type, const Dims& scope, int depth);
  Bounded float_function(DType type, const Dims& scope, int depth);
  Bounded converted(DType type, const Dims& scope, int depth);
  // One or two dims outside the scope to reduce over, or none that fit.
  Dims reduced_dims(const Dims& scope);
  Bounded float_reduction(DType type, const Dims& scope, int depth);
  static Bounded tame_int(const Bounded& value, DType type);
  Bounded int_leaf(DType type, const Dims& scope);

  template <typename T>
  const T& pick(const std::vector<T>& list) {
    return list[static_cast<size_t>(random_.below(static_cast<int>(list.size())))];
  }

  const Program& program_;
  const RandomProgramOptions& options_;
  RandomSource& random_;
  Dims dims_;
  std::map<std::string, double> bounds_;
};

}  // namespace tessera

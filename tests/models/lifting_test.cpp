// The lifting law: whatever further dims arguments bring along pass through a function of models/.
#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/random.h"
#include "tests/models/case.h"
#include "tests/models/close.h"

namespace tessera {
namespace {

// The part of `array`, over `extra` and then `own`, at one point of the extra dims.
Array slice(const Array& array, const Dims& extra, const std::map<Dim, int64_t>& point) {
  size_t offset = 0;
  for (const Dim& dim : extra)
    offset = offset * static_cast<size_t>(dim.extent()) + static_cast<size_t>(point.at(dim));
  Array part = array;
  part.shape.erase(part.shape.begin(), part.shape.begin() + static_cast<long>(extra.size()));
  const size_t bytes = part.size() * size_of(part.type);
  const auto begin = array.data.begin() + static_cast<long>(offset * bytes);
  part.data.assign(begin, begin + static_cast<long>(bytes));
  return part;
}

// Any set of the dims on any argument; at least one argument has one.
std::vector<Dims> choose(const Case& test, const Dims& dims, uint64_t seed) {
  std::vector<Dims> extra(test.arguments.size());
  bool some = false;
  for (uint64_t stream = 0; !some; ++stream)
    for (size_t i = 0; i < extra.size(); ++i) {
      extra[i].clear();
      for (size_t d = 0; d < dims.size(); ++d)
        if (uniform_value(seed, stream, i * dims.size() + d) < 0.5) extra[i].push_back(dims[d]);
      some = some || !extra[i].empty();
    }
  return extra;
}

void expect_lifts(const Case& test, const Dims& dims, uint64_t seed) {
  const std::vector<Dims> extra = choose(test, dims, seed);
  std::string where = test.name + " with";
  for (size_t i = 0; i < extra.size(); ++i)
    where += " " + test.arguments[i].name + "[" + describe(extra[i]) + "]";
  SCOPED_TRACE(where);
  const Arrays lifted_arguments = random_arguments(test, DType::f64, seed, extra);
  const Program lifted = value_program(test, DType::f64, extra);
  const Program plain = value_program(test, DType::f64);
  Arrays state;
  const Arrays together = interpret(lifted, lifted_arguments, state);
  std::map<Dim, int64_t> point;
  for (int64_t flat = 0; flat < volume(dims); ++flat) {
    int64_t rest = flat;
    for (const Dim& dim : dims) {
      point[dim] = rest % dim.extent();
      rest /= dim.extent();
    }
    Arrays arguments;
    for (size_t i = 0; i < extra.size(); ++i) {
      const std::string& name = test.arguments[i].name;
      arguments[name] = slice(lifted_arguments.at(name), extra[i], point);
    }
    const Arrays alone = interpret(plain, arguments, state);
    for (size_t i = 0; i < test.results.size(); ++i) {
      const Output& output = lifted.outputs()[i];
      const Dims present = intersect(sorted(output.order), dims);
      ASSERT_TRUE(same_set(unite(present, test.results[i]), output.order)) << output.name;
      ASSERT_EQ(first_difference(slice(together.at(output.name), present, point),
                                 alone.at(output.name), 1e-12),
                "")
          << output.name;
    }
  }
}

TEST(Models, EveryFunctionLifts) {
  for (const Case& test : all_cases()) {
    expect_lifts(test, {Dim("lifted", 2)}, 1);
    expect_lifts(test, {Dim("lifted", 2)}, 2);
    expect_lifts(test, {Dim("lifted", 2), Dim("again", 3)}, 3);
  }
}

}  // namespace
}  // namespace tessera

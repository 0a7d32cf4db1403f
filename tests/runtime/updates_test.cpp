#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random_inputs.h"
#include "ir/stack_loops.h"
#include "partition/random_plan.h"
#include "tests/ir/random_program.h"
#include "tests/runtime/close.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

constexpr int kSteps = 3;

void agree_for_some_steps(const std::string& text, const Mesh& mesh, uint64_t seed) {
  const Program source = parse(text);
  const Program normal = stack_loops(normalize(source));
  const Arrays inputs = random_inputs(source, seed);
  Arrays state = initial_state(source, seed);
  const Arrays start = state;
  std::vector<Arrays> wanted;
  for (int step = 0; step < kSteps; ++step) wanted.push_back(interpret(source, inputs, state));
  const RunRecord run =
      run_on_local_ranks(normal, random_plan(normal, mesh, seed), inputs, start, kSteps);
  const std::string what = "mesh " + print(mesh) + " seed " + std::to_string(seed);
  for (size_t step = 0; step < wanted.size(); ++step)
    for (const auto& [name, array] : wanted[step])
      expect_close(run.outputs[step].at(name), array, 1e-4,
                   what + " step " + std::to_string(step) + " output " + name);
  for (const auto& [name, array] : state)
    expect_close(run.state.at(name), array, 1e-4, what + " state " + name);
}

// Parameters and states of one shape, each with an update from the values of any of them, and
// definitions from these values in between. Contractions among them are large enough for tiles, and
// all values lie within ±1.
class RandomUpdates {
 public:
  explicit RandomUpdates(uint64_t seed) : random_(seed * 7919 + 5) {}

  std::string text() {
    lines_ =
        "program updates\ndim i = 18, h = 18, b = 17\ninput x[b, i]\ninput y[b, h]\ndef tame(v) = "
        "v / (1.0 + abs(v))\n";
    const int kept = 2 + random_.below(3);
    for (int k = 0; k < kept; ++k) {
      kept_.push_back("p" + std::to_string(k));
      lines_ += k % 2 == 0 ? "param " + kept_.back() + "[i, h] = normal(0, 0.4)\n"
                           : "state " + kept_.back() + "[i, h] = 0." + std::to_string(k) + "\n";
    }
    std::vector<std::string> waiting = kept_;
    while (!waiting.empty()) {
      if (random_.chance(0.5)) define();
      const int next = random_.below(static_cast<int>(waiting.size()));
      const std::string name = waiting[static_cast<size_t>(next)];
      waiting.erase(waiting.begin() + next);
      lines_ += "update " + name + " = " + value() + "\n";
    }
    define();
    return lines_ + outputs_;
  }

 private:
  const std::string& pick(const std::vector<std::string>& names) {
    return names[static_cast<size_t>(random_.below(static_cast<int>(names.size())))];
  }

  void define() {
    const std::string name = "v" + std::to_string(defined_.size());
    lines_ += name + " = " + value() + "\n";
    defined_.push_back(name);
    if (random_.chance(0.7)) outputs_ += "output " + name + "[i, h]\n";
  }

  // What is there at i, h; old values more often than definitions.
  std::string source() {
    return defined_.empty() || random_.chance(0.7) ? pick(kept_) : pick(defined_);
  }

  std::string term() {
    const std::string v = source();
    switch (random_.below(9)) {
      case 0:
        return v + "[i: h, h: i]";
      case 1:
        return v + "[i: i - 1 pad 0, h: h]";
      case 2:
        return "mean[h](" + v + ")";
      case 3:
        return "tame(sum[b](x * y))";
      case 4:  // a contraction with a map in front of it that reads old values
        return "tame(sum[b](x * tanh(" + v + ")[i: b, h: h]))";
      case 5:
        return "tame(sum[b](x * " + v + "[i: b, h: h]))";
      case 6:
        return "tame(sum[b](x * y) * " + v + ")";
      default:
        return v;
    }
  }

  std::string value() {
    if (random_.chance(0.2)) return source();  // moved as it is
    const std::string first = term();
    return "0.5 * " + first + " + 0.5 * " + source();
  }

  RandomSource random_;
  std::string lines_;
  std::string outputs_;
  std::vector<std::string> kept_;
  std::vector<std::string> defined_;
};

class Updates : public ::testing::TestWithParam<int> {};

TEST_P(Updates, AndAllThatIsWrittenAroundThemReadOldValues) {
  const int ranks = GetParam();
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const std::string text = RandomUpdates(100 * static_cast<uint64_t>(ranks) + seed).text();
    agree_for_some_steps(text, Mesh{{{"data", ranks}}}, seed);
    if (HasFatalFailure()) FAIL() << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, Updates, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace tessera

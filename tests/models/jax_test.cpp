// Values and gradients of every function of models/ against JAX (reference.py), and compiled
// kernels against the interpreter.
#include <gtest/gtest.h>

#include <fstream>

#include "ir/functions.h"
#include "launcher/subprocess.h"
#include "storage/npy.h"
#include "tests/codegen/run_program.h"
#include "tests/launcher/temp_folder.h"
#include "tests/models/case.h"
#include "tests/models/close.h"
#include "tests/models/jax.h"

namespace tessera {
namespace {

constexpr uint64_t kSeed = 17;

// What reference.py reads.
void write_case(const TempFolder& folder, const Case& test, std::ostream& list) {
  const Arrays arguments = random_arguments(test, DType::f64, kSeed);
  const Arrays seeds = random_seeds(test, DType::f64, kSeed);
  list << test.name << " " << test.arguments.size() << " " << test.results.size();
  for (size_t i = 0; i < test.arguments.size(); ++i) {
    list << (is_float(test.arguments[i].type) ? " 1" : " 0");
    write_npy(folder / (test.name + ".a" + std::to_string(i) + ".npy"),
              arguments.at(test.arguments[i].name));
  }
  for (size_t i = 0; i < test.results.size(); ++i)
    write_npy(folder / (test.name + ".s" + std::to_string(i) + ".npy"),
              seeds.at("seed" + std::to_string(i)));
  list << "\n";
}

Arrays interpreted(const Case& test, DType type) {
  Arrays inputs = random_arguments(test, type, kSeed);
  inputs.merge(random_seeds(test, type, kSeed));
  Arrays state;
  return interpret(gradient_program(test, type), inputs, state);
}

void expect_same_as_jax(const TempFolder& folder, const Case& test, DType type) {
  SCOPED_TRACE(test.name + " in " + name_of(type));
  const Arrays found = interpreted(test, type);
  const auto compare = [&](const std::string& ours, const std::string& file) {
    const Array& array = found.at(ours);
    const double relative = array.type == DType::f64 ? 1e-9 : 1e-4;
    EXPECT_EQ(
        first_difference(array, read_npy(folder / (test.name + "." + file + ".npy")), relative), "")
        << ours;
  };
  for (size_t i = 0; i < test.results.size(); ++i)
    compare("r" + std::to_string(i), "r" + std::to_string(i));
  for (size_t i = 0; i < test.arguments.size(); ++i)
    if (is_float(test.arguments[i].type))
      compare("g_" + test.arguments[i].name, "g" + std::to_string(i));
}

TEST(Models, ValuesAndGradientsAreThoseOfJax) {
  const std::optional<std::string> python = jax_python();
  if (!python)
    GTEST_SKIP() << "there is no JAX to compare with; ./tessera test installs it into build/jax, "
                    "or set TESSERA_JAX_PYTHON to a Python that has it";
  const std::vector<Case> cases = all_cases();
  const TempFolder folder;
  {
    std::ofstream list(folder / "cases.txt");
    for (const Case& test : cases) write_case(folder, test, list);
  }
  std::string output;
  SubprocessOptions options;
  const std::string source = TESSERA_SOURCE_DIR;
  options.argv = {*python, source + "/tests/models/reference.py", folder.path(),
                  source + "/build/jax-cache"};
  options.on_output = [&](OutputStream, std::string_view text) { output += text; };
  const ExitStatus status = *Subprocess(options).wait();
  ASSERT_EQ(status.code(), 0) << output;
  for (const Case& test : cases)
    for (const DType type : {DType::f64, DType::f32}) expect_same_as_jax(folder, test, type);
}

TEST(Models, GradientsAreThoseOfFiniteDifferences) {
  constexpr double kStep = 1e-6;
  for (const Case& test : all_cases()) {
    SCOPED_TRACE(test.name);
    const Arrays gradients = interpreted(test, DType::f64);
    const Program program = gradient_program(test, DType::f64, false);
    for (const Argument& argument : test.arguments) {
      if (!is_float(argument.type)) continue;
      const Array& gradient = gradients.at("g_" + argument.name);
      Arrays inputs = random_arguments(test, DType::f64, kSeed);
      inputs.merge(random_seeds(test, DType::f64, kSeed));
      // Along a direction of signs: every element takes part.
      const Array start = inputs.at(argument.name);
      double wanted = 0;
      double size = 0;
      const auto moved = [&](double step) {
        Array array = start;
        for (size_t i = 0; i < array.size(); ++i)
          array.set(i, start.get(i) + ((i * 2654435761u >> 7) % 2 == 0 ? step : -step));
        inputs[argument.name] = array;
        Arrays state;
        return interpret(program, inputs, state).at("loss").get(0);
      };
      for (size_t i = 0; i < gradient.size(); ++i) {
        wanted += (i * 2654435761u >> 7) % 2 == 0 ? gradient.get(i) : -gradient.get(i);
        size += std::abs(gradient.get(i));
      }
      const double slope = (moved(kStep) - moved(-kStep)) / (2 * kStep);
      EXPECT_NEAR(slope, wanted, 1e-6 * (1 + size)) << argument.name;
    }
  }
}

class ModelKernels : public testing::TestWithParam<CpuLevel> {};

TEST_P(ModelKernels, ComputeWhatTheInterpreterDoes) {
  Compiler compiler = plain_compiler(GetParam());
  for (const Case& test : all_cases())
    for (const DType type : {DType::f32, DType::f64}) {
      Arrays inputs = random_arguments(test, type, kSeed);
      inputs.merge(random_seeds(test, type, kSeed));
      EXPECT_EQ(run_and_compare(gradient_program(test, type), inputs, compiler), "")
          << test.name << " in " << name_of(type);
    }
}

INSTANTIATE_TEST_SUITE_P(Levels, ModelKernels, testing::ValuesIn(test_levels()));

}  // namespace
}  // namespace tessera

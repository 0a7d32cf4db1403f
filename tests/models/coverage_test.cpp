// Every function that a header of models/ declares is compared with JAX, or tested by name here.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "tests/models/case.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// Those that are no functions of expressions to expressions, and the tests that run them.
const std::set<std::string> kTestedElsewhere = {
    "all_models",
    "build_model",
    "mlp",      // models_test.cpp
    "dropout",  // dropout_test.cpp
    "cnn",
    "capsule_net",
    "learn_labels",  // the end of all models that name things
    "transformer",
    "lstm_net",            // training_test.cpp
    "expert_transformer",  // large_models_test.cpp
    "residual_net",        // large_models_test.cpp
    "sgd",
    "adam",
    "adamw",  // optimizers_test.cpp
    "in",
    "clip_by_global_norm",
    "constant_schedule",  // optimizers_test.cpp
    "step_schedule",
    "exponential_schedule",
    "cosine_schedule",        // optimizers_test.cpp
    "inverse_sqrt_schedule",  // optimizers_test.cpp
    "batch_norm_training",
    "running_moments",  // optimizers_test.cpp
};

TEST(Models, EveryFunctionHasACase) {
  std::set<std::string> covered = kTestedElsewhere;
  for (const Case& test : all_cases()) covered.insert(test.covers.begin(), test.covers.end());
  // A declaration: a type, a name and an opening bracket at the start of a line.
  const std::regex declaration(R"(^ *[A-Za-z_][A-Za-z_0-9:<>&, ]* &?([a-z][a-z_0-9]*)\(.*)");
  int found = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(TESSERA_SOURCE_DIR) / "models")) {
    if (entry.path().extension() != ".h") continue;
    std::ifstream stream(entry.path());
    std::smatch match;
    for (std::string line; std::getline(stream, line);) {
      if (line.find("//") < line.find('(') || !std::regex_match(line, match, declaration)) continue;
      ++found;
      EXPECT_TRUE(covered.count(match[1]) != 0)
          << entry.path().filename() << " declares " << match[1]
          << ", which no case of tests/models covers";
    }
  }
  EXPECT_GT(found, 50);
}

TEST(Models, EveryCaseHasAReference) {
  std::ifstream stream(std::string(TESSERA_SOURCE_DIR) + "/tests/models/reference.py");
  std::set<std::string> references;
  std::string previous;
  for (std::string line; std::getline(stream, line); previous = line)
    if (previous == "@case") references.insert(line.substr(4, line.find('(') - 4));
  std::set<std::string> names;
  for (const Case& test : all_cases())
    EXPECT_TRUE(names.insert(test.name).second) << test.name << " is there twice";
  EXPECT_EQ(names, references);
}

}  // namespace
}  // namespace tessera

// `tessera bench`: what its report says about kernels, and its suites.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kGallery = std::string(TESSERA_SOURCE_DIR) + "/examples/gallery/";

TEST(BenchSchedule, SaysForEveryKernelHowItIsBuilt) {
  const std::vector<std::string> words = {"bench",     "mlp",       "--dim",
                                          "batch=32",  "--seconds", "0.05",
                                          "--threads", "1",         "--show-schedule"};
  const CommandResult text = run_tessera(words);
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("tiled contraction"), HasSubstr("loop nest"),
                              HasSubstr(" measured, "), HasSubstr(" predicted\n  nests  "),
                              HasSubstr("\n  tile  "), HasSubstr("\n  chunks  ")));
  std::vector<std::string> more = words;
  more.push_back("--json");
  const CommandResult result = run_tessera(more);
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json kernels = result.json()["schedules"];
  ASSERT_GT(kernels.size(), 2u);
  for (const nlohmann::json& kernel : kernels) {
    EXPECT_GE(kernel["nests"].size(), 1u);
    EXPECT_GT(kernel["predicted_ms"], 0);
    EXPECT_GE(kernel["measured_ms"], 0);
    EXPECT_GE(kernel["schedule"]["chunks"], 1);
    EXPECT_GE(kernel["explained"].size(), 1u);
    EXPECT_GE(kernel["uses"], 1);
  }
}

TEST(BenchSchedule, KernelsOfLoopsAndOfSeveralRanksAreShown) {
  const CommandResult result =
      run_tessera({"bench", kGallery + "nbody.tess", "--seconds", "0.05", "--ranks", "2",
                   "--threads", "1", "--show-schedule", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  bool loops = false;
  const nlohmann::json kernels = result.json()["schedules"];
  for (const nlohmann::json& kernel : kernels)
    loops = loops || kernel["name"].get<std::string>().find("moved") != std::string::npos;
  EXPECT_TRUE(loops) << result.out;
}

}  // namespace
}  // namespace tessera

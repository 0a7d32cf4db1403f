// What the code of a kernel does where, read from LLVM's text of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "codegen/build_kernel.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::Not;

const BuildOptions kOfAvx2{.level = CpuLevel::v3};

// The blocks without branches that a text consists of, each with its label.
std::vector<std::string> blocks_of(const std::string& text) {
  std::vector<std::string> blocks = {""};
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != ' ' && line.find(':') != std::string::npos)
      blocks.emplace_back();
    blocks.back() += line + "\n";
  }
  return blocks;
}

std::string text_of(const std::string& program, bool optimized) {
  const std::vector<KernelGroup> groups = fused(program);
  EXPECT_EQ(groups.size(), 1u);
  return text_of_kernel(groups[0], kOfAvx2, optimized);
}

// A logarithm takes the exponent of its argument by a shift.
TEST(KernelText, WhatOneDimDecidesIsComputedOutsideOfTheOthersLoops) {
  const std::string program =
      "dim a = 27, b = 25, c = 6, d = 18, t = 12\ninput x[a]\ninput w[d, c]\n"
      "input z[a, t, b]\ny = log(x + 1) * w * z[t: 2*c + 1]\noutput y[a, b, c, d]\n";
  const std::string text = text_of(program, true);
  EXPECT_THAT(text, HasSubstr("ashr "));
  for (const std::string& block : blocks_of(text))
    EXPECT_FALSE(block.find("ashr ") != std::string::npos &&
                 block.find("store <") != std::string::npos)
        << block;
  EXPECT_EQ(run_and_compare(program), "");
}

TEST(KernelText, TailsOfRowsAreStoredWithoutMasks) {
  for (const char* extent : {"3", "5", "7", "18", "22"}) {
    const std::string program = std::string("dim a = 40, b = 3, c = ") + extent +
                                "\ninput x[a]\ninput w[b, c]\ny = x * w\noutput y[a, b, c]\n";
    EXPECT_THAT(text_of(program, false), Not(HasSubstr("masked.store"))) << extent;
    EXPECT_EQ(run_and_compare(program), "") << extent;
  }
}

TEST(KernelText, ShortContractionsAreFinishedInRegisters) {
  const std::string short_one =
      "dim i = 60, j = 64, k = 32\ninput a[i, k]\ninput b[k, j]\nc = sum[k](a * b)\noutput c\n";
  EXPECT_THAT(text_of(short_one, false), Not(HasSubstr("@store(")));
  std::string long_one = short_one;
  long_one.replace(long_one.find("k = 32"), 6, "k = 3200");
  EXPECT_THAT(text_of(long_one, false), HasSubstr("@store("));
}

}  // namespace
}  // namespace tessera

#include "codegen/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/error.h"

namespace tessera {
namespace {

TEST(Machine, PrintsAndParses) {
  const Machine machine{.vectors = {64, 32, 32 << 10, 1 << 20, 32 << 20},
                        .cores = 2,
                        .peak_gflops = 116.9,
                        .bandwidth = 17.25,
                        .bandwidth_all = 30.5,
                        .cache_bandwidth = 90};
  EXPECT_EQ(parse_machine(print(machine)), machine);
  try {
    parse_machine("cores 2\nvector_bytes none\n");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "machine facts: `vector_bytes` is `none`, not a positive number");
  }
}

TEST(Machine, MeasuresOnceAndRemembers) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "tessera_machine_test";
  std::filesystem::remove_all(folder);
  const auto facts = [&] { return machine_facts(CpuLevel::host, folder.string()); };
  const Machine measured = facts();
  EXPECT_EQ(measured.vectors, vectors_of(CpuLevel::host));
  EXPECT_GT(measured.peak_gflops, 1);
  EXPECT_GT(measured.bandwidth, 0);
  EXPECT_GE(measured.bandwidth_all, measured.bandwidth);
  EXPECT_LE(measured.vectors.l1_bytes, measured.vectors.l2_bytes);

  EXPECT_EQ(facts(), measured);  // two measurements never agree to all digits
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    std::ofstream(entry.path()) << "cores many";
  EXPECT_GT(facts().peak_gflops, 1);
  std::filesystem::remove_all(folder);
}

TEST(Machine, FactsThatCannotBeOfThisHostAreMeasuredAnew) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "tessera_machine_facts_test";
  std::filesystem::remove_all(folder);
  const Machine measured = machine_facts(CpuLevel::host, folder.string());
  const std::filesystem::path file = std::filesystem::directory_iterator(folder)->path();
  const auto after_keeping = [&](const std::function<void(Machine&)>& change) {
    Machine kept = measured;
    change(kept);
    std::ofstream(file) << print(kept);
    return machine_facts(CpuLevel::host, folder.string());
  };
  EXPECT_EQ(after_keeping([](Machine& m) { m.peak_gflops = 3.25; }).peak_gflops, 3.25);
  EXPECT_EQ(after_keeping([](Machine& m) { m.cores = 1'000'000; }).cores, measured.cores);
  EXPECT_EQ(after_keeping([](Machine& m) { m.vectors.vector_bytes = 3; }).vectors,
            vectors_of(CpuLevel::host));
  EXPECT_EQ(after_keeping([](Machine& m) { m.vectors.l2_bytes = 7; }).vectors,
            vectors_of(CpuLevel::host));
  EXPECT_LT(after_keeping([](Machine& m) { m.bandwidth = 1e12; }).bandwidth, 1e5);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tessera

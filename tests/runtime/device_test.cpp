// Steps on a simulated GPU, which differs from a real one in its silicon only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "ir/stack_loops.h"
#include "models/capsule_net.h"
#include "models/lstm_net.h"
#include "models/mlp.h"
#include "models/optimizers.h"
#include "models/transformer.h"
#include "partition/manual_plan.h"
#include "runtime/device/simulated_stream.h"
#include "tests/runtime/close.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

using testing::HasSubstr;

const DeviceRequest simulated = {.kind = DeviceKind::simulated};
const DeviceRequest with_nccl = {.kind = DeviceKind::simulated,
                                 .collectives = CollectivesKind::nccl};

void agree_with_the_interpreter(const std::string& text, const std::string& mesh,
                                const std::vector<Pin>& pins) {
  const Program source = parse(text);
  const Program program = stack_loops(normalize(source));
  const Arrays inputs = random_inputs(source, 3);
  Arrays state = initial_state(source, 3);
  const Arrays start = state;
  const Arrays wanted = interpret(source, inputs, state);
  const Plan plan = manual_plan(program, parse_mesh(mesh), pins);
  const RunRecord run = run_on_local_ranks(program, plan, inputs, start, 1, simulated);
  for (const auto& [name, array] : wanted)
    expect_close(run.outputs[0].at(name), array, 1e-4, mesh + " " + name);
  for (const auto& [name, array] : state)
    expect_close(run.state.at(name), array, 1e-4, mesh + " " + name);
}

// Three steps of training, beside the same on this host.
void train_as_on_this_host(const Program& training, const std::string& mesh = "a=1",
                           const std::vector<Pin>& pins = {},
                           const DeviceRequest& request = simulated) {
  const Program program = stack_loops(normalize(training));
  const Arrays inputs = random_inputs(program, 5);
  const Arrays start = initial_state(program, 5);
  const Plan plan = manual_plan(program, parse_mesh(mesh), pins);
  const RunRecord here = run_on_local_ranks(program, plan, inputs, start, 3);
  const RunRecord there = run_on_local_ranks(program, plan, inputs, start, 3, request);
  EXPECT_NE(here.outputs[0].at("loss").get(0), here.outputs[2].at("loss").get(0));
  for (size_t step = 0; step < 3; ++step)
    for (const auto& [name, array] : here.outputs[step])
      expect_close(there.outputs[step].at(name), array, 1e-4,
                   training.name() + " step " + std::to_string(step) + " " + name);
}

TEST(SimulatedGpu, TrainsMlp) {
  train_as_on_this_host(mlp({.batch = 16, .pixels = 36, .hidden = {20, 24}}, adam()));
}

TEST(SimulatedGpu, TrainsMlpOnTwo) {
  train_as_on_this_host(mlp({.batch = 16, .pixels = 36, .hidden = {20, 24}}, adam()), "a=2",
                        {{"image", "batch", "a", {}}, {"w2", "hidden1", "a", {}}});
}

TEST(SimulatedGpu, TrainsMlpOnTwoByNccl) {
  train_as_on_this_host(mlp({.batch = 16, .pixels = 36, .hidden = {20, 24}}, adam()), "a=2",
                        {{"image", "batch", "a", {}}, {"w2", "hidden1", "a", {}}}, with_nccl);
}

TEST(SimulatedGpu, TrainsCapsules) {
  train_as_on_this_host(capsule_net({.batch = 2,
                                     .size = 14,
                                     .channels = {4, 2, 2},
                                     .kernel = 3,
                                     .pose = 2,
                                     .iterations = 2,
                                     .labels = 3},
                                    sgd(0.1)));
}

TEST(SimulatedGpu, TrainsTransformer) {
  train_as_on_this_host(transformer({.batch = 2,
                                     .time = 8,
                                     .vocabulary = 12,
                                     .layers = 2,
                                     .model = 16,
                                     .groups = 2,
                                     .share = 2,
                                     .feature = 4,
                                     .hidden = 24},
                                    adam()));
}

// 5 hidden units: iterations begin at addresses that 16 does not divide.
TEST(SimulatedGpu, TrainsRecurrentNet) {
  train_as_on_this_host(
      lstm_net({.batch = 2, .time = 7, .vocabulary = 9, .model = 6, .hidden = 5}, adam()));
}

TEST(SimulatedGpu, LetsStreamsMeetAfterEveryIteration) {
  const char* const text = R"(program many
dim k = 6
input x[k]
loop i = 60 carry s = x { s = 0.9 * x + 0.01 * sum[k](s * x) }
output s
)";
  for (const char* mesh : {"a=1", "a=2", "a=3"})
    agree_with_the_interpreter(text, mesh, {{"x", "k", "a", {}}});
}

TEST(SimulatedGpu, EndsLoopsWithTheirConditions) {
  const char* const text = R"(program count
dim k = 6
input x[k]
loop i = 40 while max[k](abs(s)) > 0.001 carry s = x, n = 0 {
  s = 0.5 * s
  n = n + 1
}
output s
output n
)";
  for (const char* mesh : {"a=1", "a=2"})
    agree_with_the_interpreter(text, mesh, {{"x", "k", "a", {}}});
}

// Blocks are packed, and neighbours pass halos on.
TEST(SimulatedGpu, SplitsAlongInnerDims) {
  const char* const text = R"(program blur
dim row = 5, col = 12, out = 4
input x[row, col]
param w[col, out] = normal(0, 0.5)
y = x[col: col - 1 pad 0] + 2 * x + x[col: col + 1 pad 0]
z = sum[col](y * w)
update w = w - 0.1 * sum[row](z * y)
output y
output z
)";
  for (const char* mesh : {"a=1", "a=2", "a=3"})
    agree_with_the_interpreter(
        text, mesh, {{"x", "col", "a", {}}, {"y", "col", "a", {}}, {"w", "col", "a", {}}});
}

TEST(SimulatedGpu, ReportsReadsOutside) {
  const Program program = normalize(
      parse("program p\ndim n = 4, v = 3\ninput i[n]: i32\ninput t[v]\ny = t[v: i]\noutput y\n"));
  Array index = make_array(DType::i32, {4});
  index.set(2, 7);
  const Arrays inputs = {{"i", index}, {"t", make_array(DType::f32, {3})}};
  const Plan plan = manual_plan(program, parse_mesh("a=1"), {});
  std::vector<std::string> texts;
  for (const DeviceKind kind : {DeviceKind::cpu, DeviceKind::simulated}) {
    try {
      run_on_local_ranks(program, plan, inputs, {}, 1, {.kind = kind});
    } catch (const UserError& error) {
      texts.emplace_back(error.what());
    }
  }
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_THAT(texts[0], HasSubstr("is 7"));
  EXPECT_EQ(texts[0], texts[1]);
}

TEST(SimulatedGpuDeathTest, KeepsTheHostOut) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  SimulatedDevice device;
  const DeviceMemory memory = device.allocate(64);
  const volatile std::byte* place = memory.place();
  EXPECT_DEATH({ [[maybe_unused]] const std::byte read = *place; }, "");
  EXPECT_NE(device.real(memory.at(60), 4), memory.at(60));
  EXPECT_THROW(device.real(memory.at(60), 5), InternalError);
}

TEST(SimulatedGpu, LetsStreamsWaitForEvents) {
  SimulatedDevice device;
  const DeviceMemory memory = device.allocate(sizeof(int32_t));
  SimulatedStream first(device);
  SimulatedStream second(device);
  const std::unique_ptr<DeviceEvent> event = device.make_event();
  for (int32_t round = 0; round < 20; ++round) {
    first.enqueue([] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); });
    first.set_word(memory.place(), round);
    first.record(*event);
    second.wait_for(*event);
    int32_t read = -1;
    second.to_host(&read, memory.place(), sizeof read);
    second.wait();
    EXPECT_EQ(read, round);
  }
}

TEST(Devices, SayWhatIsAllowed) {
  try {
    parse_device_kind("gpus", "--device");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(std::string(error.what()),
              "--device is `gpus`; allowed: cpu, gpu, simulated (did you mean `gpu`?)");
  }
}

}  // namespace
}  // namespace tessera

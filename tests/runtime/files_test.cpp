// Executables that write what they store and read it back, on other ranks and under other plans.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "ir/stack_loops.h"
#include "partition/random_plan.h"
#include "storage/checkpoint.h"
#include "tests/launcher/temp_folder.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// All types, and extents that nothing divides.
const char* const kProgram = R"(program kept
dim b = 7, i = 13, o = 5, one = 1
input x[b, i]
param w[i, o] = glorot()
param v[o, i] : f64 = normal(0, 1)
param half[i, b] : bf16 = normal(0, 1)
param small[o] : f16 = uniform(-1, 1)
param tiny[i, one] : i8 = 3
state steps : i64
state seen[b, o] : i32
state last[i] : bool
state bytes[i] : u8 = 200
y = sum[i](x * w)
loss = mean[b, o](y * y)
update w = w - 0.1 * grad(loss, w)
update v = v * 1.5 + 1.0
update half = half + half
update steps = steps + 1
update seen = seen + i32(10.0 * y)
update last = not last
update bytes = bytes + u8(1)
output loss
output half
output small
output tiny
)";

const std::vector<std::string> kMeshes = {"a=1", "a=2", "a=3", "a=4", "a=2,b=2", "a=4,b=1"};

void on_ranks(const Program& normal, const std::string& mesh, uint64_t seed,
              const std::function<void(Executable&, Communicator&)>& body) {
  const Plan plan = random_plan(normal, parse_mesh(mesh), seed);
  run_local_ranks(plan.mesh.ranks(), {}, [&](Communicator& world) {
    Compiler compiler(CompilerOptions{.threads = 1, .worker_threads = 1});
    Executable executable(normal, plan, compiler, world, {1, {}});
    body(executable, world);
  });
}

class Files : public ::testing::Test {
 protected:
  Files() : source_(parse(kProgram)), normal_(stack_loops(normalize(source_))) {}

  TempFolder folder_;
  Program source_;
  Program normal_;
};

TEST_F(Files, OfAnyRanksAndMeshesLoadIntoEachOtherBitwise) {
  const Arrays inputs = random_inputs(source_, 3);
  std::vector<Arrays> saved;
  for (size_t m = 0; m < kMeshes.size(); ++m)
    on_ranks(normal_, kMeshes[m], m, [&](Executable& executable, Communicator& world) {
      executable.initialize(m);
      for (const auto& [name, array] : inputs) executable.feed(name, array);
      executable.run();
      executable.run();
      executable.save(folder_ / std::to_string(m), 2);
      executable.save(folder_ / (std::to_string(m) + ".safetensors"));
      Arrays values = executable.values();
      if (world.rank() == 0) saved.push_back(std::move(values));
    });
  ASSERT_EQ(saved.size(), kMeshes.size());
  EXPECT_NE(saved[0].at("w"), saved[1].at("w"));
  for (size_t m = 0; m < kMeshes.size(); ++m)
    on_ranks(normal_, kMeshes[m], m + 100, [&](Executable& executable, Communicator& world) {
      for (size_t from = 0; from < kMeshes.size(); ++from)
        for (const std::string ending : {"", ".safetensors"}) {
          executable.initialize(77);
          executable.load(folder_ / (std::to_string(from) + ending));
          const Arrays values = executable.values();
          if (world.rank() == 0)
            for (const auto& [name, array] : saved[from])
              EXPECT_EQ(values.at(name), array)
                  << name << " of " << kMeshes[from] << ending << " on " << kMeshes[m];
        }
    });
}

// The most memory that this process has had since the last call, in MiB.
int64_t peak_mebibytes() {
  int64_t peak = 0;
  std::istringstream status(read_text("/proc/self/status"));
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) peak = std::stoll(line.substr(6)) >> 10;
  std::ofstream("/proc/self/clear_refs") << "5";
  return peak;
}

// Four ranks have 64 MiB, split in both directions and in parts of which nothing is a multiple.
// Each reads its own part, and rank 0 a few MiB of the others', never all of it.
TEST_F(Files, OneFileTakesNoMemoryForWholeTensors) {
  const std::string file = folder_ / "large.safetensors";
  const Program program = parse(
      "program p\ndim i = 4099, o = 4093\nparam w[i, o] = normal(0, 1)\nparam v[o] = 2.0\n"
      "state n : i32 = 7\noutput v\npin w[i: a, o: b]\n");
  Array whole;
  int64_t grown = 0;
  on_ranks(program, "a=2,b=2", 1, [&](Executable& executable, Communicator& world) {
    executable.initialize(1);
    world.barrier();
    const int64_t before = world.rank() == 0 ? (peak_mebibytes(), peak_mebibytes()) : 0;
    world.barrier();
    executable.save(file);
    world.barrier();
    if (world.rank() == 0) grown = peak_mebibytes() - before;
    world.barrier();
    Array value = executable.value("w");
    if (world.rank() == 0) whole = std::move(value);
  });
  const auto saved = open_tensors(file);
  EXPECT_EQ(saved->read(*saved->find("w")), whole);
  EXPECT_EQ(saved->read(*saved->find("n")).get(0), 7);
  EXPECT_LT(grown, 64 + 40) << "the parts of four ranks, which share this process, and slabs";
}

TEST_F(Files, EachRankWritesWhatItStores) {
  on_ranks(parse("program p\ndim k = 6\nparam w[k] = 0.5\nparam v = 1.0\noutput w\noutput v\npin "
                 "w[k: a]\n"),
           "a=3", 1, [&](Executable& executable, Communicator&) {
             executable.initialize(1);
             executable.save(folder_.path(), 0);
           });
  for (const int rank : {0, 1, 2}) {
    const auto shard = open_tensors(folder_ / "step-00000000/" + shard_name(rank, 3));
    EXPECT_EQ(shard->tensors().size(), rank == 0 ? 2u : 1u);
    EXPECT_EQ(shard->tensors()[*shard->find("w")].shape, std::vector<int64_t>{2});
  }
}

TEST_F(Files, MistakesAreSaid) {
  const auto error = [&](const std::function<void(Executable&)>& body) {
    return message_of<UserError>([&] {
      on_ranks(normal_, "a=2", 1, [&](Executable& executable, Communicator&) { body(executable); });
    });
  };
  EXPECT_THAT(error([&](Executable& e) { e.save(folder_.path(), 1); }),
              HasSubstr("there are no values of"));
  EXPECT_THAT(error([&](Executable& e) {
                e.initialize(1);
                e.save(folder_.path(), 1);
                e.save(folder_.path(), 1);
              }),
              HasSubstr("has a checkpoint of step 1 already"));
  EXPECT_THAT(error([&](Executable& e) { e.load(folder_ / "none"); }),
              HasSubstr("cannot be opened"));
  const std::string other = folder_ / "other.safetensors";
  on_ranks(parse("program p\ndim i = 13, o = 4\nparam w[i, o]\nparam x[i]\noutput w\noutput x\n"),
           "a=1", 1, [&](Executable& executable, Communicator&) {
             executable.initialize(1);
             executable.save(other);
           });
  const std::string text = error([&](Executable& e) { e.load(other); });
  for (const char* part : {"4:7) takes f32[13, 5]; the file has f32[13, 4]",
                           "5:7) takes f64[5, 13]; the file has no `v`", "not used of the file: x"})
    EXPECT_THAT(text, HasSubstr(part));
}

}  // namespace
}  // namespace tessera

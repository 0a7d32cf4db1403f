#include "codegen/fuse.h"

#include <gtest/gtest.h>

#include <chrono>

#include "codegen/contraction.h"
#include "codegen/lower.h"
#include "codegen/run_chunks.h"
#include "codegen/schedule.h"
#include "codegen/stages.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/structure.h"
#include "tests/codegen/run_program.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

std::set<Tensor> needed_by(const Program& program) {
  std::set<Tensor> needed;
  for (const Output& output : program.outputs()) needed.insert(output.value);
  for (const Update& update : program.updates()) needed.insert(update.value);
  return needed;
}

std::vector<KernelGroup> fuse_text(const std::string& text) {
  const Program program = normalize(parse(text));
  return fuse(nests_of(program), needed_by(program));
}

Tensor output_named(const KernelGroup& group, const std::string& name) {
  for (const Tensor& tensor : group.outputs)
    if (tensor.name() == name) return tensor;
  throw std::runtime_error("no output " + name);
}

Tensor input_named(const KernelGroup& group, const std::string& name) {
  for (const Tensor& tensor : group.inputs)
    if (tensor.name() == name) return tensor;
  throw std::runtime_error("no input " + name);
}

const char* const kSoftmax =
    "program p\ndim b = 300, k = 100\ninput x[b, k]\nm = max[k](x)\ne = exp(x - m)\n"
    "p = e / sum[k](e)\noutput p[b, k]\n";

const char* const kAdam =
    "program p\ndim i = 300, j = 200\ninput w[i, j]\ninput m[i, j]\ninput v[i, j]\n"
    "input g[i, j]\nm2 = 0.9 * m + 0.1 * g\nv2 = 0.999 * v + 0.001 * g * g\n"
    "w2 = w - 0.01 * m2 / (sqrt(v2) + 0.00000001)\n"
    "output m2[i, j]\noutput v2[i, j]\noutput w2[i, j]\n";

const char* const kBesideATile =
    "program p\ndim b = 17, i = 18, h = 18\ninput w[i, h]\ninput x[b, i]\ninput y[b, h]\n"
    "w2 = w - sum[b](x * y)\nbefore = 3 * w\noutput w2[i, h]\noutput before[i, h]\n";

TEST(Fuse, SoftmaxIsOneKernelUnderTheLoopOverTheBatch) {
  const std::vector<KernelGroup> groups = fuse_text(kSoftmax);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].inputs.size(), 1u);
  EXPECT_EQ(groups[0].outputs.size(), 1u);
  const GroupPlan plan = plan_stages(groups[0].nests);
  EXPECT_EQ(describe(plan.shared), "b");
  EXPECT_EQ(plan.stages.size(), 3u);
}

TEST(Fuse, UpdatesOfOneParameterAreOneFlatLoop) {
  const std::vector<KernelGroup> groups = fuse_text(kAdam);
  ASSERT_EQ(groups.size(), 1u) << describe(groups[0]);
  EXPECT_EQ(groups[0].outputs.size(), 3u);
  LoopNest nest = lower(groups[0]);
  EXPECT_EQ(nest.stages.size(), 1u);
  ASSERT_EQ(nest.shared.size(), 1u) << describe(nest);
  EXPECT_EQ(nest.loops[static_cast<size_t>(nest.shared[0])].extent, 60000);
  schedule(nest, {{.vector_bytes = 64}, 2});
  EXPECT_EQ(nest.lane, nest.shared[0]);
  EXPECT_GT(nest.chunks, 1);
}

TEST(Fuse, UpdatesRunInPlaceButNeighboursDoNot) {
  const KernelGroup adam = fuse_text(kAdam)[0];
  EXPECT_TRUE(can_run_in_place(adam, output_named(adam, "w2"), input_named(adam, "w")));
  EXPECT_TRUE(can_run_in_place(adam, output_named(adam, "m2"), input_named(adam, "m")));
  const KernelGroup softmax = fuse_text(kSoftmax)[0];
  EXPECT_TRUE(can_run_in_place(softmax, output_named(softmax, "p"), input_named(softmax, "x")));
  const KernelGroup blur =
      fuse_text("program p\ndim i = 300\ninput x[i]\ny = x + x[i: i - 1 pad 0]\noutput y[i]\n")[0];
  EXPECT_FALSE(can_run_in_place(blur, output_named(blur, "y"), input_named(blur, "x")));
  const KernelGroup transpose =
      fuse_text("program p\ndim i = 30, j = 30\ninput x[i, j]\ny = x + 1\noutput y[j, i]\n")[0];
  if (transpose.outputs[0].dims() != transpose.inputs[0].dims())
    EXPECT_FALSE(can_run_in_place(transpose, transpose.outputs[0], transpose.inputs[0]));
}

// Tiles of the same kernel read w, by the map in front of the sum, after others have been written.
TEST(Fuse, WhatAContractionPacksIsNotOverwritten) {
  const Program program =
      normalize(parse("program p\ndim b = 17, i = 18, h = 18\ninput w[i, h]\ninput x[b, i]\n"
                      "w2 = w - sum[b](x * exp(w)[i: b])\noutput w2[i, h]\n"));
  const KernelGroup group = make_group(nests_of(program), needed_by(program));
  ASSERT_TRUE(find_contraction(group).has_value()) << describe(group);
  EXPECT_FALSE(can_run_in_place(group, group.outputs[0], input_named(group, "w")));
  const KernelGroup beside = fuse_text(kBesideATile)[0];
  EXPECT_TRUE(can_run_in_place(beside, output_named(beside, "w2"), input_named(beside, "w")));
}

TEST(Fuse, InPlaceResultsAreTheSame) {
  for (const char* text : {kAdam, kSoftmax, kBesideATile}) {
    ASSERT_EQ(fuse_text(text).size(), 1u);
    const KernelGroup group = fuse_text(text)[0];
    Compiler compiler = plain_compiler();
    const Kernel kernel = compiler.compile(group);
    std::map<Tensor, Array> given;
    for (const Tensor& input : group.inputs) {
      Array array = whole_numbers(input, 3);
      for (size_t i = 0; i < array.size(); ++i) array.set(i, std::abs(array.get(i)));
      given.emplace(input, array);
    }
    KernelRunner apart(given);
    ASSERT_EQ(apart.run(kernel, group), 0);
    for (const Tensor& output : group.outputs)
      for (const Tensor& input : group.inputs) {
        if (!can_run_in_place(group, output, input)) continue;
        std::map<Tensor, Array> arrays = given;
        for (const Tensor& other : group.outputs) arrays.emplace(other, apart[other]);
        std::vector<void*> arguments;
        for (const Tensor& tensor : kernel.arguments)
          arguments.push_back(arrays.at(tensor == output ? input : tensor).data.data());
        std::vector<std::byte> scratch(kernel.scratch_bytes + 64);
        void* aligned = scratch.data();
        size_t space = scratch.size();
        std::align(64, kernel.scratch_bytes, aligned, space);
        int64_t fault = 0;
        run_chunks(kernel, arguments.data(), aligned, 0, kernel.chunks, &fault);
        EXPECT_EQ(difference(output.name(), arrays.at(input), apart[output], 0), "");
      }
  }
}

TEST(Fuse, ContractionsKeepTheirOwnKernelWithItsEpilogue) {
  const std::vector<KernelGroup> groups = fuse_text(
      "program p\ndim b = 128, i = 200, h = 256, o = 96\ninput x[b, i]\ninput w[i, h]\n"
      "input c[h]\ninput u[h, o]\ny = max(sum[i](x * w) + c, 0)\nz = sum[h](y * u)\n"
      "output z[b, o]\n");
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].nests.size(), 2u) << describe(groups[0]);
  EXPECT_EQ(groups[1].nests.size(), 1u) << describe(groups[1]);
}

TEST(Fuse, TheAdjointOfAConvolutionIsAConvolution) {
  const Program program = normalize(
      parse("program p\ndim b = 2, y = 8, x = 8, c = 5, f = 6, ky = 3, kx = 3, oy = 6, ox = 6\n"
            "param image[b, y, x, c] = normal(0, 1)\ninput w[ky, kx, c, f]\n"
            "input g[b, oy, ox, f]\n"
            "l = sum[b, oy, ox, f](g * sum[ky, kx, c](image[y: oy + ky, x: ox + kx] * w))\n"
            "d = grad(l, image)\noutput d[b, y, x, c]\n"));
  const std::vector<KernelGroup> groups = fuse(nests_of(program), needed_by(program));
  const Nest& adjoint = groups.back().nests.back();
  EXPECT_EQ(describe(adjoint.reduced), "ky, kx, f");
  EXPECT_TRUE(find_contraction(adjoint).has_value());
  Arrays inputs;
  for (const Tensor& input : program.inputs())
    inputs.emplace(input.name(), whole_numbers(input, 5));
  Compiler compiler = plain_compiler();
  EXPECT_EQ(run_and_compare(program, inputs, compiler), "");
}

TEST(Fuse, AdjointsOfShiftedStridedAndPaddedReadsAgree) {
  for (const char* read : {"x[i: o + 1]", "x[i: 2*o + k]", "x[i: o + k - 1 pad 0]", "x[i: 9 - o]",
                           "x[i: o + k - 1 pad 3]", "x[i: 3*o + 2 pad 0]"}) {
    const Program program = parse(
        std::string("program p\ndim i = 23, o = 9, k = 3, c = 5\nparam x[i, c] = normal(0, 1)\n"
                    "input g[o, k, c]\nl = sum[o, k, c](g * ") +
        read + ")\nd = grad(l, x)\noutput d[i, c]\n");
    Arrays inputs;
    for (const Tensor& input : program.inputs())
      inputs.emplace(input.name(), whole_numbers(input, 5));
    Compiler compiler = plain_compiler();
    EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << read;
  }
}

// Legality, on anything: the order holds, each needed tensor is written once, inputs exist.
TEST(Fuse, RandomProgramsStayInOrderAndWhole) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    RandomProgramOptions options;
    options.gradients = seed % 2 == 0;
    const Program program = normalize(random_program(seed, options));
    const std::set<Tensor> needed = needed_by(program);
    std::set<Tensor> known;
    for (const Tensor& tensor : program.tensors())
      if (tensor.role() != Role::definition) known.insert(tensor);
    for (const KernelGroup& group : fuse(nests_of(program), needed)) {
      std::set<Tensor> inside;
      for (const Nest& nest : group.nests) {
        for (const Tensor& tensor : tensors_read(nest.body))
          EXPECT_TRUE(known.count(tensor) + inside.count(tensor) == 1) << seed << tensor.name();
        EXPECT_TRUE(inside.insert(nest.out).second) << seed;
      }
      for (const Tensor& tensor : group.outputs) EXPECT_TRUE(known.insert(tensor).second) << seed;
    }
    for (const Tensor& tensor : needed) EXPECT_EQ(known.count(tensor), 1u) << seed;
  }
}

// 3,000 nests of which each reads two earlier ones: what depends on what is kept in sets of bits.
TEST(Fuse, OfThousandsOfNestsIsQuick) {
  std::string text = "program p\ndim i = 100\ninput x0[i]\nx1 = tanh(x0)\n";
  for (int n = 2; n <= 3000; ++n)
    text += "x" + std::to_string(n) + " = tanh(x" + std::to_string(n - 1) + " + 0.5 * x" +
            std::to_string(n / 2) + ")\n";
  const Program program = normalize(parse(text + "output x3000\n"));
  const std::vector<Nest> nests = nests_of(program);
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<KernelGroup> groups = fuse(nests, needed_by(program));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  std::set<Tensor> written;
  for (const KernelGroup& group : groups) {
    for (const Tensor& input : group.inputs)
      EXPECT_TRUE(input.role() == Role::input || written.count(input) != 0) << input.name();
    written.insert(group.outputs.begin(), group.outputs.end());
  }
  EXPECT_EQ(written.count(program.get("x3000")), 1U);
  EXPECT_LT(groups.size(), 400U);
}

}  // namespace
}  // namespace tessera

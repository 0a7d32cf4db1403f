#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "codegen/contraction.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "tests/codegen/run_program.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

// Kernels take it for 0.
bool is_subnormal(double value) {
  return value != 0 && std::fabs(value) < 0x1p-126;
}

Array patterns16(DType type) {
  Array array = make_array(type, {65536});
  for (size_t i = 0; i < 65536; ++i) {
    array.as<uint16_t>()[i] = static_cast<uint16_t>(i);
    if (is_subnormal(array.get(i))) array.set(i, 0);
  }
  return array;
}

// All exponents, with fractions at, below and above halfway for both 16-bit types.
Array floats_of_all_kinds(DType type) {
  Array array = make_array(type, {65536});
  for (uint32_t i = 0; i < 65536; ++i) {
    const uint32_t fractions[] = {0x1000, 0x0fff, 0x1001, 0x3000, 0x8000, 0x7fff, 0x8001, 0x18000};
    const uint32_t bits = (i / 8) % 2 << 31 | (i / 16 % 256) << 23 |
                          ((i / 4096) * 0x60000 + fractions[i % 8]) % 0x800000;
    float value = std::bit_cast<float>(bits);
    if (is_subnormal(value)) value = 0;
    if (type == DType::f32) array.as<float>()[i] = value;
    // In f64 a little beside, so that rounding twice would show.
    else
      array.as<double>()[i] = static_cast<double>(value) * (1 + (i % 3 - 1.0) * 0x1p-45);
  }
  return array;
}

TEST(Types, ConversionsEqualTheInterpretersOnEveryPattern) {
  const Program p = parse(
      "program p\ndim i = 65536\ninput a[i] : bf16\ninput b[i] : f16\ninput x[i]\ninput y[i] : "
      "f64\n"
      "input n[i] : i64\ninput m[i] : u8\ninput k[i] : i8\n"
      "a1 = f32(a)\na2 = f64(a)\na3 = i32(a)\na4 = u8(a)\na5 = f16(a)\na6 = bool(a)\n"
      "b1 = f32(b)\nb2 = f64(b)\nb3 = i8(b)\nb4 = i64(b)\nb5 = bf16(b)\n"
      "x1 = bf16(x)\nx2 = f16(x)\nx3 = i8(x)\nx4 = u8(x)\ny1 = bf16(y)\ny2 = f16(y)\n"
      "n1 = bf16(n)\nn2 = f16(n)\nn3 = i8(n)\nn4 = u8(n)\nm1 = bf16(m)\nm2 = i8(m)\nm3 = f32(m)\n"
      "m4 = i64(m)\nk1 = f16(k)\nk2 = u8(k)\nk3 = i32(k)\nk4 = f64(k)\n"
      "output a1\noutput a2\noutput a3\noutput a4\noutput a5\noutput a6\noutput b1\noutput b2\n"
      "output b3\noutput b4\noutput b5\noutput x1\noutput x2\noutput x3\noutput x4\noutput y1\n"
      "output y2\noutput n1\noutput n2\noutput n3\noutput n4\noutput m1\noutput m2\noutput m3\n"
      "output m4\noutput k1\noutput k2\noutput k3\noutput k4\n");
  Arrays inputs = random_inputs(p, 3);
  inputs["a"] = patterns16(DType::bf16);
  inputs["b"] = patterns16(DType::f16);
  inputs["x"] = floats_of_all_kinds(DType::f32);
  inputs["y"] = floats_of_all_kinds(DType::f64);
  for (size_t i = 0; i < 65536; ++i) {
    inputs["n"].as<int64_t>()[i] = static_cast<int64_t>(i * i * 77) - (int64_t{1} << 34);
    inputs["m"].as<uint8_t>()[i] = static_cast<uint8_t>(i);
    inputs["k"].as<int8_t>()[i] = static_cast<int8_t>(i * 3);
  }
  RunOptions options;
  options.tolerance = 0;
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    EXPECT_EQ(run_and_compare(p, inputs, compiler, options), "") << name_of(level);
  }
}

TEST(Types, SmallIntegersComputeAsTheInterpreterDoes) {
  for (const char* type : {"i8", "u8"}) {
    const Program p = parse(
        std::string("program p\ndim i = 256, j = 37\ninput a[i] : ") + type +
        "\ninput b[j] : " + type +
        "\nadd = a + b\nsub = a - b\nmul = a * b\ndiv = a // b\nrest = a % b\nlow = min(a, b)\n"
        "high = max(a, b)\nless = a < b\nsize = abs(a)\nminus = -a\nby = a // 4 + a % 4\n"
        "total = sum[i](a * b)\nproduct = prod[j](b)\ntop = max[i](a)\nbottom = min[j](b)\n"
        "place = argmax[i](a)\ndot = sum[j](i32(b) * i32(b))\npadded = a[i: i - 3 pad 7]\n"
        "output add\noutput sub\noutput mul\noutput div\noutput rest\noutput low\noutput high\n"
        "output less\noutput size\noutput minus\noutput by\noutput total\noutput product\noutput "
        "top\n"
        "output bottom\noutput place\noutput dot\noutput padded\n");
    Arrays inputs;
    inputs["a"] = make_array(p.get("a").type(), {256});
    inputs["b"] = make_array(p.get("b").type(), {37});
    for (size_t i = 0; i < 256; ++i) inputs["a"].data[i] = std::byte(i);
    for (size_t i = 0; i < 37; ++i) inputs["b"].data[i] = std::byte(i * 7);
    RunOptions options;
    options.tolerance = 0;
    for (const CpuLevel level : test_levels()) {
      Compiler compiler = plain_compiler(level);
      for (const bool fuse : {true, false}) {
        options.fuse = fuse;
        EXPECT_EQ(run_and_compare(p, inputs, compiler, options), "")
            << type << " " << name_of(level);
      }
    }
  }
}

TEST(Types, ProductsOfSmallTypesAreContractions) {
  for (const char* type : {"bf16", "f16", "i8", "u8"}) {
    const bool whole = type[0] == 'i' || type[0] == 'u';
    const std::string wide = whole ? "i32" : "f32";
    const Program p = normalize(
        parse(std::string("program p\ndim m = 33, n = 40, k = 70\ninput a[m, k] : ") + type +
              "\ninput b[k, n] : " + type + "\ninput t[n, k] : " + type + "\ny = sum[k](" + wide +
              "(a) * " + wide + "(b))\nz = sum[k](" + wide + "(a) * " + wide + "(t))\n" +
              (whole ? "" : "s = sum[k](a * b) + 1.0\noutput s\n") + "output y\noutput z\n"));
    int found = 0;
    for (const Nest& nest : nests_of(p)) {
      const std::optional<Contraction> contraction = find_contraction(nest);
      if (contraction && worth_tiling(*contraction)) ++found;
    }
    // In bf16 and f16 y and the sum in s are one.
    EXPECT_EQ(found, 2) << describe(nests_of(p)[0]);
    RunOptions options;
    options.tolerance = whole ? 0 : 8e-3;
    for (const CpuLevel level : test_levels()) {
      Compiler compiler = plain_compiler(level);
      for (const bool fuse : {true, false}) {
        options.fuse = fuse;
        EXPECT_EQ(run_and_compare(p, random_inputs(p, 4), compiler, options), "")
            << type << " " << name_of(level);
      }
    }
  }
}

// One level after the other.
TEST(Types, RandomProgramsOfSmallTypesAgreeWithTheInterpreter) {
  std::vector<Compiler> compilers;
  for (const CpuLevel level : test_levels()) compilers.push_back(plain_compiler(level));
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Compiler& compiler = compilers[seed % compilers.size()];
    RandomProgramOptions options;
    options.small_types = true;
    options.discontinuous = false;
    options.gradients = seed % 4 == 0;
    const Program program = random_program(seed, options);
    RunOptions run;
    run.fuse = seed % 5 != 1;
    run.tolerance = 0.05;
    EXPECT_EQ(run_and_compare(program, random_inputs(program, seed), compiler, run), "")
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace tessera

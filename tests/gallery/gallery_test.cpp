// The programs of examples/gallery against plain C++ that computes the same: interpreted, compiled,
// and on two ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "ir/stack_loops.h"
#include "partition/manual_plan.h"
#include "tests/runtime/close.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

const std::string kFolder = TESSERA_SOURCE_DIR "/examples/gallery/";

std::vector<double> numbers(const Array& array) {
  std::vector<double> values(array.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = array.get(i);
  return values;
}

Array array_of(DType type, std::vector<int64_t> shape, const std::vector<double>& values) {
  Array array = make_array(type, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) array.set(i, values[i]);
  return array;
}

// Runs a program in every way; all agree with one another, and its outputs are returned.
Arrays run_gallery(const std::string& name, const Arrays& inputs, const std::vector<Pin>& pins,
                   double tolerance = 2e-4) {
  const Program program = parse_file(kFolder + name + ".tess");
  EXPECT_TRUE(parse(print(program)) == program) << print(program);
  Arrays state;
  const Arrays wanted = interpret(program, inputs, state);
  const Program normal = stack_loops(normalize(program));
  for (const int ranks : {1, 2}) {
    const Plan plan = manual_plan(normal, Mesh{{{"data", ranks}}}, pins);
    const RunRecord run = run_on_local_ranks(normal, plan, inputs, {});
    for (const auto& [output, array] : wanted)
      expect_close(run.outputs[0].at(output), array, tolerance,
                   name + " " + output + " on " + std::to_string(ranks) + " ranks");
  }
  return wanted;
}

void expect_values(const Array& found, const std::vector<double>& wanted, double tolerance) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    ASSERT_NEAR(found.get(i), wanted[i], tolerance * (1 + std::abs(wanted[i]))) << "element " << i;
}

std::vector<double> random_values(size_t count, uint64_t seed) {
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(normal_value(seed, 0, i));
  return values;
}

TEST(Gallery, Heat) {
  constexpr int n = 64;
  std::vector<double> u = random_values(n * n, 1);
  const Arrays inputs = {{"plate", array_of(DType::f32, {n, n}, u)}};
  const auto at = [&](const std::vector<double>& v, int y, int x) {
    return y < 0 || x < 0 || y >= n || x >= n ? 0.0 : v[static_cast<size_t>(y * n + x)];
  };
  for (int step = 0; step < 100; ++step) {
    std::vector<double> next = u;
    for (int y = 0; y < n; ++y)
      for (int x = 0; x < n; ++x)
        next[static_cast<size_t>(y * n + x)] +=
            0.2 * (at(u, y - 1, x) + at(u, y + 1, x) + at(u, y, x - 1) + at(u, y, x + 1) -
                   4 * at(u, y, x));
    u = next;
  }
  const Arrays out = run_gallery("heat", inputs, {{"plate", "y", "data", {}}});
  expect_values(out.at("u"), u, 1e-4);
}

TEST(Gallery, Wave) {
  constexpr int n = 128;
  std::vector<double> now(n);
  for (int i = 0; i < n; ++i) now[static_cast<size_t>(i)] = std::exp(-0.01 * (i - 40) * (i - 40));
  const Arrays inputs = {{"shape", array_of(DType::f32, {n}, now)}};
  std::vector<double> before = now;
  for (int t = 0; t < 200; ++t) {
    std::vector<double> next = now;
    for (int i = 0; i < n; ++i) {
      const double left = i > 0 ? now[static_cast<size_t>(i - 1)] : 0;
      const double right = i + 1 < n ? now[static_cast<size_t>(i + 1)] : 0;
      const auto at = static_cast<size_t>(i);
      next[at] = 2 * now[at] - before[at] + 0.25 * (left - 2 * now[at] + right);
    }
    before = now;
    now = next;
  }
  const Arrays out = run_gallery("wave", inputs, {});
  expect_values(out.at("now"), now, 1e-3);
  ASSERT_EQ(out.at("energy").size(), 200u);
}

TEST(Gallery, Life) {
  constexpr int n = 32;
  std::vector<double> world = random_values(n * n, 4);
  for (double& cell : world) cell = cell > 0.4 ? 1 : 0;
  const Arrays inputs = {{"world", array_of(DType::b8, {n, n}, world)}};
  for (int generation = 0; generation < 20; ++generation) {
    std::vector<double> next = world;
    for (int y = 0; y < n; ++y)
      for (int x = 0; x < n; ++x) {
        int around = 0;
        for (int dy = -1; dy <= 1; ++dy)
          for (int dx = -1; dx <= 1; ++dx)
            if (dy != 0 || dx != 0)
              around += world[static_cast<size_t>((y + dy + n) % n * n + (x + dx + n) % n)] != 0;
        double& cell = next[static_cast<size_t>(y * n + x)];
        cell = around == 3 || (cell != 0 && around == 2) ? 1 : 0;
      }
    world = next;
  }
  const Arrays out = run_gallery("life", inputs, {{"world", "y", "data", {}}});
  EXPECT_EQ(numbers(out.at("alive")), world);
}

TEST(Gallery, ShortestPaths) {
  constexpr size_t n = 48;
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> draws = random_values(n * n, 5);
  std::vector<double> length(n * n);
  for (size_t i = 0; i < n * n; ++i) length[i] = draws[i] > 1 ? static_cast<float>(draws[i]) : inf;
  const Arrays inputs = {{"edge", array_of(DType::f32, {n, n}, length)}};
  for (size_t i = 0; i < n; ++i) length[i * n + i] = 0;
  for (size_t k = 0; k < n; ++k)
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j)
        length[i * n + j] = std::min(length[i * n + j], length[i * n + k] + length[k * n + j]);
  const Arrays out = run_gallery("shortest_paths", inputs, {{"edge", "from", "data", {}}});
  for (size_t i = 0; i < n * n; ++i)
    if (std::isinf(length[i]))
      EXPECT_EQ(out.at("length").get(i), inf);
    else
      EXPECT_NEAR(out.at("length").get(i), length[i], 1e-5);
}

TEST(Gallery, Mandelbrot) {
  const Arrays out = run_gallery("mandelbrot", {}, {});
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 96; ++x) {
      const float re = -2.0F + static_cast<float>(x) * (3.0F / 96);
      const float im = -1.0F + static_cast<float>(y) * (2.0F / 64);
      float a = 0, b = 0;
      int count = 0;
      for (; count < 50 && a * a + b * b <= 4; ++count) {
        const float next = a * a - b * b + re;
        b = 2 * a * b + im;
        a = next;
      }
      EXPECT_NEAR(out.at("count").get(static_cast<size_t>(y * 96 + x)), count, 1) << y << " " << x;
    }
}

TEST(Gallery, NBody) {
  constexpr size_t n = 64;
  std::vector<double> p = random_values(3 * n, 6), v = random_values(3 * n, 7);
  std::vector<double> mass = random_values(n, 8);
  for (double& m : mass) m = static_cast<float>(0.1 + m * m);
  const Arrays inputs = {{"place", array_of(DType::f32, {n, 3}, p)},
                         {"speed", array_of(DType::f32, {n, 3}, v)},
                         {"mass", array_of(DType::f32, {n}, mass)}};
  const auto kick = [&] {
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) {
        double gap[3], square = 0.01;
        for (size_t k = 0; k < 3; ++k) {
          gap[k] = p[3 * j + k] - p[3 * i + k];
          square += gap[k] * gap[k];
        }
        for (size_t k = 0; k < 3; ++k)
          v[3 * i + k] += 0.005 * mass[j] * gap[k] / std::pow(square, 1.5);
      }
  };
  for (int step = 0; step < 20; ++step) {
    kick();
    for (size_t i = 0; i < 3 * n; ++i) p[i] += 0.01 * v[i];
    kick();
  }
  const Arrays out = run_gallery("nbody", inputs, {{"place", "body", "data", {}}}, 1e-3);
  expect_values(out.at("p"), p, 1e-4);
  expect_values(out.at("v"), v, 1e-3);
}

TEST(Gallery, ConjugateGradient) {
  constexpr size_t n = 64;
  const std::vector<double> draws = random_values(n * n, 9);
  std::vector<double> a(n * n, 0);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) {
      for (size_t k = 0; k < n; ++k) a[i * n + j] += draws[i * n + k] * draws[j * n + k] / n;
      if (i == j) a[i * n + j] += 1;
    }
  const Arrays inputs = {{"a", array_of(DType::f64, {n, n}, a)},
                         {"b", array_of(DType::f64, {n}, random_values(n, 10))}};
  const Arrays out = run_gallery("conjugate_gradient", inputs, {{"a", "row", "data", {}}}, 1e-6);
  EXPECT_LT(out.at("residual").get(0), 1e-18);
  for (size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (size_t j = 0; j < n; ++j) sum += a[i * n + j] * out.at("x").get(j);
    EXPECT_NEAR(sum, inputs.at("b").get(i), 1e-8);
  }
}

TEST(Gallery, PageRank) {
  constexpr size_t n = 64;
  std::vector<double> link = random_values(n * n, 11);
  for (size_t i = 0; i < n * n; ++i) link[i] = i / n != 5 && link[i] > 1 ? 1 : 0;  // 5 has no links
  const Arrays inputs = {{"link", array_of(DType::b8, {n, n}, link)}};
  std::vector<double> rank(n, 1.0 / n);
  for (int step = 0; step < 40; ++step) {
    std::vector<double> next(n, 0.15 / n);
    for (size_t s = 0; s < n; ++s) {
      double links = 0;
      for (size_t t = 0; t < n; ++t) links += link[s * n + t];
      for (size_t t = 0; t < n; ++t)
        next[t] += 0.85 * rank[s] * (links > 0 ? link[s * n + t] / links : 1.0 / n);
    }
    rank = next;
  }
  const Arrays out = run_gallery("pagerank", inputs, {{"link", "source", "data", {}}});
  expect_values(out.at("rank"), rank, 1e-5);
  double total = 0;
  for (const double share : rank) total += share;
  EXPECT_NEAR(total, 1, 1e-9);
}

// Every program of the folder has a test above that is called like it.
TEST(Gallery, IsTestedWhole) {
  size_t programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder))
    programs += entry.path().extension() == ".tess" ? 1 : 0;
  const auto* suite = ::testing::UnitTest::GetInstance();
  for (int i = 0; i < suite->total_test_suite_count(); ++i)
    if (std::string(suite->GetTestSuite(i)->name()) == "Gallery")
      EXPECT_EQ(static_cast<size_t>(suite->GetTestSuite(i)->total_test_count()), programs + 1);
}

}  // namespace
}  // namespace tessera

#include "ir/order_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/nest.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

constexpr SumPrices kNever = {.gain = 0, .gain_in_loops = 0};  // every sum as it stands
constexpr SumPrices kAlways = {
    .call = 0, .gain = 0.999999, .gain_in_loops = 0.999999};  // whatever is cheaper at all

double operations(const Program& normal) {
  double total = 0;
  for (const Nest& nest : nests_of(normal)) total += flops_of(nest);
  return total;
}

// What nests compute, but for the names of dims and tensors, in some order of their own.
std::vector<std::string> nest_shapes(const Program& normal) {
  std::vector<std::string> shapes;
  for (const Nest& nest : nests_of(normal)) {
    std::vector<int64_t> kept = extents(nest.out.dims()), summed = extents(nest.reduced);
    std::sort(kept.begin(), kept.end());
    std::sort(summed.begin(), summed.end());
    std::string text = std::to_string(flops_of(nest)) + " over";
    for (int64_t extent : kept) text += " " + std::to_string(extent);
    text += ";";
    for (int64_t extent : summed) text += " " + std::to_string(extent);
    shapes.push_back(text);
  }
  std::sort(shapes.begin(), shapes.end());
  return shapes;
}

// The interpreter on `program` and on its normal form.
void expect_same_values(const Program& program, const SumPrices& prices, uint64_t seed,
                        double tolerance = 2e-5) {
  const Program normal = normalize(program, prices);
  const Program plain = normalize(program, kNever);
  const Program again = normalize(normal, prices);
  ASSERT_TRUE(again == normal) << print(normal) << print(again);
  ASSERT_TRUE(parse(print(normal)) == normal) << print(normal);
  const Arrays inputs = random_inputs(program, seed);
  Arrays wanted_state = initial_state(program, seed), state = wanted_state;
  const Arrays wanted = interpret(plain, inputs, wanted_state);
  const Arrays found = interpret(normal, inputs, state);
  for (const auto& [name, array] : wanted)
    for (size_t i = 0; i < array.size(); ++i)
      ASSERT_NEAR(found.at(name).get(i), array.get(i), tolerance * (1 + std::abs(array.get(i))))
          << "seed " << seed << " " << name << "\n"
          << print(program) << print(normal);
  for (const auto& [name, array] : wanted_state)
    for (size_t i = 0; i < array.size(); ++i)
      ASSERT_NEAR(state.at(name).get(i), array.get(i), tolerance * (1 + std::abs(array.get(i))))
          << "seed " << seed << " " << name << "\n"
          << print(program) << print(normal);
}

std::string with_gradients(const std::string& text, const std::vector<std::string>& parameters) {
  std::string all = text;
  for (const std::string& name : parameters)
    all += "update " + name + " = " + name + " - 0.1 * grad(loss, " + name + ")\n";
  return all + "output loss\n";
}

const char* const kTucker =
    "program p\ndim i = 32, j = 32, k = 32, a = 64, b = 64, c = 64\ninput g[i, j, k]\n"
    "input u[a, i]\ninput v[b, j]\ninput w[c, k]\no = sum[i, j, k](g * u * v * w)\n"
    "output o[a, b, c]\n";

// The operations of a program, and the most that may be left of them.
struct Saved {
  const char* what;
  std::string text;
  double share;
};

std::vector<Saved> saved_cases() {
  const std::string gelu =
      "program p\ndim b = 128, d = 64, f = 256\ninput x[b, d]\nparam u[d, f] = normal(0, 0.1)\n"
      "param w[f, d] = normal(0, 0.1)\n"
      "def gelu(z) = 0.5 * z * (1.0 + tanh(0.8 * (z + 0.045 * z * z * z)))\n"
      "y = sum[f](gelu(sum[d](x * u)) * w)\nloss = mean[b, d](y * y)\n";
  const std::string norm =
      "program p\ndim b = 64, d = 64, v = 512\ninput x[b, d]\nparam g[d] = 1\nparam c[d] = 0\n"
      "param emb[v, d] = normal(0, 0.1)\ninput truth[b] : i32\n"
      "def norm(z) = (z - mean[d](z)) / sqrt(mean[d]((z - mean[d](z)) ** 2) + 0.001) * g + c\n"
      "logit = sum[d](norm(x + emb[v: truth]) * emb)\nl = logit - max[v](logit)\n"
      "loss = mean[b](log(sum[v](exp(l))) - l[v: truth])\n";
  return {
      {"Tucker", kTucker, 0.002},
      {"chain",
       "program p\ndim i = 64, j = 64, k = 64, l = 4\ninput a[i, j]\ninput b[j, k]\n"
       "input c[k, l]\ny = sum[j, k](a * b * c)\noutput y[i, l]\n",
       0.05},
      {"bilinear form",
       "program p\ndim n = 512, i = 64, j = 64\ninput x[n, i]\ninput w[i, j]\ninput y[n, j]\n"
       "o = sum[i, j](x * w * y)\noutput o[n]\n",
       0.7},
      {"triangles",
       "program p\ndim i = 100, j = 100, k = 100\ninput a[i, j]\n"
       "y = sum[i, j, k](a * a[i: j, j: k] * a[i: k, j: i])\noutput y\n",
       0.7},
      {"gelu in a sum, with gradients", with_gradients(gelu, {"u", "w"}), 0.25},
      {"tied embeddings", with_gradients(norm, {"emb", "g", "c"}), 0.1},
  };
}

TEST(OrderSum, TakesFewerOperations) {
  for (const Saved& each : saved_cases()) {
    const Program program = parse(each.text);
    const Program normal = normalize(program);
    EXPECT_LE(operations(normal), each.share * operations(normalize(program, kNever)))
        << each.what << "\n"
        << print(normal);
    EXPECT_TRUE(normalize(normal) == normal) << each.what << "\n" << print(normal);
  }
}

TEST(OrderSum, LeavesWhatIsBestAsItIs) {
  for (const char* text : {
           "program p\ndim i = 256, j = 256, k = 256\ninput a[i, k]\ninput b[k, j]\n"
           "y = sum[k](a * b * 0.5)\noutput y\n",
           "program p\ndim h = 4, s = 128, t = 128, e = 32\ninput q[h, s, e]\ninput k[h, t, e]\n"
           "input v[h, t, e]\nz = sum[e](q * k) * 0.2\nw = exp(z - max[t](z))\n"
           "o = sum[t](w * v) / sum[t](w)\noutput o\n",
           "program p\ndim i = 2000, j = 2000, d = 3\ninput p[i, d]\ninput m[j]\n"
           "r = p[i: j] - p\nq = sum[d](r * r) + 0.01\nf = sum[j](m * r / (q * sqrt(q)))\n"
           "output f[i, d]\n",
           "program p\ndim y = 34, x = 34, oy = 32, ox = 32, ky = 3, kx = 3, c = 32, o = 32\n"
           "input im[y, x, c]\ninput w[ky, kx, c, o]\n"
           "r = sum[ky, kx, c](im[y: oy + ky, x: ox + kx] * max(w, 0))\noutput r\n",
       }) {
    const Program program = parse(text);
    EXPECT_TRUE(normalize(program) == normalize(program, kNever)) << print(normalize(program));
  }
}

// One program, written in several ways.
TEST(OrderSum, IsTheSameInOtherWords) {
  const std::vector<std::vector<std::string>> groups = {
      {kTucker,
       "program p\ndim z = 64, k = 32, y = 64, i = 32, x = 64, j = 32\ninput w[z, k]\n"
       "input g[i, j, k]\ninput u[x, i]\ninput v[y, j]\no = sum[k, i, j](w * (v * g) * u)\n"
       "output o[x, y, z]\n"},
      {"program p\ndim b = 128, d = 64, f = 256, e = 48\ninput x[b, d]\n"
       "param u[d, f] = normal(0, 1)\nparam w[f, e] = normal(0, 1)\nh = sum[d](x * u)\n"
       "g = h * tanh(h) * exp(h)\ny = sum[f](g * w)\nloss = sum[b, e](y * y)\n"
       "update u = u - grad(loss, u)\nupdate w = w - grad(loss, w)\n",
       "program p\ndim b = 128, d = 64, f = 256, e = 48\ninput x[b, d]\n"
       "param u[d, f] = normal(0, 1)\nparam w[f, e] = normal(0, 1)\nh = sum[d](u * x)\n"
       "y = sum[f](h * w * tanh(h) * exp(h))\nloss = sum[b, e](y * y)\n"
       "update u = u - grad(loss, u)\nupdate w = w - grad(loss, w)\n"},
      {"program p\ndim n = 512, i = 64, j = 48\ninput x[n, i]\ninput w[i, j]\ninput y[n, j]\n"
       "t = sum[i](x * w)\no = sum[j](t * y)\noutput o\n",
       "program p\ndim n = 512, i = 64, j = 48\ninput x[n, i]\ninput w[i, j]\ninput y[n, j]\n"
       "o = sum[i, j](y * x * w)\noutput o\n"},
      {"program p\ndim i = 96, j = 64, k = 80, l = 4\ninput a[i, j]\ninput b[j, k]\n"
       "input c[k, l]\ny = sum[j, k](a * b * c)\noutput y[i, l]\n",
       "program p\ndim i = 96, j = 64, k = 80, l = 4\ninput a[i, j]\ninput b[j, k]\n"
       "input c[k, l]\ny = sum[k](c * sum[j](a * b))\noutput y[i, l]\n",
       "program p\ndim q = 96, j = 64, k = 80, l = 4\ninput a[q, j]\ninput b[j, k]\n"
       "input c[k, l]\nt = sum[j](b * a)\ny = sum[k](t * c)\noutput y[q, l]\n"},
  };
  for (const std::vector<std::string>& group : groups) {
    const std::vector<std::string> wanted = nest_shapes(normalize(parse(group[0])));
    for (const std::string& text : group)
      EXPECT_EQ(nest_shapes(normalize(parse(text))), wanted) << print(normalize(parse(text)));
  }
}

// t = sum[e](d_y * w) once, for both gradients that need it.
TEST(OrderSum, EqualPartialSumsAreShared) {
  const Program program =
      parse(with_gradients("program p\ndim b = 128, f = 256, e = 48\nparam x[b, f] = normal(0, 1)\n"
                           "param s[b, f] = 1\nparam w[f, e] = normal(0, 1)\n"
                           "y = sum[f](exp(x) * s * w)\nloss = sum[b, e](y * y)\n",
                           {"x", "s"}));
  int products = 0;
  for (const Nest& nest : nests_of(normalize(program))) products += nest.loops().size() == 3;
  EXPECT_EQ(products, 2) << print(normalize(program));
}

// --- Values -----------------------------------------------------------------------------------

// A random sum of a product over few dims, some of extent 1.
class RandomSum {
 public:
  explicit RandomSum(uint64_t seed) : random_(seed) {}

  Program program() {
    Program program("sums");
    const DType type = random_.chance(0.25)  ? DType::i32
                       : random_.chance(0.2) ? DType::i64
                       : random_.chance(0.3) ? DType::f64
                                             : DType::f32;
    static const std::vector<int64_t> extents = {1, 2, 3, 5, 7};
    for (int i = 0; i < 5; ++i) {
      dims_.emplace_back(std::string(1, static_cast<char>('i' + i)),
                         extents[static_cast<size_t>(random_.below(5))]);
      program.declare(dims_.back());
    }
    const int count = 2 + random_.below(5);
    Expr body = factor(program, 0, type);
    for (int i = 1; i < count; ++i) body = with_factor(body, factor(program, i, type), type);
    if (random_.chance(0.3)) body = guarded(program, body, type);
    Dims summed;
    for (const Dim& dim : body.dims())
      if (random_.chance(0.6)) summed.push_back(dim);
    const Expr total = summed.empty() ? body : sum(summed, body);
    const Tensor y = program.define("y", total);
    program.output("y", y);
    if (is_float(type)) add_gradients(program, y);
    return program;
  }

 private:
  Expr factor(Program& program, int number, DType type) {
    Dims dims;
    for (const Dim& dim : dims_)
      if (random_.chance(0.45)) dims.push_back(dim);
    const Tensor tensor =
        is_float(type) ? program.parameter("p" + std::to_string(number), dims, uniform(-1, 1), type)
                       : program.input("p" + std::to_string(number), dims, type);
    if (is_float(type)) parameters_.push_back(tensor);
    if (!is_float(type) || random_.chance(0.5)) return tensor;
    return random_.chance(0.5) ? tanh(tensor) : Expr(tensor) * tensor + 0.5;
  }

  Expr with_factor(const Expr& body, const Expr& factor, DType type) {
    if (random_.chance(0.15)) return -body * factor;
    if (is_float(type) && random_.chance(0.2)) return body / (factor * factor + 1);
    if (is_float(type) && random_.chance(0.15)) return body * factor - factor * tanh(body);
    if (random_.chance(0.15)) return body * 3 * factor;
    return random_.chance(0.5) ? body * factor : factor * body;
  }

  Expr guarded(Program& program, const Expr& body, DType type) {
    const Dim& dim = dims_[static_cast<size_t>(random_.below(5))];
    const Tensor mask = program.input("mask", {dim}, DType::i32);
    return where(Expr(mask) > 0, body, make_constant(Scalar::of_number(type, 0)));
  }

  void add_gradients(Program& program, const Tensor& y) {
    const Tensor loss =
        program.define("loss", y.dims().empty() ? Expr(y) * y : sum(y.dims(), Expr(y) * y));
    for (const Tensor& parameter : parameters_)
      program.update(parameter, parameter - 0.1 * grad(loss, parameter));
  }

  RandomSource random_;
  Dims dims_;
  std::vector<Tensor> parameters_;
};

TEST(OrderSum, KeepsTheValuesOfRandomSums) {
  int changed = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Program program = RandomSum(seed).program();
    changed += normalize(program, kAlways) == normalize(program, kNever) ? 0 : 1;
    expect_same_values(program, kAlways, seed, 1e-4);
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(changed, 200);
}

TEST(OrderSum, KeepsTheValuesOfRandomPrograms) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    RandomProgramOptions options;
    options.gradients = seed % 2 == 0;
    options.loops = seed % 3 == 0;
    options.max_volume = 256;
    options.definitions = 3;
    options.discontinuous = false;
    expect_same_values(random_program(seed, options), kAlways, seed, 2e-4);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(OrderSum, OfNothingIsZero) {
  for (const int extent : {0, 1}) {
    const std::string text = "program p\ndim i = 3, j = " + std::to_string(extent) +
                             ", k = 5\ninput a[i, j]\ninput b[j, k]\ninput c[k]\n"
                             "y = sum[j, k](exp(a) * b * c / (1 + c * c))\noutput y\n";
    expect_same_values(parse(text), kAlways, 1);
  }
}

// Parts of a checkpoint are checkpoints: gradients compute them again.
TEST(OrderSum, PartsOfACheckpointAreCheckpoints) {
  const Program program = parse(
      "program p\ndim b = 3, f = 5, d = 2\ninput x[b, f]\nparam w[f, d] = 0.5\n"
      "h = checkpoint(tanh(sum[f](exp(x) * w / (1 + x * x))))\nloss = sum[b, d](h * h)\n"
      "update w = w - 0.1 * grad(loss, w)\noutput loss\n");
  expect_same_values(program, kAlways, 1);
  int marked = 0;
  for (const Tensor& tensor : normalize(program, kAlways).definitions())
    marked += tensor.checkpoint() ? 1 : 0;
  EXPECT_EQ(marked, 6) << print(normalize(program, kAlways));
}

// A part of a maximum is computed once as well.
TEST(OrderSum, PartsOfOtherReductionsAreComputedOnce) {
  const Program program = parse(
      "program p\ndim i = 200, j = 200, k = 60\ninput a[i, k]\ninput b[j, k]\n"
      "y = max[k](abs(tanh(a * exp(a)) - tanh(b * exp(b))))\noutput y\n");
  const Program normal = normalize(program);
  EXPECT_LE(operations(normal), 0.1 * operations(normalize(program, kNever))) << print(normal);
  const Program small = parse(
      "program p\ndim i = 5, j = 4, k = 3\ninput a[i, k]\ninput b[j, k]\n"
      "y = max[k](abs(tanh(a * exp(a)) - tanh(b * exp(b))))\n"
      "z = sum[j](where(b[k: 0] > 0, abs(tanh(a * exp(a)) - b), 0))\noutput y\noutput z\n");
  expect_same_values(small, kAlways, 1);
}

// 0 * inf would be NaN: what a guard leaves out must not be multiplied.
TEST(OrderSum, GuardsKeepOutWhatIsNotFinite) {
  const Program program = parse(
      "program p\ndim i = 2, j = 3, k = 3\ninput on[i] : i32\ninput x[i]\ninput a[i, j]\n"
      "input b[j, k]\ny = sum[j](where(on > 0, a * b / x, 0))\n"
      "z = sum[j, k](where(j + k == 2, a * b / x, 0))\noutput y\noutput z\n");
  const Program normal = normalize(program, kAlways);
  Arrays inputs = random_inputs(program, 1), state;
  inputs.at("on").set(0, 0);
  inputs.at("on").set(1, 1);
  inputs.at("x").set(0, 0);
  inputs.at("x").set(1, 2);
  const Arrays found = interpret(normal, inputs, state);
  for (size_t k = 0; k < 3; ++k) EXPECT_EQ(found.at("y").get(k), 0) << print(normal);
  for (size_t k = 3; k < 6; ++k) EXPECT_TRUE(std::isfinite(found.at("y").get(k)));
}

// A read that only a guard keeps inside stays behind it.
TEST(OrderSum, GuardsKeepReadsInside) {
  const Program program = parse(
      "program p\ndim i = 4, j = 50, k = 50, t = 7\ninput at[i] : i32\ninput table[t, j]\n"
      "input b[j, k]\ny = sum[j](where(at < 7 and at >= 0, exp(table[t: at]) * b, 0))\n"
      "output y[i, k]\n");
  const Program normal = normalize(program, kAlways);
  Arrays inputs = random_inputs(program, 1), state;
  inputs.at("at").set(0, 100);
  EXPECT_EQ(interpret(normal, inputs, state).at("y").get(0), 0) << print(normal);
}

// A chain of ten matrices is searched whole, one of twenty pair by pair.
TEST(OrderSum, FindsOrdersOfManyFactors) {
  for (const auto& [count, extent] : {std::pair(10, 40), std::pair(20, 7)}) {
    const std::string size = " = " + std::to_string(extent);
    std::string dims = "x0" + size, inputs, summed, product;
    for (int i = 0; i < count; ++i) {
      const std::string from = "x" + std::to_string(i), to = "x" + std::to_string(i + 1);
      dims += ", " + to + size;
      inputs += "input m" + std::to_string(i) + "[" + from + ", " + to + "]\n";
      product += (i > 0 ? " * m" : "m") + std::to_string(i);
      if (i > 0) summed += (i > 1 ? ", " : "") + from;
    }
    const Program normal = normalize(parse("program p\ndim " + dims + "\n" + inputs + "y = sum[" +
                                           summed + "](" + product + ")\noutput y\n"),
                                     kAlways);
    EXPECT_LE(operations(normal), 2.01 * (count - 1) * std::pow(extent, 3)) << print(normal);
  }
}

// Taken together, sums that stand in one another could run over more points than a nest may have.
TEST(OrderSum, SumsInOneAnotherStayWithinThePointsOfANest) {
  std::string text = "program p\ndim a = 8192, b = 8192\ninput h0[a]\ninput w[a, b]\n";
  for (int i = 0; i < 30; ++i)
    text += "h" + std::to_string(i + 1) + " = sum[b](h" + std::to_string(i) + "[a: b] * w)\n";
  const Program normal = normalize(parse(text + "output h30\n"));
  EXPECT_EQ(nests_of(normal).size(), 30u) << print(normal);
}

}  // namespace
}  // namespace tessera

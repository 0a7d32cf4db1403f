#include "partition/simulate.h"

#include "base/error.h"
#include "ir/array_box.h"
#include "partition/manual_plan.h"
#include "tests/partition/cases.h"

namespace tessera {
namespace {

const char* const kPrograms[] = {
    R"(program matmul
dim i = 5, k = 7, j = 3
input x[i, k]
input w[k, j]
y = sum[k](x * w)
output y[j, i]
)",
    R"(program conv
dim y = 13, oy = 6, ky = 3, c = 2
input image[y, c]
input w[ky, c]
out = sum[ky, c](image[y: 2*oy + ky] * w)
edge = sum[ky](image[y: y + ky - 1 pad 0])
flip = image[y: 12 - y] + f32(y)
output out[oy]
output edge[y, c]
output flip[y, c]
)",
    R"(program gathers
dim v = 11, d = 3, b = 4, u = 5
input table[v, d]
input token[b] : i32
input position[v] : i32
input other[u, b]
e = table[v: token] * other
total = sum[b](table[v: token])
twice = 2 * table[v: position[v: b]] - table[v: token]
output e[u, b, d]
output total[d]
output twice[b, d]
)",
    R"(program reductions
dim i = 3, k = 7
input x[i, k]
input n[i, k] : i32
high = max[k](x)
low = min[i](x)
most = max[i, k](n)
product = prod[k](x + 1.5)
some = any[k](x > 0.5)
every = all[i](x > -0.5)
count = sum[k](n * n)
best = argmax[k](x)
output high[i]
output low[k]
output most
output product[i]
output some[i]
output every[k]
output count[i]
output best[i]
)",
    R"(program linear
dim i = 4, j = 5, k = 6
input x[i, k]
input y[k, j]
input z[i, j]
a = sum[k](x * y)
b = sum[k](x * x)
scaled = a * z
mixed = where(z > 0, a, 0) - a * b
more = sum[i](scaled / (1 + z * z))
output mixed[i, j]
output more[j]
output b[i]
)",
    R"(program shapes
dim i = 5, j = 5, h = 3
input x[i, j]
diagonal = x[j: i]
outer = x * x[i: j, j: i]
prefix = x[i: h]
folded = x[i: h + j // 3]
late = where(i >= j, x, 0)
output diagonal[i]
output outer[j, i]
output prefix[h, j]
output folded[h, j]
output late[i, j]
)",
    R"(program draws
dim i = 5, j = 7, run = 3
input x[i, j]
input seed[run] : i32
keep = uniform[i, j](3)
kept = where(keep < 0.75, x / 0.75, 0)
noise = normal[j](seed)
total = sum[j](normal[j, i](i64(5)) * x)
dice = random_bits(seed, i64(i)) % 6
output kept[j, i]
output noise[run, j]
output total[i]
output dice[i, run]
)",
    R"(program small
dim i = 5, j = 6, v = 9
input a[i, j] : bf16
input b[j] : f16
input n[i, j] : i8
input m[j] : u8
input table[v] : u8
total = sum[j](n)
most = max[i](n * 2)
dot = sum[j](f32(a) * f32(b))
top = max[j](a)
count = sum[i, j](i32(n) * i32(m))
read = table[v: m % 9]
back = a[i: i - 1 pad 0] + 1.0
output total[i]
output most[j]
output dot[i]
output top[i]
output count
output read[j]
output back[j, i]
)",
    R"(program training
dim batch = 6, pixel = 5, hidden = 7, label = 3
input image[batch, pixel]
input truth[batch] : i32
param w1[pixel, hidden] = normal(0, 0.5)
param b1[hidden] = 0.1
param w2[hidden, label] = normal(0, 0.5)
state steps = 0
h = max(sum[pixel](image * w1) + b1, 0)
logits = sum[hidden](h * w2)
top = max[label](logits)
logz = log(sum[label](exp(logits - top))) + top
loss = mean[batch](logz - logits[label: truth])
update w1 = w1 - 0.1 * grad(loss, w1)
update b1 = b1 - 0.1 * grad(loss, b1)
update w2 = w2 - 0.1 * grad(loss, w2)
update steps = steps + 1
output loss
output logits[label, batch]
)",
    R"(program recurrent
dim batch = 4, time = 5, a = 3, h = 6, g = 6
input x[batch, time, a]
param wi[a, h] = normal(0, 0.5)
param wh[g, h] = normal(0, 0.5)
loop t over time carry s = 0.0 * wh[g: 0] collect every {
  s = tanh(sum[a](x[time: t] * wi) + sum[g](s[h: g] * wh) + 0.1 * f32(t))
  every = s * s
}
loss = sum[batch, time, h](every) + sum[batch, h](s)
update wi = wi - 0.1 * grad(loss, wi)
update wh = wh - 0.1 * grad(loss, wh)
output s
output every[batch, time, h]
)",
    R"(program nested
dim n = 4, k = 5
input x[n, k]
loop i = 3 carry u = x, v = 1.0 {
  loop j over k carry w = u[k: 0] { w = 0.5 * w + u[k: j] * x[k: j] * v }
  u = u[k: k - 1 pad 0] + w
  v = v * 0.5 + 0.1 * f32(i)
}
loop j over k carry total = 0.0 * x[k: 0], last = 0.0 * x[k: 0] collect sums {
  total = total + u[k: 4 - j] * last
  last = x[k: j]
  sums = total
}
output u[n, k]
output v
output sums[k, n]
)",
    R"(program backwards
dim t = 6, k = 3, u = 4
input x[t, k]
input p[u, k]
carry d down t = p[u: 0]
update d = sum[u](p * d) * 0.1 + x
carry e over t = 0.0 * x[t: 0]
e_next = e + d
update e = e_next
carry mix over u = p[u: 0] * e[t: 1] + 0.0 * x[t: 0]
update mix = sum[t](mix[u: u] * x) * 0.1 + p
output e_next
output mix[k, u]
)"};

NestRules rules_of(const Program& program, const Nest& nest) {
  const Scopes scopes(program);
  return NestRules(nest, scopes.dims(scopes.of(nest.out)));
}

// Every choice of every nest, the other nests and all storage at random.
void check_every_choice(const Case& one, const Mesh& mesh, RandomSource& random) {
  const std::vector<Nest> nests = nests_of(one.program);
  for (size_t n = 0; n < nests.size(); ++n) {
    const NestRules rules = rules_of(one.program, nests[n]);
    for (const Choice& choice : rules.choices()) {
      Plan plan = random_plan(one.program, mesh, random);
      const auto axis = static_cast<size_t>(random.below(mesh.count()));
      plan.nests[n].assignment.axes[axis] = choice;
      one.check(plan);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

class EveryChoice : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryChoice, AgreesWithTheInterpreter) {
  const Mesh mesh = parse_mesh(GetParam());
  RandomSource random(7);
  for (const char* text : kPrograms) {
    const Case one = case_of(text);
    check_every_choice(one, mesh, random);
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Meshes, EveryChoice,
                         ::testing::Values("a=1", "a=2", "a=3", "a=4", "a=5", "a=2,b=2", "a=2,b=3",
                                           "a=3,b=1"));

// All pairs of choices of one nest on a mesh of two axes, everything else replicated.
TEST(EveryPair, AgreesWithTheInterpreter) {
  const Mesh mesh = parse_mesh("a=2,b=3");
  for (const char* text : kPrograms) {
    const Case one = case_of(text);
    const std::vector<Nest> nests = nests_of(one.program);
    for (size_t n = 0; n < nests.size(); ++n) {
      const NestRules rules = rules_of(one.program, nests[n]);
      if (rules.choices().size() > 6) continue;
      for (const Choice& first : rules.choices())
        for (const Choice& second : rules.choices()) {
          Plan plan = default_plan(one.program, mesh);
          plan.nests[n].assignment.axes = {first, second};
          one.check(plan);
          if (HasFatalFailure()) return;
        }
    }
  }
}

TEST(RandomPrograms, AgreeWithTheInterpreter) {
  RandomProgramOptions options;
  options.max_volume = 256;
  options.discontinuous = false;  // a last-bit difference must not become a large one
  RandomSource random(11);
  for (uint64_t seed = 0; seed < 60; ++seed) {
    options.gradients = seed % 3 == 0;
    const Case one(random_program(seed, options), seed);
    for (const char* text : {"a=2", "a=3", "a=5", "a=2,b=2"}) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      one.check(random_plan(one.program, parse_mesh(text), random), 2e-3);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(RandomPrograms, WithLoopsAgreeWithTheInterpreter) {
  RandomProgramOptions options;
  options.max_volume = 128;
  options.discontinuous = false;
  options.loops = true;
  RandomSource random(13);
  for (uint64_t seed = 200; seed < 260; ++seed) {
    options.gradients = seed % 3 == 0;
    const Case one(random_program(seed, options), seed);
    for (const char* text : {"a=2", "a=3", "a=2,b=2"}) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      one.check(random_plan(one.program, parse_mesh(text), random), 2e-3);
      if (HasFatalFailure()) return;
    }
  }
}

// Which sums are formed on which rank changes how often a value is rounded.
TEST(RandomPrograms, OfSmallTypesAgreeWithTheInterpreter) {
  RandomProgramOptions options;
  options.max_volume = 256;
  options.discontinuous = false;
  options.small_types = true;
  RandomSource random(12);
  for (uint64_t seed = 100; seed < 140; ++seed) {
    options.gradients = seed % 4 == 0;
    const Case one(random_program(seed, options), seed);
    for (const char* text : {"a=2", "a=3", "a=2,b=2"}) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      one.check(random_plan(one.program, parse_mesh(text), random), 0.1);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(EmptyShards, AreOrdinary) {
  const Case one = case_of(kPrograms[3]);  // extents 3 and 7 over 16 ranks
  RandomSource random(5);
  for (int trial = 0; trial < 6; ++trial) {
    one.check(random_plan(one.program, parse_mesh("a=16"), random));
    if (HasFatalFailure()) return;
  }
}

TEST(Simulate, MissingInputIsNamed) {
  const Case one = case_of(kPrograms[0]);
  Arrays state;
  try {
    simulate(one.program, default_plan(one.program, parse_mesh("a=2")), {}, state);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("`x` takes f32[5, 7] and was given no array"),
              std::string::npos)
        << error.what();
  }
}

TEST(Simulate, CutAndPasteAreInverse) {
  Array whole = make_array(DType::f32, {3, 4, 2});
  for (size_t i = 0; i < whole.size(); ++i) whole.set(i, static_cast<double>(i));
  const Box box{{1, 0, 1}, {3, 3, 2}};
  const Array part = cut(whole, box);
  EXPECT_EQ(part.shape, (std::vector<int64_t>{2, 3, 1}));
  EXPECT_EQ(part.get(0), 9);
  EXPECT_EQ(part.get(5), 21);
  Array again = whole;
  paste(part, box, again);
  EXPECT_EQ(again, whole);
  Array scalar = make_array(DType::f64, {});
  scalar.set(0, 5);
  EXPECT_EQ(cut(scalar, {{}, {}}), scalar);
}

}  // namespace
}  // namespace tessera

#include "ir/arrange_dims.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

// The dims of `name` in normal form, outermost first.
std::vector<std::string> order_of(const std::string& text, const std::string& name) {
  return names(normalize(parse(text)).get(name).dims());
}

using Order = std::vector<std::string>;

TEST(ArrangeDims, FollowsWhatIsComputedFrom) {
  for (const char* dims : {"dim a = 6, b = 8, c = 3\n", "dim c = 3, b = 8, a = 6\n"}) {
    const std::string text = std::string("program p\n") + dims + R"(
input x[b, c, a]
input w[c]
y = exp(x * w)
z = sum[b](y * y)
output z[c, a]
)";
    EXPECT_EQ(order_of(text, "y").back(), "a") << dims;
    EXPECT_EQ(order_of(text, "z"), (Order{"c", "a"})) << dims;
  }
}

// Kernels walk them in blocks, and ranks share them.
TEST(ArrangeDims, KeepsWhatIsNeverReducedOutermost) {
  const std::string text = R"(program p
dim i = 20, o = 32, b = 64
input x[b, i]
input w[i, o]
v = tanh(x * w)
mu = sum[i](v)
near = max[o](v)
z = sum[i, o](v * mu * near)
output z
)";
  EXPECT_NE(order_of(text, "v").back(), "b");
}

// Orders that are stated stay where others would gain little: `c` is short, but lies beside `o`.
TEST(ArrangeDims, KeepsAnOrderThatIsAboutAsGood) {
  const std::string text = R"(program p
dim b = 4, y = 9, oy = 4, k = 3, i = 5, o = 6, m = 4, c = 4
input pose[b, y, i, m]
input w[k, i, o, m, c]
v = tanh(sum[m](pose[y: 2*oy + k] * w))
mu = mean[k, i](v)
out = tanh(mu) * mu
output out[b, oy, o, c]
)";
  EXPECT_EQ(order_of(text, "v"), (Order{"b", "oy", "k", "i", "o", "c"}));
}

TEST(ArrangeDims, FollowsWhatReadsItWhereNothingElseDecides) {
  const std::string text = R"(program p
dim a = 6, b = 8
input x[a]
input v[b]
input t[b, a]
y = x * v
z = sum[a, b](abs(y - t))
output z
output y[b, a]
)";
  EXPECT_EQ(order_of(text, "y"), (Order{"b", "a"}));
}

TEST(ArrangeDims, GoesThroughTheLargestFirst) {
  const std::string text = R"(program p
dim t = 50, n = 20, d = 16
input x[t, n]
input a[n, d]
k = abs(a)
y = x + k
output y[t, n, d]
)";
  EXPECT_EQ(order_of(text, "k"), (Order{"n", "d"}));
  EXPECT_EQ(order_of(text, "y"), (Order{"t", "n", "d"}));
}

// Data says where along n the values go, and a vector of them should lie together.
TEST(ArrangeDims, KeepsPlacesThatDataChoosesOutermost) {
  const std::string text = R"(program p
dim d = 4, n = 300, e = 500
input to[e] : i32
input x[e, d]
y = sum[e](where(to == n, x, 0.0))
z = tanh(y)
output z[n, d]
)";
  EXPECT_EQ(order_of(text, "y"), (Order{"n", "d"}));
}

TEST(ArrangeDims, PrefersFullVectorsToFewLanes) {
  const std::string text = R"(program p
dim a = 64, b = 32, c = 12
input x[a, b]
input v[a, c]
y = x - v
z = max[c](y)
output z[a, b]
output y[a, b, c]
)";
  EXPECT_EQ(order_of(text, "y"), (Order{"a", "c", "b"}));
}

// Lanes along p would gather `im`, along c they lie side by side.
TEST(ArrangeDims, LiesAlongWhatDataDoesNotMove) {
  const std::string text = R"(program p
dim y = 50, c = 8, p = 400
input im[y, c]
input at[p] : i32
o = tanh(im[y: at]) + im[y: at]
output o[p, c]
)";
  EXPECT_EQ(order_of(text, "o"), (Order{"p", "c"}));
}

TEST(ArrangeDims, LetsUpdatesLieAsTheirTargets) {
  const std::string text = R"(program p
dim a = 6, b = 8
input g[b, a]
param w[a, b] = 0.5
update w = w - g
output w
)";
  EXPECT_EQ(names(normalize(parse(text)).updates()[0].value.dims()), (Order{"a", "b"}));
}

TEST(ArrangeDims, MakesNoCopyOfWhatLiesAlike) {
  const Program normal = normalize(parse(R"(program p
dim a = 6, b = 8, c = 5
input x[b, a]
input w[a, c]
loss = sum[b, c](tanh(sum[a](x * w)))
dx = grad(loss, x)
output dx[b, a]
)"));
  for (const Tensor& tensor : normal.definitions())
    EXPECT_EQ(as<Read>(tensor.value()), nullptr) << print(normal);
}

TEST(ArrangeDims, KeepsCarriedTensorsAsWhatTheyAreUpdatedWith) {
  const Program normal = normalize(parse(R"(program p
dim n = 4, t = 5, h = 8
input x[t, h, n]
loop s over t carry y[n, h] = 0.0 { y = tanh(y + x[t: s]) }
output y[h, n]
)"));
  for (const Update& carry : normal.carries()) {
    EXPECT_EQ(carry.target.dims(), carry.value.dims());
    const Dims& dims = carry.target.dims();  // of which the loop's will lie outside
    const auto place = [&](const char* name) {
      return std::find_if(dims.begin(), dims.end(), [&](const Dim& d) { return d.name() == name; });
    };
    EXPECT_LT(place("h"), place("n"));
  }
}

TEST(ArrangeDims, ChangesNothingTheSecondTime) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const Program normal = normalize(random_program(seed));
    bool changed = true;
    EXPECT_TRUE(arrange_dims(normal, changed) == normal) << print(normal);
    EXPECT_FALSE(changed) << print(normal);
  }
}

}  // namespace
}  // namespace tessera

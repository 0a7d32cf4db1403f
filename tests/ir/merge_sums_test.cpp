#include "ir/merge_sums.h"

#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"

namespace tessera {
namespace {

double most_points(const Program& program) {
  double most = 0;
  for (const Tensor& tensor : program.definitions()) {
    Dims loops = sorted(tensor.dims());
    if (const Reduce* reduce = as<Reduce>(tensor.value())) loops = unite(loops, reduce->dims);
    most = std::max(most, static_cast<double>(volume(loops)));
  }
  return most;
}

// An outer product that several sums read is no tensor of its own: each takes its factors apart.
TEST(MergeSums, TakesOuterProductsIntoTheSumsThatReadThem) {
  const Program normal = normalize(parse(R"(program p
dim i = 100, j = 100, k = 100
input x[i, k]
input y[j]
t = x * y
a = sum[i, j](t)
b = sum[k](t * x)
output a[k]
output b[i, j]
)"));
  EXPECT_FALSE(normal.find("t")) << print(normal);
  EXPECT_LE(most_points(normal), 10000) << print(normal);
}

TEST(MergeSums, KeepsWhatIsReadOtherwise) {
  const Program normal = normalize(parse(R"(program p
dim i = 100, j = 100, k = 100
input x[i, k]
input y[j]
t = x * y
a = sum[i, j](t)
b = max[k](t)
output a[k]
output b[i, j]
)"));
  EXPECT_TRUE(normal.find("t")) << print(normal);
  EXPECT_EQ(print(normal.get("a").value()).find("t"), std::string::npos) << print(normal);
}

TEST(MergeSums, MakesASumOfASumOne) {
  for (const char* lines : {"y = sum[i](sum[k](x))\n", "t = sum[k](x)\ny = sum[i](t)\n"}) {
    const Program normal =
        normalize(parse(std::string("program p\ndim i = 9, k = 8, j = 2\ninput x[i, k, j]\n") +
                        lines + "output y\n"));
    ASSERT_EQ(normal.definitions().size(), 1U) << print(normal);
    EXPECT_EQ(print(normal.get("y").value()), "sum[i, k](x)");
  }
}

}  // namespace
}  // namespace tessera

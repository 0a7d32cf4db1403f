#include "codegen/explain_form.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ir/normalize.h"
#include "ir/parse.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// All nests of a program in one group, for a host of four small vectors.
KernelForm form_of(const std::string& text, const std::optional<ScheduleChoice>& choice = {}) {
  const Program normal = normalize(parse(text));
  std::set<Tensor> needed;
  for (const Output& output : normal.outputs()) needed.insert(output.value);
  BuildOptions options;
  options.level = CpuLevel::v3;
  return kernel_form(make_group(nests_of(normal), needed), options, choice);
}

std::string text_of(const KernelForm& form, const std::string& what) {
  std::string text;
  for (const ScheduleFact& fact : explain(form))
    if (fact.what == what) text += fact.text + "\n";
  return text;
}

constexpr const char* kMatmul = R"(program matmul
dim i = 128, j = 256, k = 64
input a[i, k]
input b[k, j]
c = max(sum[k](a * b), 0)
output c[i, j]
)";

TEST(ExplainForm, AContractionHasSidesTileFeedsAndChunks) {
  const KernelForm form =
      form_of(kMatmul, TileChoice{false, 4, 2, false, 64, 128, 64, Feed::direct});
  EXPECT_EQ(kind_of(form), "tiled contraction");
  EXPECT_EQ(text_of(form, "sides"), "m = i=128; n = j=256; k = k=64; batch = no dims\n");
  EXPECT_EQ(text_of(form, "tile"), "4 rows x 2 vectors of 8 lanes in registers\n");
  EXPECT_EQ(text_of(form, "loops"),
            "batch 1, n j=256 by 128, m i=128 by 64, k k=64 by 64, tiles\n");
  EXPECT_EQ(text_of(form, "fed"), "a (a) read where it lies; b (b) packed into panels\n");
  EXPECT_EQ(text_of(form, "on a tile"), "c while it is hot\n");
  EXPECT_EQ(text_of(form, "chunks"), "4, each a block of m and n\n");
}

TEST(ExplainForm, ALoopNestHasItsStagesLanesAndLoads) {
  const KernelForm form = form_of(R"(program softmax
dim row = 64, col = 96
input x[row, col]
p = exp(x - max[col](x))
q = p / sum[col](p)
output q[row, col]
)");
  EXPECT_EQ(kind_of(form), "loop nest");
  EXPECT_EQ(text_of(form, "loops"), "row=64, shared by all stages\n");
  EXPECT_THAT(text_of(form, "stage"),
              AllOf(HasSubstr("combined over col=96 by"), HasSubstr("lanes; stores q"),
                    HasSubstr("x whole vectors")));
  EXPECT_THAT(text_of(form, "chunks"), HasSubstr("of the 64 points of the outermost 1 loop"));
}

TEST(ExplainForm, LoadsThatJumpAreTold) {
  const KernelForm form = form_of(R"(program jumps
dim i = 64, v = 100
input x[v]
input at[i] : i32
y = x[v: at] + x[v: 5] 
output y
)");
  EXPECT_THAT(text_of(form, "stage"), AllOf(HasSubstr("at whole vectors"), HasSubstr("gathered"),
                                            HasSubstr("one for all lanes")));
}

TEST(ExplainForm, PartsOfAnIndexHaveTheirSteps) {
  const KernelForm form = form_of(R"(program pixel_shuffle
dim n = 4, y = 8, x = 8, c = 64, oy = 32, ox = 32, oc = 4
input im[n, y, x, c]
o = im[y: oy // 4, x: ox // 4, c: oy % 4 * 16 + 4 * (ox % 4) + oc]
output o[n, oy, ox, oc]
)");
  EXPECT_THAT(text_of(form, "stage"), HasSubstr("loads im whole vectors"));
}

}  // namespace
}  // namespace tessera

#include "ir/split_terms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random_inputs.h"

namespace tessera {
namespace {

std::string text_of(const std::string& formula, int64_t extent, const std::string& type = "f32") {
  const std::string i = std::to_string(extent);
  std::string text = "program p\ndim i = " + i + ", j = " + i + ", k = " + i + "\n";
  for (const char* input : {"a[i, k]", "b[j, k]", "c[i, k]", "d[j, k]"})
    text += std::string("input ") + input + " : " + type + "\n";
  return text + "input s[k] : " + type + "\ny = " + formula + "\noutput y\n";
}

std::string normal_form(const std::string& formula, const std::string& type = "f32") {
  return print(normalize(parse(text_of(formula, 300, type))).get("y").value());
}

TEST(SplitTerms, SumsOfProductsAreSummedOnTheirOwn) {
  EXPECT_EQ(normal_form("sum[k](a * b - c * d)"), "y_1 - y_1_2");
  EXPECT_EQ(normal_form("sum[k](-(a * b) - c * d + a * d)"), "-y_1 - y_1_2 + y_1_3");
  EXPECT_EQ(normal_form("sum[k](s * (a * b + c * d))"), "y_1 + y_1_2");
  EXPECT_EQ(normal_form("sum[k](where(k <= i, a * b + c * d, 0))"), "y_1 + y_1_2");
  EXPECT_EQ(normal_form("sum[k](a * b + c * d)", "i32"), "y_1 + y_1_2");
}

TEST(SplitTerms, LeavesWhatIsOneProductOrMayBeExact) {
  for (const char* formula : {
           "sum[k](a * (b - d))",        // one product of matrices
           "sum[k](a * b + a * d)",      // the same
           "sum[k]((a - b) * (a - b))",  // digits of differences
           "sum[k]((a - b) * c)",
           "max[k](a * b + c * d)",
       })
    EXPECT_EQ(normal_form(formula).find("y_1_2"), std::string::npos) << normal_form(formula);
  // No products of matrices, but each part is computed once.
  EXPECT_EQ(normal_form("sum[i, j, k](a * c + b * d)"), "sum[i, j, k](y_1 + y_1_2)");
  EXPECT_EQ(normal_form("sum[k](a * b + c * d)", "bf16").find("y_1_2"), std::string::npos);
}

TEST(SplitTerms, ComputesTheSame) {
  for (const char* type : {"f32", "f64", "i32"})
    for (const char* formula :
         {"sum[k](a * b - c * d)", "sum[k](-(a * b) - 2 * c * d + s)",
          "sum[k](where(k < i, s * (a * b + c * d), 0))",
          "sum[k](where(k == i, 0, a * b - c * d)) + sum[k](a * d + b * c)"}) {
      const Program program = parse(text_of(formula, 24, type));
      const Program apart = normalize(program, {.call = 0, .gain = 0.99});
      EXPECT_GT(apart.definitions().size(), 2u) << formula;
      const Arrays inputs = random_inputs(program, 3);
      Arrays state;
      const Array wanted = interpret(program, inputs, state).at("y");
      const Array found = interpret(apart, inputs, state).at("y");
      for (size_t at = 0; at < wanted.size(); ++at)
        ASSERT_NEAR(found.get(at), wanted.get(at), 1e-4 * (1 + std::abs(wanted.get(at))))
            << formula << " " << type;
    }
}

}  // namespace
}  // namespace tessera

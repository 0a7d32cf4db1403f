#include "ir/shared_parts.h"

#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"

namespace tessera {
namespace {

// The normal forms are the same but for names, when the parts have names and when they have not.
size_t definitions_of(const std::string& lines) {
  const Program program =
      parse("program p\ndim b = 5, k = 7\ninput x[b, k]\ninput r[b, k]\n" + lines + "output d\n");
  const Program normal = normalize(program);
  EXPECT_TRUE(normalize(normal) == normal) << print(normal);
  return normal.definitions().size();
}

TEST(SharedParts, GetANameWhereTheyStandInSeveralFormulas) {
  EXPECT_EQ(definitions_of("y = exp(x - max[k](x)) / sum[k](exp(x - max[k](x)))\n"
                           "d = grad(sum[b, k](y * r), x)\n"),
            definitions_of("e = exp(x - max[k](x))\ny = e / sum[k](e)\n"
                           "d = grad(sum[b, k](y * r), x)\n"));
  EXPECT_EQ(definitions_of("d = sqrt(mean[k]((x - mean[k](x)) * (x - mean[k](x)))) + x - "
                           "mean[k](x)\n"),
            definitions_of("c = x - mean[k](x)\nd = sqrt(mean[k](c * c)) + c\n"));
}

TEST(SharedParts, KeepWhatStandsInOneFormula) {
  const auto parts = [](const std::string& formula) {
    const Program program =
        parse("program p\ndim b = 5, k = 7\ninput x[b, k]\ny = " + formula + "\noutput y\n");
    int made = 0;
    name_shared_parts(program.get("y").value(), [&](const Expr& part) {
      ++made;
      return make_definition("part" + std::to_string(made), part);
    });
    return made;
  };
  EXPECT_EQ(parts("sum[k](exp(x) * tanh(exp(x)))"), 0);
  EXPECT_EQ(parts("exp(x) + tanh(exp(x))"), 0);
  EXPECT_EQ(parts("sum[k](x * x) * x * x"), 0);  // products go their own ways
  EXPECT_EQ(parts("sum[k](exp(x)) + exp(x)"), 1);
  EXPECT_EQ(parts("sum[k](tanh(exp(x))) + tanh(exp(x))"), 1);  // the larger part
  EXPECT_EQ(parts("sum[k](tanh(exp(x))) + tanh(exp(x)) + max[k](exp(x))"), 2);
}

}  // namespace
}  // namespace tessera

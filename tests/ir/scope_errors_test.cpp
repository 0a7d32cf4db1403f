// Messages about names that cannot be used where they stand, and about slips that look right.
#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/program.h"

namespace tessera {
namespace {

std::string error_of(const std::string& lines) {
  try {
    parse("program p\ndim k = 3, none = 0\ninput x[k]\ninput n[k] : i32\ninput e[none]\n" + lines +
          "output x\n");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ScopeErrors, OfNamesThatALoopKeepsToItself) {
  const std::string loop = "loop i = 3 carry r = x { half = 0.5 * r; r = half + 1 }\n";
  EXPECT_EQ(error_of(loop + "y = half\n"),
            "<text>:7:5: `half` is made at <text>:6:26, in a loop or for an update, and is unknown "
            "outside; a loop keeps values by `collect`");
  EXPECT_EQ(error_of(loop + "output half\n").substr(0, 30), "<text>:7:8: `half` is made at ");
  EXPECT_EQ(error_of(loop + "y = r\nhalf = 2 * y\nz = half\n"), "no error");
  EXPECT_EQ(error_of("param w\nupdate w = 1.0\ny = w_next\n").substr(0, 32),
            "<text>:8:5: `w_next` is made at ");
  EXPECT_EQ(error_of(loop + "y = haf\n"),
            "<text>:7:5: `haf` is not defined; tensors are x, n, e, r; dims are k, none");
  // As a recurrence, all that a loop makes has lines of its own.
  const Program printed = parse("program p\ndim k = 3\ninput x[k]\n" + loop + "output r\n");
  EXPECT_TRUE(parse(print(printed)) == printed);
}

TEST(ScopeErrors, OfSlipsThatLookRight) {
  EXPECT_EQ(error_of("y = n / 2\n"),
            "<text>:6:7: `/` divides floats, and this is i32; write // to divide integers, or "
            "convert, as in f32(x) / 2");
  EXPECT_EQ(error_of("y = n ** 2\n"),
            "<text>:6:7: `**` is a power of floats, and this is i32; write a product, as in x * x, "
            "or convert, as in f32(x) ** 2");
  EXPECT_EQ(error_of("y = 2 / n\n").substr(0, 44), "<text>:6:7: `/` divides floats, and this is ");
  EXPECT_EQ(error_of("y = where(x = 0, 1.0, x)\n"),
            "<text>:6:13: found `=` where `,` or an operator or `)` was expected, to close the `(` "
            "of line 6, column 10; values are compared by ==");
  EXPECT_EQ(error_of("y = argmax[none](e)\n"),
            "<text>:6:5: `argmax` finds a position along `none`, which has extent 0 and so no "
            "position (it is made at <text>:2:12); give it 1 or more");
  EXPECT_EQ(error_of("y = argmin[none](e)\n").substr(0, 36),
            "<text>:6:5: `argmin` finds a positio");
}

TEST(ScopeErrors, OfExtentsOfWhatIsNoDim) {
  EXPECT_EQ(error_of("y = extent(x)\n"),
            "<text>:6:12: `x` is a tensor where a dim was expected; dims are k, none");
  EXPECT_EQ(error_of("y = extent(2 * k)\n"),
            "<text>:6:5: `extent` takes the name of a dim, as in extent(k); dims are k, none");
  EXPECT_EQ(error_of("y = extent(k, none)\n").substr(0, 45),
            "<text>:6:5: `extent` takes the name of a dim,");
  EXPECT_EQ(error_of("def f(v) = extent(kk) * v\ny = f(x)\n").substr(0, 23),
            "<text>:6:19: `kk` is no");
}

TEST(ScopeErrors, OfBytesThatAreNoUtf8) {
  EXPECT_EQ(error_of("`caf\xc3\xa9` = x\n"), "no error");
  EXPECT_EQ(error_of("`caf\xe9` = x\n"),
            "<text>:6:5: the byte 0xe9 in this name is no UTF-8; write names in UTF-8");
  EXPECT_EQ(error_of("`\xc0\xaf` = x\n").substr(0, 33), "<text>:6:2: the byte 0xc0 in this");
  Program p("p");
  try {
    p.input("caf\xe9", {});
    FAIL();
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("the name of a tensor, `caf…`, is no UTF-8 from its byte 4 on; write names "
                        "in UTF-8"),
              std::string::npos)
        << text;
  }
  EXPECT_THROW(Dim("\xff", 3), UserError);
}

// What models and formulas make without a name is called after what reads it.
TEST(ScopeErrors, NamesThatAreMadeUpMeetNoNameThatIsGiven) {
  Program p("p");
  const Dim k("k", 3);
  const Tensor x = p.input("x", {k});
  const Tensor doubled = x * 2.0;
  p.define("loss", sum(k, doubled * doubled));
  EXPECT_EQ(doubled.name(), "loss.1");
  EXPECT_NO_THROW(p.input("t1", {k}));
  EXPECT_NO_THROW(p.define("t2", x + 1.0));
}

}  // namespace
}  // namespace tessera

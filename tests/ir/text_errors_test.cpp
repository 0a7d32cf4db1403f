#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/parse.h"
#include "ir/print.h"

namespace tessera {
namespace {

struct Case {
  const char* text;
  const char* error;
};

std::string error_of(const std::string& text, const ParseOptions& options = {}) {
  try {
    parse(text, options);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(TextErrors, OfWholePrograms) {
  const std::vector<Case> cases = {
      {"",
       "<text>:1:1: found the end of the file where `program NAME` was expected: a program starts "
       "with its name"},
      {"dim i = 4\n",
       "<text>:1:1: found `dim` where `program NAME` was expected: a program starts with its name"},
      {"program\n",
       "<text>:1:8: found the end of the line where the name of the program was expected"},
      {"program sum\n",
       "<text>:1:9: `sum` has a meaning of its own and cannot be the name of the program; choose "
       "another name, or write it in backquotes"},
      {"program p extra\n",
       "<text>:1:11: found `extra` after the program's name, where the line should end; a line "
       "holds one statement"},
      {"program p\nprogram q\n", "<text>:2:1: a file holds one program, and this is the second"},
      {"program p\ndim i 4\n",
       "<text>:2:7: found the number 4 where `=` was expected after the name of a dim, as in dim i "
       "= 4"},
      {"program p\ndim i = 4.5\n",
       "<text>:2:9: an extent is made of integers, and 4.5 is not one that fits i64"},
      {"program p\ndim i = a + 1\n", "<text>:2:9: there is no dim `a`; dims are none"},
      {"program p\ndim i = b, b = 2\n",
       "<text>:2:9: `b` is not made yet where it is used; a line may use what stands before it"},
      {"program p\ndim i = 4 / 2\n",
       "<text>:2:11: an extent is integer arithmetic over dims with + - * // % and ( ); write // "
       "to divide"},
      {"program p\ndim i = 4 // 0\n", "<text>:2:11: `//` divides by 0 here"},
      {"program p\ndim i = -1\n", "<text>:2:5: dim `i` has extent -1; an extent is 0 or more"},
      {"program p\ndim i = 3000000000\n",
       "<text>:2:5: dim `i` has extent 3000000000; the largest extent is 2147483647: split it into "
       "two dims"},
      {"program p\ndim i = 9223372036854775807 + 1\n",
       "<text>:2:29: `+` leaves the range of i64; make the dims smaller"},
      {"program p\ndim i = 2, i = 3\n",
       "<text>:2:12: `i` is already a dim, made at <text>:2:5; choose another name"},
      {"program p\ndims i = 2\n",
       "<text>:2:1: found `dims` at the start of a line, which is no statement; statements are "
       "dim, input, param, state, def, carry, loop, update, output, pin and NAME = FORMULA (did "
       "you mean "
       "`dim`?)"},
      {"program p\ndim exp = 2\n",
       "<text>:2:5: `exp` has a meaning of its own and cannot be the name of a dim; choose another "
       "name, or write it in backquotes"},
      {"program p\ninput x[z]\n", "<text>:2:9: there is no dim `z`; dims are none"},
      {"program p\ndim batch = 4\ninput x[bacth]\n",
       "<text>:3:9: there is no dim `bacth`; dims are batch (did you mean `batch`?)"},
      {"program p\ndim i = 4\ninput x[i, i]\n",
       "<text>:3:12: the dim `i` stands twice in this list"},
      {"program p\ninput x : f128\n",
       "<text>:2:11: there is no type `f128`; types are f32, f64, bf16, f16, i32, i64, i8, u8, "
       "bool"},
      {"program p\ninput x : 3\n",
       "<text>:2:11: found the number 3 where a type was expected: f32, f64, bf16, f16, i32, i64, "
       "i8, u8, bool"},
      {"program p\ninput x = 3\n",
       "<text>:2:9: an input is fed at every step and has no first value; remove it, or write "
       "`param` or `state`"},
      {"program p\nparam w = gloro()\n",
       "<text>:2:11: there is no first value `gloro`; write a number, normal(mean, stddev), "
       "uniform(low, high), glorot() or he() (did you mean `glorot`?)"},
      {"program p\nparam w = normal(1)\n",
       "<text>:2:11: `normal` takes 2 values, not 1, as in normal(0, 0.05)"},
      {"program p\ninput x\nparam w = x\n",
       "<text>:3:11: a first value is a number, as in 0, -inf or 1 / 3; this is a formula over "
       "tensors"},
      {"program p\ndim a = 2000000000, b = 2000000000\ninput x[a, b]\n",
       "<text>:3:7: `x` would have more than 2^53 elements over a, b; make its dims smaller or "
       "fewer"}};
  for (const auto& [text, error] : cases) EXPECT_EQ(error_of(text), error) << text;
}

TEST(TextErrors, OfLinesAfterTheBorder) {
  const std::string border =
      "program p\ndim i = 4, j = 6, k = 3\ninput x[i, j]\ninput n[i] : i32\nparam w[j]\n";
  EXPECT_EQ(error_of(border), "no error");
  const std::vector<Case> cases = {
      {"v = x +\n",
       "<text>:6:8: found the end of the line where a value was expected: a number, a name, a "
       "call, `(` or `-`"},
      {"v = x + y\n",
       "<text>:6:9: `y` is not defined; tensors are x, n, w; dims are i, j, k (did you mean `x`?)"},
      {"v = xx\n",
       "<text>:6:5: `xx` is not defined; tensors are x, n, w; dims are i, j, k (did you mean "
       "`x`?)"},
      {"v = q\nq = x\n",
       "<text>:6:5: `q` is defined later, at line 7; a line may use what stands above it: move one "
       "of the two"},
      {"v = v + 1\n",
       "<text>:6:5: `v` is not made yet where it is used; a line may use what stands before it"},
      {"v = (x + 1\nu = 2\n",
       "<text>:7:1: found `u` where an operator or `)` was expected, to close the `(` of line 6, "
       "column 5"},
      {"v = x)\n",
       "<text>:6:6: found `)` after the formula, where the line should end; a line holds one "
       "statement"},
      {"v x\n",
       "<text>:6:1: found `v` at the start of a line, which is no statement; statements are dim, "
       "input, param, state, def, carry, loop, update, output, pin and NAME = FORMULA"},
      {"v = 2x\n",
       "<text>:6:5: `2x` is neither a number nor a name; write `2 * x…` for a product, and names "
       "with a letter first"},
      {"v = 1.\n",
       "<text>:6:5: `1.` is neither a number nor a name; write a digit after the point, as in 1.0"},
      {"v = .5\n",
       "<text>:6:5: `.` has no meaning here; write a digit before the point, as in 0.5"},
      {"v = x && x\n", "<text>:6:7: `&` has no meaning here; write `and`"},
      {"v = x ? 1\n",
       "<text>:6:7: `?` has no meaning here; write names, numbers, + - * / // % ** == != < <= > >= "
       "= ( ) [ ] { } , : ; and #"},
      {"v = \xe9\n",
       "<text>:6:5: the byte 0xe9 has no meaning here; write names, numbers, + - * / // % ** == != "
       "< <= > >= = ( ) [ ] { } , : ; and #"},
      {"v = `x\n", "<text>:6:5: the name after ` is not closed on this line; end it with `"},
      {"x = 2\n", "<text>:6:1: `x` is already an input, made at <text>:3:7; choose another name"},
      {"i = 2\n", "<text>:6:1: `i` is already a dim, made at <text>:2:5; choose another name"},
      {"v = x < x < x\n",
       "<text>:6:11: comparisons do not chain: `<` follows `<`; write a < b and b < c"},
      {"v = x + not x\n",
       "<text>:6:9: `not` binds looser than the operator before it; write (not …)"},
      {"v = x < 1 and n\n", "<text>:6:11: `and` takes bool, not i32"},
      {"v = x + n\n", "<text>:6:7: `+` mixes f32 and i32; convert one side, as in f32(x)"},
      {"v = n + 0.5\n",
       "<text>:6:9: `+` mixes the literal 0.5 with a value of type i32; write an integer, or "
       "convert the other side, as in f32(x)"},
      {"v = foo(x)\n",
       "<text>:6:5: there is no function `foo`; functions are abs, exp, log, sqrt, tanh, sigmoid, "
       "erf, sin, cos, floor, ceil, round, stop_gradient, checkpoint, min, max, random_bits, "
       "where, extent; reductions "
       "are sum, prod, max, min, mean, argmax, argmin, any, all, cumsum; casts are f32, f64, bf16, "
       "f16, i32, i64, i8, u8, bool; defs "
       "are none"},
      {"v = xp(x)\n",
       "<text>:6:5: there is no function `xp`; functions are abs, exp, log, sqrt, tanh, sigmoid, "
       "erf, sin, cos, floor, ceil, round, stop_gradient, checkpoint, min, max, random_bits, "
       "where, extent; reductions "
       "are sum, prod, max, min, mean, argmax, argmin, any, all, cumsum; casts are f32, f64, bf16, "
       "f16, i32, i64, i8, u8, bool; defs "
       "are none (did you mean `exp`?)"},
      {"v = exp(x, x)\n", "<text>:6:5: `exp` takes 1 value, not 2"},
      {"v = exp[i](x)\n", "<text>:6:5: `exp` takes no dims; write exp(x)"},
      {"v = sum(x)\n", "<text>:6:5: `sum` reduces dims and must name them, as in sum[k](x)"},
      {"v = sum[k](x)\n",
       "<text>:6:9: `sum` reduces `k`, which its argument does not have; it has i, j (did you mean "
       "`i`?)"},
      {"v = sum[i, i](x)\n", "<text>:6:12: the dim `i` stands twice in this list"},
      {"v = sum[w](x)\n", "<text>:6:9: `w` is a tensor where a dim was expected; dims are i, j, k"},
      {"v = sum[i](x, x)\n", "<text>:6:5: `sum` reduces one value, not 2, as in sum[k](x)"},
      {"v = argmax[i, j](x)\n", "<text>:6:5: `argmax` finds a position along one dim, not 2"},
      {"v = any[i](x)\n", "<text>:6:5: `any` takes bool, not f32"},
      {"v = mean[i](n)\n",
       "<text>:6:5: `mean` takes a float (f32, f64, bf16 or f16), not i32; convert it, as in "
       "f32(x)"},
      {"v = exp\n", "<text>:6:5: `exp` is a function; call it, as in exp(x)"},
      {"v = x(2)\n", "<text>:6:5: `x` is a tensor and cannot be called; write * for a product"},
      {"v = pi(2)\n", "<text>:6:5: `pi` is a value and cannot be called; write * for a product"},
      {"v = f32(x, x)\n", "<text>:6:5: `f32` converts one value, not 2"},
      {"v = x[y: 0]\n", "<text>:6:7: there is no dim `y`; dims are i, j, k (did you mean `i`?)"},
      {"v = w[i: 0]\n", "<text>:6:7: `w` has no dim `i`; it has j (did you mean `j`?)"},
      {"v = x[i]\n",
       "<text>:6:9: found the end of the line after x[…]: a call goes on with `(`, as in "
       "sum[k](x); an index is by name, as in t[y: 0]"},
      {"v = x[i: j]\n",
       "<text>:6:10: dim `i` has extent 4 (made at <text>:2:5), and `j` in its place has 6 (made "
       "at "
       "<text>:2:12): make them equal, or pad, as in [i: j pad 0]"},
      {"v = x[j: 2 * k + i]\n",
       "<text>:6:16: dim `j` has extent 6, and its index reaches 0 to 7; allowed is 0 to 5: change "
       "the extents, or pad, as in [j: … pad 0]"},
      {"v = x[i: i - 1]\n",
       "<text>:6:12: dim `i` has extent 4, and its index reaches -1 to 2; allowed is 0 to 3: "
       "change "
       "the extents, or pad, as in [i: … pad 0]"},
      {"v = x[i: 4]\n",
       "<text>:6:10: dim `i` has extent 4, and its index reaches 4 to 4; allowed is 0 to 3: change "
       "the extents, or pad, as in [i: … pad 0]"},
      {"v = x[i: 0.5]\n",
       "<text>:6:10: the index for dim `i` has type f32; an index is an integer"},
      {"v = x[i: 0, i: 1]\n", "<text>:6:13: the dim `i` is indexed twice"},
      {"v = x[i: j pad w]\n",
       "<text>:6:16: a pad is a number, as in 0, -inf or 1 / 3; this is a formula over j"},
      {"v = n[i: j pad 0.5]\n",
       "<text>:6:16: the pad 0.5 does not fit a tensor of type i32, which holds integers "
       "from -2147483648 to 2147483647"},
      {"v = x[i: j pad 0, j: i - 1 pad 1]\n",
       "<text>:6:32: the pads of one read must be equal: 0 and 1"},
      {"v = x[j: 2*k][k: j pad 0]\n",
       "<text>:6:24: a pad needs a dim that is read directly; `k` is part of a larger index: pad "
       "that one"},
      {"v = 2[i: 0]\n", "<text>:6:7: this value has no dim `i`; it has no dims"},
      {"v = grad(x, w)\n",
       "<text>:6:5: grad takes a loss without dims; `x` has i, j: reduce it first, as in sum[i, "
       "j](x), or derive at each index on its own, as in grad[i, j](…)"},
      {"v = grad(sum[i, j](x), w + 1)\n",
       "<text>:6:26: the second value of `grad` is the name of a tensor, as in grad(loss, w); to "
       "derive by a formula, give it a name first"},
      {"v = grad(sum[i](n), w)\n",
       "<text>:6:5: grad takes a loss that is a float (f32, f64, bf16 or f16), and this one is "
       "i32; "
       "convert it, as in f32(x)"},
      {"v = grad(sum[i, j](x), n)\n",
       "<text>:6:5: `n` is i32, and only floats have gradients; declare it as f32, f64, bf16 or "
       "f16 "
       "(it is made at <text>:4:7)"},
      {"v = checkpoint(x, w)\n", "<text>:6:5: `checkpoint` takes 1 value, not 2"},
      {"v = checkpoint[i](x)\n", "<text>:6:5: `checkpoint` takes no dims; write checkpoint(x)"},
      {"v = checkpoint\n", "<text>:6:5: `checkpoint` is a function; call it, as in checkpoint(x)"},
      {"v = f64(x) * x\n", "<text>:6:12: `*` mixes f64 and f32; convert one side, as in f64(x)"},
      {"v = where(x, x, 0)\n", "<text>:6:5: `where` takes a bool as its condition, not f32"},
      {"v = where(x > 0, x, n)\n",
       "<text>:6:5: `where` mixes f32 and i32; convert one side, as in f32(x)"},
      {"v = cumsum[k](x)\n",
       "<text>:6:12: `cumsum` reduces `k`, which its argument does not have; it has i, j (did you "
       "mean `i`?)"},
      {"v = normal[i](x)\n",
       "<text>:6:5: `normal` takes an integer seed, not f32; count steps in a state of type i64, "
       "or "
       "write a number"},
      {"v = grad(w)\n",
       "<text>:6:5: `grad` takes a loss and a tensor, as in grad(loss, w), not 1 values"},
      {"v[i] = x\n",
       "<text>:6:1: `v` is declared over i, its value has i, j; name every dim of the value"},
      {"v[i, j, i] = x\n", "<text>:6:9: the dim `i` stands twice in this list"},
      {"update v = 2\n",
       "<text>:6:8: there is no tensor `v` to update; tensors are x, n, w (did you mean `x`?)"},
      {"update x = x\n",
       "<text>:6:8: `x` is an input; only parameters, states and what loops carry are updated"},
      {"update w = n\n", "<text>:6:8: `w` is f32 and its update is i32; convert it, as in f32(…)"},
      {"update w = x\n",
       "<text>:6:8: the update of `w` has dims i, j, the tensor has j; reduce the others"},
      {"update w = w\nupdate w = w\n",
       "<text>:7:8: `w` is already updated at <text>:6:8; a step updates it once"},
      {"output wx\n",
       "<text>:6:8: there is no tensor `wx` to output; tensors are x, n, w (did you mean `x`?)"},
      {"output v\nv = x\n",
       "<text>:6:8: `v` is defined later, at line 7; a line may use what stands above it: move one "
       "of the two"},
      {"output x[i]\n", "<text>:6:8: output `x` lists i, its value has i, j"},
      {"output x\noutput x\n", "<text>:7:8: there is already an output `x`"},
      {"output i\n", "<text>:6:8: `i` is a dim where a tensor was expected; tensors are x, n, w"},
      {"output y = x + 1\n",
       "<text>:6:14: an output is a tensor; define `y = …` first and write `output y`"},
      {"pin w[i: data]\n", "<text>:6:7: pin: `w` has no dim `i`; it has j (did you mean `j`?)"},
      {"pin w\n",
       "<text>:6:6: found the end of the line where `[` was expected after the name of a tensor, "
       "as in pin w[a: data]"},
      {"pin w[j]\n",
       "<text>:6:8: found `]` where `:` was expected after the name of a dim, as in pin w[a: "
       "data]"},
      {"def f(a, a) = a\n", "<text>:6:10: the def `f` has two arguments `a`; rename one"},
      {"def f(a) = f(a)\n",
       "<text>:6:12: `f` calls itself; a def is put in where it is called, so it may call only "
       "defs above it"},
      {"def f(a) = g(a)\ndef g(a) = a\n",
       "<text>:6:12: `g` is defined later, at line 7; a line may use what stands above it: move "
       "one of the two"},
      {"def f(a) = a + zz\n",
       "<text>:6:16: `zz` is not defined; tensors are x, n, w; dims are i, j, k"},
      {"def f(a) = a\nv = f\n", "<text>:7:5: `f` is a def; call it, as in f(x)"},
      {"def f(a) = a\nv = f(x, x)\n", "<text>:7:5: `f` takes 1 value (a), not 2"},
      {"def f[t](a) = sum[t](a)\nv = f[i, j](x)\n", "<text>:7:5: `f` takes 1 dim (t), not 2"},
      {"def f[t](a) = sum[t](a)\nv = f(x)\n",
       "<text>:7:5: `f` works over a dim `t`, and there is none of that name; say which, as in "
       "f[k](x); dims are i, j, k"},
      {"def f(a) = a + n\nv = f(x)\n",
       "<text>:6:14: `+` mixes f32 and i32; convert one side, as in f32(x)\n  in `f`, called at "
       "<text>:7:5"},
      {"def f(a) = a[i: 9]\ndef g(a) = f(a)\nv = g(x)\n",
       "<text>:6:17: dim `i` has extent 4, and its index reaches 9 to 9; allowed is 0 to 3: change "
       "the extents, or pad, as in [i: … pad 0]\n  in `f`, called at <text>:7:12\n  in `g`, called "
       "at <text>:8:5"},
      {"def x(a) = a\n",
       "<text>:6:5: `x` is already an input, made at <text>:3:7; choose another name"},
      {"v = true + 1\n", "<text>:6:12: `+` mixes the literal 1 with a bool; write true or false"},
      {"v = 99999999999999999999\n",
       "<text>:6:5: the number 99999999999999999999 is beyond i64; write 99999999999999999999.0 "
       "for a float"},
      {"v = 1e999\n", "<text>:6:5: the number 1e999 is beyond f64; write 0.0 or inf"},
      {"v = x and and x\n",
       "<text>:6:11: found `and` where a value was expected: a number, a name, a call, `(` or `-`"},
      {"v = -\n",
       "<text>:6:6: found the end of the line where a value was expected: a number, a name, a "
       "call, `(` or `-`"},
      {"v = sum[i]\n",
       "<text>:6:11: found the end of the line after sum[…]: a call goes on with `(`, as in "
       "sum[k](x); an index is by name, as in t[y: 0]"}};
  for (const auto& [text, error] : cases) EXPECT_EQ(error_of(border + text), error) << text;
}

TEST(TextErrors, OfOverrides) {
  ParseOptions options{"p.tess", {{"bacth", 4}}};
  EXPECT_EQ(error_of("program p\ndim batch = 2, k = 3\n", options),
            "p.tess: there is no dim `bacth` to set to 4; dims are batch, k (did you mean "
            "`batch`?)");
  options.dims = {{"batch", -4}};
  EXPECT_EQ(error_of("program p\ndim batch = 2\n", options),
            "p.tess:2:5: dim `batch` has extent -4; an extent is 0 or more");
}

TEST(TextErrors, OfFilesThatCannotBeRead) {
  try {
    parse_file("/nowhere/p.tess");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "/nowhere/p.tess: cannot be opened: No such file or directory");
  }
  try {
    parse_file("/dev/null");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "/dev/null: is empty; a program begins with `program NAME`");
  }
  try {
    parse_file("/dev/zero");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "/dev/zero: is larger than 64 MiB, the most that a program may have");
  }
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

// However deep a text nests, the stack holds.
TEST(TextErrors, OfNesting) {
  const std::string border = "program p\ndim i = 4\ninput x[i]\ninput n[i] : i32\ninput q : bool\n";
  const auto deep = [&](const std::string& open, const std::string& inner,
                        const std::string& close) {
    const std::string text =
        border + "v = " + repeated(open, 100000) + inner + repeated(close, 100000);
    const std::string error = error_of(text + "\n");
    EXPECT_NE(error.find("the formula nests more than 1000 operations; give parts of it names, as "
                         "in `part = …`"),
              std::string::npos)
        << open << ": " << error.substr(0, 300);
  };
  deep("(", "x", ")");
  deep("-", "x", "");
  deep("not ", "q", "");
  deep("exp(", "x", ")");
  deep("x + ", "x", "");
  deep("x ** ", "x", "");
  deep("n[i: ", "0", "]");
  deep("sum[i](", "x", ")");
  deep("x", "", "[i: 0]");
  // What is just within the limit can be built, printed and read again.
  const Program program =
      parse(border + "v = " + repeated("-(x + ", 450) + "x" + repeated(")", 450));
  EXPECT_TRUE(parse(print(program)) == program);
}

// Defs multiply: each of these lines doubles the formula.
TEST(TextErrors, OfDefsThatExplode) {
  std::string text = "program p\ninput x\ndef d0_(v) = v + v\n";
  for (int i = 1; i < 60; ++i) {
    const std::string last = "d" + std::to_string(i - 1) + "_";
    text += "def d" + std::to_string(i) + "_(v) = " + last + "(" + last + "(v))\n";
  }
  const std::string nested = error_of(text + "y = d59_(x)\n");
  EXPECT_NE(nested.find("more than 1000 operations"), std::string::npos) << nested.substr(0, 300);
  // What is used twice is there once: 2^32 operations if written out.
  const Program doubled = parse(text + "y = d5_(x)\noutput y\n");
  EXPECT_LT(print(doubled).size(), 5000U);
  EXPECT_TRUE(parse(print(doubled)) == doubled);
  std::string wide = "program p\ninput x\ndef g0(v) = v\n", same = wide;
  for (int i = 1; i < 60; ++i) {
    const std::string last = "g" + std::to_string(i - 1);
    const std::string line = "def g" + std::to_string(i) + "(v) = max(" + last + "(v), " + last;
    wide += line + "(v + 1))\n";
    same += line + "(v))\n";
  }
  EXPECT_EQ(error_of(same + "y = g59(x)\n"), "no error");
  const std::string created = error_of(wide + "y = g59(x)\n");
  EXPECT_NE(created.find("the program has grown beyond 2000000 operations"), std::string::npos)
      << created.substr(0, 300);
  std::string chain = "program p\ninput x\ndef h0(v) = v\n";
  for (int i = 1; i < 30000; ++i)
    chain += "def h" + std::to_string(i) + "(v) = h" + std::to_string(i - 1) + "(v)\n";
  const std::string called = error_of(chain + "y = h29999(x)\n");
  EXPECT_NE(called.find("defs call one another too deeply"), std::string::npos)
      << called.substr(0, 300);
}

}  // namespace
}  // namespace tessera

// The same mathematics in other words has the same normal form but for names.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "ir/interpret.h"
#include "ir/name_reductions.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

// The definitions of the normal form, each name by the place where it stands first.
std::string nests(const std::string& text) {
  const Program normal = normalize(parse("program p\n" + text));
  std::map<std::string, std::string> numbers;
  std::string result;
  for (const Tensor& tensor : normal.definitions()) {
    const std::string line = tensor.name() + " = " + print(tensor.value()) + "\n";
    for (size_t at = 0; at < line.size();) {
      size_t end = at;
      while (end < line.size() && (std::isalnum(line[end]) != 0 || line[end] == '_')) ++end;
      const std::string word = line.substr(at, std::max<size_t>(end - at, 1));
      const std::optional<Tensor> found = normal.find(word);
      const bool defined = found && found->role() == Role::definition;
      result += defined ? numbers.emplace(word, "#" + std::to_string(numbers.size())).first->second
                        : word;
      at += word.size();
    }
  }
  return result;
}

void expect_same(const std::string& head, const std::vector<std::string>& bodies) {
  for (const std::string& body : bodies) EXPECT_EQ(nests(head + body), nests(head + bodies[0]));
}

const std::string kHead =
    "dim i = 60, j = 64, k = 96\ninput x[i, k]\ninput y[k, j]\ninput z[i, j]\n";

TEST(OtherWords, NamesOfSumsDoNotMatter) {
  const std::string tail = "output u\nd = grad(sum[i, j](u * u), x)\noutput d\n";
  expect_same(kHead, {"t = sum[k](x * y)\nu = tanh(t) * z + t\n" + tail,
                      "u = tanh(sum[k](x * y)) * z + sum[k](x * y)\n" + tail,
                      "a = sum[k](x * y)\nt = a\nb = t\nu = tanh(b) * z + t\n" + tail,
                      "u = tanh(sum[k](x * y)) * z + sum[k](y * x)\n" + tail});
}

TEST(OtherWords, NeitherDoNamesOfWhatSumsShare) {
  const std::string e = "exp(x + y - max[k](x + y))", f = "exp(y + x - max[k](x + y))";
  expect_same(kHead, {"e = " + e + "\ns = e / sum[k](e)\noutput s\n",
                      "s = " + e + " / sum[k](" + e + ")\noutput s\n",
                      "s = " + e + " / sum[k](" + f + ")\noutput s\n"});
}

TEST(OtherWords, SumsMayBeTakenInSteps) {
  expect_same(kHead,
              {"t = sum[j, k](x * y * z)\noutput t\n", "t = sum[k](sum[j](x * y * z))\noutput t\n",
               "t = sum[j](sum[k](x * y * z))\noutput t\n"});
  expect_same(
      kHead, {"t = max[j, k](x * y * z)\noutput t\n", "t = max[k](max[j](x * y * z))\noutput t\n"});
}

// With x = 1e-25 and y = 1e30, x * x is 0 in f32, and x * y * x is not.
TEST(OtherWords, ProductsInMapsAreMultipliedAsTheyAreWritten) {
  for (const char* line : {"x * y * x", "x * (y * x)", "y * x * x"})
    EXPECT_EQ(nests(kHead + "t = tanh(" + line + ")\noutput t\n"),
              "#0 = tanh(" + std::string(line) + ")\n");
}

// A part over fewer points is computed once where that is cheaper, whether it has a name or not.
TEST(OtherWords, PartsOfMapsHaveNamesWhereThatPays) {
  const std::string head = "dim i = 600, j = 640\ninput a[i]\ninput z[i, j]\n";
  expect_same(head, {"r = sqrt(a / 3.0 + 1.0)\nt = (z - a) / r\noutput t\n",
                     "t = (z - a) / sqrt(a / 3.0 + 1.0)\noutput t\n"});
}

TEST(NameReductions, KeepsWhatIsAskedForByName) {
  const Program program = name_reductions(parse(R"(program p
dim k = 3
input x[k]
t = sum[k](x * x)
u = sum[k](x * x)
v = t
loss = t * u * v
d = grad(loss, u)
output d
output v
)"));
  EXPECT_TRUE(program.find("u") && program.find("v")) << print(program);
  EXPECT_EQ(print(program.get("loss").value()), "t * u * v");
}

TEST(NameReductions, ChangesNoValue) {
  RandomProgramOptions options;
  options.loops = true;
  options.gradients = true;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Program program = random_program(seed, options);
    const Program other = name_reductions(program);
    const Arrays inputs = random_inputs(program, seed);
    Arrays state = initial_state(program, seed), other_state = state;
    const Arrays wanted = interpret(program, inputs, state);
    const Arrays found = interpret(other, inputs, other_state);
    for (const auto& [name, array] : wanted)
      for (size_t i = 0; i < array.size(); ++i)
        ASSERT_NEAR(found.at(name).get(i), array.get(i), 1e-4 * (1 + std::abs(array.get(i))))
            << "seed " << seed << " " << name << "\n"
            << print(program) << print(other);
  }
}

}  // namespace
}  // namespace tessera

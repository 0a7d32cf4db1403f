#include "ir/parse_initializer.h"

#include "base/error.h"
#include "ir/lex.h"

namespace tessera {
namespace {

// A call such as normal(0, 0.05): its name, the counts of values it takes, an example.
struct Call {
  const char* name;
  size_t most;
  bool or_none;
  const char* example;
};

constexpr Call kCalls[] = {{"normal", 2, false, "normal(0, 0.05)"},
                           {"uniform", 2, false, "uniform(-1, 1)"},
                           {"glorot", 2, true, "glorot() or glorot(784, 10)"},
                           {"he", 1, true, "he() or he(784)"}};

double number(const Syntax& syntax, FormulaBuilder& formulas, const std::string& purpose) {
  const Scalar value = formulas.constant(syntax, purpose);
  const double found = value.number();
  if (is_integer(value.type) && static_cast<int64_t>(found) != value.i)
    throw UserError(syntax.where, "first values are exact up to 2^53, and " + describe(value) +
                                      " is beyond; choose a smaller one");
  return found;
}

Initializer read_call(const Call& call, const Syntax& syntax, FormulaBuilder& formulas) {
  const size_t count = syntax.children.size();
  const std::string shown = "`" + std::string(call.name) + "`";
  if (syntax.brackets || (count != call.most && !(call.or_none && count == 0)))
    throw UserError(syntax.where, shown + " takes " + std::to_string(call.most) +
                                      (call.most == 1 ? " value" : " values") +
                                      (call.or_none ? " or none" : "") + ", not " +
                                      (syntax.brackets ? "dims" : std::to_string(count)) +
                                      ", as in " + call.example);
  const std::string name = call.name;
  std::vector<double> values;
  for (const SyntaxPtr& child : syntax.children)
    values.push_back(number(*child, formulas, "an argument of " + shown));
  if (name == "normal") return normal(values[0], values[1]);
  if (name == "uniform") return uniform(values[0], values[1]);
  for (const double fan : values)
    if (!(fan >= 1))
      throw UserError(syntax.where,
                      "a fan is a number of values, 1 or more, as in " + std::string(call.example));
  if (name == "glorot") return values.empty() ? glorot() : glorot(values[0], values[1]);
  return values.empty() ? he() : he(values[0]);
}

}  // namespace

Initializer read_initializer(const Syntax& syntax, FormulaBuilder& formulas) {
  std::vector<std::string> known;
  if (syntax.kind == Syntax::Kind::call && !syntax.quoted) {
    for (const Call& call : kCalls) {
      if (syntax.text == call.name) return read_call(call, syntax, formulas);
      known.emplace_back(call.name);
    }
    if (!is_reserved(syntax.text))
      throw UserError(syntax.where, "there is no first value `" + syntax.text +
                                        "`; write a number, normal(mean, stddev), uniform(low, "
                                        "high), glorot() or he()" +
                                        did_you_mean(syntax.text, known));
  }
  return constant(number(syntax, formulas, "a first value"));
}

}  // namespace tessera

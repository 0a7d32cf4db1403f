#include "ir/parse.h"

#include <charconv>
#include <limits>

#include "base/error.h"
#include "base/read_file.h"
#include "ir/limits.h"
#include "ir/parse_formula.h"
#include "ir/parse_initializer.h"
#include "ir/parse_loop.h"
#include "ir/parse_tokens.h"

namespace tessera {
namespace {

constexpr size_t kMostProgramBytes = size_t{64} << 20;

class ProgramBuilder {
 public:
  ProgramBuilder(const ProgramSyntax& syntax, const ParseOptions& options)
      : syntax_(syntax), options_(options), scope_(syntax), formulas_(scope_) {}

  Program run() {
    for (const Statement& statement : syntax_.statements) add(statement);
    check_overrides();
    return scope_.program();
  }

 private:
  void add(const Statement& statement) {
    switch (statement.kind) {
      case Statement::Kind::dim:
        return dim(statement);
      case Statement::Kind::input:
      case Statement::Kind::param:
      case Statement::Kind::state:
        return border(statement);
      case Statement::Kind::def:
        return def(statement);
      case Statement::Kind::definition:
        return definition(statement);
      case Statement::Kind::carry:
        return carry(statement);
      case Statement::Kind::loop:
        return loop(statement);
      case Statement::Kind::update:
        return update(statement);
      case Statement::Kind::output:
        return output(statement);
      case Statement::Kind::pin:
        return pin(statement);
    }
  }

  void dim(const Statement& statement) {
    scope_.check_free(statement.name);
    int64_t extent = integer(*statement.value);
    const auto it = options_.dims.find(statement.name.text);
    if (it != options_.dims.end()) extent = it->second;
    scope_.add_dim(Dim(statement.name.text, extent, statement.name.where));
  }

  // Integer arithmetic over dims.
  int64_t integer(const Syntax& syntax) {
    const std::string& text = syntax.text;
    if (syntax.kind == Syntax::Kind::number) {
      int64_t found = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), found);
      if (error == std::errc() && end == text.data() + text.size()) return found;
      throw UserError(syntax.where,
                      "an extent is made of integers, and " + text + " is not one that fits i64");
    }
    if (syntax.kind == Syntax::Kind::name)
      return scope_.dim({text, syntax.where, syntax.quoted}, nullptr).extent();
    const bool known = text == "+" || text == "-" || text == "*" || text == "//" || text == "%";
    if (syntax.kind != Syntax::Kind::operation || !known)
      throw UserError(syntax.where,
                      "an extent is integer arithmetic over dims with + - * // % and "
                      "( )" +
                          std::string(text == "/" ? "; write // to divide" : ""));
    if (syntax.children.size() == 1)
      return arithmetic("-", 0, integer(*syntax.children[0]), syntax);
    const int64_t left = integer(*syntax.children[0]);
    return arithmetic(text, left, integer(*syntax.children[1]), syntax);
  }

  static int64_t arithmetic(const std::string& op, int64_t a, int64_t b, const Syntax& syntax) {
    int64_t result = 0;
    bool overflow = false;
    if (op == "+") overflow = __builtin_add_overflow(a, b, &result);
    if (op == "-") overflow = __builtin_sub_overflow(a, b, &result);
    if (op == "*") overflow = __builtin_mul_overflow(a, b, &result);
    if (op == "//" || op == "%") {
      if (b == 0) throw UserError(syntax.where, "`" + op + "` divides by 0 here");
      overflow = a == std::numeric_limits<int64_t>::min() && b == -1;
      if (!overflow) {
        const Scalar args[2] = {Scalar::of_int(DType::i64, a), Scalar::of_int(DType::i64, b)};
        result = evaluate(op == "%" ? Fn::mod : Fn::floordiv, args, DType::i64).i;
      }
    }
    if (overflow)
      throw UserError(syntax.where, "`" + op + "` leaves the range of i64; make the dims smaller");
    return result;
  }

  void border(const Statement& statement) {
    const NameAt& name = statement.name;
    scope_.check_free(name);
    DType type = DType::f32;
    if (statement.type && !parse_dtype(statement.type->text, type))
      throw UserError(statement.type->where,
                      "there is no type `" + statement.type->text + "`; types are " +
                          dtype_names() +
                          did_you_mean(statement.type->text, {"f32", "f64", "i32", "i64", "bool"}));
    const Dims dims = scope_.dims(statement.dims, nullptr);
    check_volume(dims, "`" + name.text + "`", name.where);
    Program& program = scope_.program();
    scope_.show(name);
    if (statement.kind == Statement::Kind::input) {
      program.input(name.text, dims, type, name.where);
      return;
    }
    const Initializer first =
        statement.value ? read_initializer(*statement.value, formulas_) : zeros();
    if (statement.kind == Statement::Kind::param)
      program.parameter(name.text, dims, first, type, name.where);
    else
      program.state(name.text, dims, first, type, name.where);
  }

  void def(const Statement& statement) {
    scope_.check_free(statement.name);
    std::vector<NameAt> own = statement.dims;
    own.insert(own.end(), statement.values.begin(), statement.values.end());
    for (size_t i = 0; i < own.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (own[i].text == own[j].text)
          throw UserError(own[i].where, "the def `" + statement.name.text +
                                            "` has two arguments `" + own[i].text +
                                            "`; rename one");
    scope_.check_body(*statement.value, statement);
    scope_.add_def(statement);
  }

  void definition(const Statement& statement) {
    scope_.check_free(statement.name);
    const Dims order = scope_.dims(statement.dims, nullptr);
    formulas_.define(statement.name, formulas_.build(*statement.value), order);
    scope_.show(statement.name);
  }

  void carry(const Statement& statement) {
    scope_.check_free(statement.name);
    const Dims order = scope_.dims(statement.dims, nullptr);
    const Dim over = scope_.dim(*statement.loop->over, nullptr);
    const Expr initial = formulas_.build(*statement.value);
    formulas_.check_size(initial, unite(order, unite(initial.dims(), {over})),
                         statement.name.where);
    scope_.program().carry(statement.name.text, over, initial, statement.loop->descending, order,
                           statement.name.where);
    scope_.show(statement.name);
  }

  void loop(const Statement& statement) {
    const LoopBuilder builder(scope_, formulas_, [this](const Syntax& s) { return integer(s); });
    for (const LoopValue& made : builder.build(statement, nullptr)) {
      scope_.check_free(made.name);
      formulas_.define(made.name, made.value);
      scope_.show(made.name);
    }
  }

  void update(const Statement& statement) {
    const Tensor target = scope_.tensor(statement.name, "update");
    const Expr value = formulas_.build(*statement.value);
    formulas_.check_size(value, target.dims(), statement.name.where);
    scope_.program().update(target, value, statement.name.where);
  }

  void output(const Statement& statement) {
    const NameAt& name = statement.name;
    Program& program = scope_.program();
    const Dims order = scope_.dims(statement.dims, nullptr);
    if (!statement.value) {
      const Tensor tensor = scope_.tensor(name, "output");
      program.output(name.text, make_read(tensor, name.where), order, name.where);
      return;
    }
    if (statement.value->kind != Syntax::Kind::name)
      throw UserError(statement.value->where, "an output is a tensor; define `" + name.text +
                                                  " = …` first and write `output " + name.text +
                                                  "`");
    const NameAt source{statement.value->text, statement.value->where, statement.value->quoted};
    const Tensor tensor = scope_.tensor(source, "output");
    for (const Output& earlier : program.outputs())
      if (earlier.name == name.text)
        throw UserError(name.where, "there is already an output `" + name.text + "`");
    if (!order.empty() && !same_set(order, tensor.dims()))
      throw UserError(name.where, "output `" + name.text + "` lists " + describe(order) +
                                      ", its value has " + describe(sorted(tensor.dims())));
    program.add_output({name.text, tensor, order.empty() ? sorted(tensor.dims()) : order});
  }

  void pin(const Statement& statement) {
    const Tensor tensor = scope_.tensor(statement.name, "pin");
    for (const PinSyntax& pin : statement.pins)
      scope_.program().pin(tensor.name(), pin.dim.text, pin.axis.text, pin.dim.where);
  }

  void check_overrides() const {
    const std::vector<std::string> known = scope_.dim_names(nullptr);
    for (const auto& [name, extent] : options_.dims)
      if (!scope_.find_dim(name, nullptr))
        throw UserError(options_.file + ": there is no dim `" + name + "` to set to " +
                        std::to_string(extent) + "; dims are " + listed(known) +
                        did_you_mean(name, known));
  }

  const ProgramSyntax& syntax_;
  const ParseOptions& options_;
  Scope scope_;
  FormulaBuilder formulas_;
};

}  // namespace

Program parse(const std::string& text, const ParseOptions& options) {
  TokenReader tokens(lex(text, options.file), options.file);
  const ProgramSyntax syntax = read_program(tokens);
  return ProgramBuilder(syntax, options).run();
}

Program parse_file(const std::string& path, std::map<std::string, int64_t> dims) {
  const std::string text = read_file(path, {"a program", kMostProgramBytes});
  if (text.empty()) throw UserError(path + ": is empty; a program begins with `program NAME`");
  ParseOptions options;
  options.file = path;
  options.dims = std::move(dims);
  return parse(text, options);
}

}  // namespace tessera

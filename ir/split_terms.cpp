#include "ir/split_terms.h"

#include <algorithm>
#include <optional>

#include "ir/guards.h"
#include "ir/product.h"
#include "ir/simplify.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kMostTerms = 8;

bool is_sum(const Expr& formula) {
  const Apply* apply = as<Apply>(formula);
  return apply != nullptr && (apply->fn == Fn::add || apply->fn == Fn::sub);
}

struct Term {
  Expr value;
  bool negative = false;
};

// What is added and taken away.
void collect(const Expr& formula, bool negative, std::vector<Term>& terms) {
  const Apply* apply = as<Apply>(formula);
  if (is_sum(formula)) {
    collect(apply->args[0], negative, terms);
    collect(apply->args[1], negative != (apply->fn == Fn::sub), terms);
  } else if (apply != nullptr && apply->fn == Fn::neg) {
    collect(apply->args[0], !negative, terms);
  } else {
    terms.push_back({formula, negative});
  }
}

bool is_product(const Expr& term) {
  Products products;
  const std::vector<Factor>& factors = products.factors_of(term);
  return std::count_if(factors.begin(), factors.end(), [](const Factor& factor) {
           return as<Constant>(factor.value) == nullptr;
         }) > 1;
}

// The terms, each times what multiplies all of them; none where it is no such sum.
std::vector<Term> terms_of(const Expr& summand) {
  Products products;
  std::vector<Factor> factors = products.factors_of(summand);
  const auto sum = std::find_if(factors.begin(), factors.end(), [](const Factor& factor) {
    return !factor.divides && is_sum(factor.value);
  });
  if (sum == factors.end()) return {};
  std::vector<Term> terms;
  collect(sum->value, false, terms);
  const auto others = std::count_if(terms.begin(), terms.end(),
                                    [](const Term& term) { return !is_product(term.value); });
  if (terms.size() > kMostTerms || others > 1) return {};
  const SourceLocation& where = summand.where();
  for (Term& term : terms) {
    sum->value = term.value;
    if (factors.size() > 1) term.value = product_of(factors, summand.type(), where);
  }
  return terms;
}

std::vector<Term> sums_of_terms(const Reduce& reduce, const SourceLocation& where) {
  Expr summand = reduce.body;
  const std::vector<Expr> conditions = take_outer_guards(summand);
  std::vector<Term> terms = terms_of(summand);
  const Expr zero = make_constant(Scalar::of_number(reduce.body.type(), 0), where);
  for (Term& term : terms) {
    for (size_t i = conditions.size(); i-- > 0;)
      term.value = make_apply(Fn::where, {conditions[i], term.value, zero}, where);
    const Dims dims = intersect(reduce.dims, term.value.dims());
    if (dims.size() != reduce.dims.size()) return {};  // counts of a term are no sum of it
    term.value = make_reduce(Reduction::sum, reduce.dims, term.value, where);
  }
  return terms;
}

}  // namespace

Expr split_terms(const Expr& value, const SumSurroundings& surroundings) {
  const Reduce* reduce = as<Reduce>(value);
  if (reduce == nullptr || reduce->op != Reduction::sum || points_of(reduce->body.dims()) == 0)
    return value;
  const DType type = value.type();
  if (is_float(type) ? is_half(type) : !is_integer(type)) return value;
  const std::vector<Term> terms = sums_of_terms(*reduce, value.where());
  if (terms.size() < 2) return value;
  double apart = points_of(value.dims()) * 3 * static_cast<double>(terms.size());
  for (const Term& term : terms) apart += ordered_price(term.value, surroundings);
  if (apart >= surroundings.gain() * ordered_price(value, surroundings)) return value;
  std::optional<Expr> total;
  for (const Term& term : terms) {
    const Expr part = make_read(surroundings.define(simplify(term.value)), value.where());
    if (total)
      total = make_apply(term.negative ? Fn::sub : Fn::add, {*total, part}, value.where());
    else
      total = term.negative ? make_apply(Fn::neg, {part}, value.where()) : part;
  }
  return *total;
}

}  // namespace tessera

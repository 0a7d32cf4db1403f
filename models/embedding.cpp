#include "models/embedding.h"

namespace tessera {

Expr embedding(const Dim& vocabulary, const Expr& table, const Expr& token) {
  return table.at(vocabulary, token, std::nullopt, token.where());
}

Expr one_hot(const Dim& label, const Expr& truth, DType type) {
  return cast(type, equal(truth, index(label)));
}

}  // namespace tessera

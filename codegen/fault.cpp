#include "codegen/fault.h"

#include <fmt/format.h>

#include "base/error.h"
#include "ir/print.h"

namespace tessera {
namespace {

constexpr std::string_view kValue = "{value}";

}  // namespace

std::string fault_text(const SourceLocation& where, const Read& read, size_t dim) {
  return fmt::format("{}the index `{}` is {} where it reads `{}` along `{}`; allowed is 0 to {}",
                     where.known() ? where.str() + ": " : "", print(read.indices[dim].value),
                     kValue, read.tensor.name(), read.tensor.dims()[dim].name(),
                     read.tensor.dims()[dim].extent() - 1);
}

std::string describe_fault(const std::vector<std::string>& texts, int64_t fault) {
  const int64_t code = fault_code(fault);
  TESSERA_CHECK(code >= 1 && code <= static_cast<int64_t>(texts.size())) << "fault " << fault;
  std::string text = texts[static_cast<size_t>(code - 1)];
  if (const size_t at = text.find(kValue); at != std::string::npos)
    text.replace(at, kValue.size(), std::to_string(fault_value(fault)));
  return text;
}

}  // namespace tessera

#include "storage/npy_header.h"

#include <array>
#include <charconv>
#include <utility>

#include "base/error.h"

namespace tessera::internal {
namespace {

constexpr size_t kMaxRank = 32;
// Numpy has no bf16; ml_dtypes, which adds it, writes its elements as two opaque bytes. The first
// of two names is the one written.
constexpr std::array<std::pair<const char*, DType>, 10> kTypes = {{{"<f4", DType::f32},
                                                                   {"<f8", DType::f64},
                                                                   {"<f2", DType::f16},
                                                                   {"<V2", DType::bf16},
                                                                   {"|V2", DType::bf16},
                                                                   {"<i4", DType::i32},
                                                                   {"<i8", DType::i64},
                                                                   {"|i1", DType::i8},
                                                                   {"|u1", DType::u8},
                                                                   {"|b1", DType::b8}}};

// A reader for the one Python dictionary literal that the format allows.
class HeaderParser {
 public:
  HeaderParser(const std::string& file, std::string_view text, bool any_type)
      : file_(file), rest_(text), any_type_(any_type) {}

  NpyHeader parse() {
    NpyHeader header;
    int seen = 0;
    expect("{");
    while (!take("}")) {
      const std::string key = quoted();
      expect(":");
      if (key == "descr" && !(seen & 1)) {
        seen |= 1;
        set_type(header);
      } else if (key == "fortran_order" && !(seen & 2)) {
        seen |= 2;
        header.fortran = boolean();
      } else if (key == "shape" && !(seen & 4)) {
        seen |= 4;
        header.shape = shape();
      } else {
        fail("has the key `" + key + "`, which is unknown or given twice");
      }
      if (!take(",")) {
        expect("}");
        break;
      }
    }
    if (seen != 7) fail("must have descr, fortran_order and shape");
    skip_space();
    if (!rest_.empty()) fail("goes on after its closing brace");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& text) const {
    throw UserError(file_ + ": the .npy header " + text + "; the file is damaged");
  }

  void skip_space() {
    const size_t start = rest_.find_first_not_of(" \n");
    rest_.remove_prefix(start == std::string_view::npos ? rest_.size() : start);
  }

  bool take(std::string_view token) {
    skip_space();
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (take(token)) return;
    fail("has `" + std::string(rest_.substr(0, 12)) + "` where `" + std::string(token) +
         "` was expected");
  }

  std::string quoted() {
    const char* quote = take("'") ? "'" : "\"";
    if (*quote == '"') expect("\"");
    const size_t end = rest_.find(quote);
    if (end == std::string_view::npos) fail("has a text without an end");
    const std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool boolean() {
    if (take("True")) return true;
    expect("False");
    return false;
  }

  void set_type(NpyHeader& header) {
    skip_space();
    if (rest_.substr(0, 1) == "[") refuse_type("a record of several fields");
    const std::string descr = quoted();
    for (const auto& [name, type] : kTypes) {
      if (descr != name) continue;
      header.type = type;
      return;
    }
    if (!any_type_) refuse_type(descr);
    header.other_type = descr;
  }

  [[noreturn]] void refuse_type(const std::string& descr) const {
    const bool big = descr.substr(0, 1) == ">";
    throw UserError(file_ + ": holds elements of type " + descr + (big ? " (big-endian)" : "") +
                    "; expected <f4, <f8, <f2, <V2 (bf16), <i4, <i8, |i1, |u1 or |b1: convert it "
                    "with numpy's astype");
  }

  std::vector<int64_t> shape() {
    std::vector<int64_t> extents;
    expect("(");
    while (!take(")")) {
      skip_space();
      int64_t extent = -1;
      const auto result = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (result.ec != std::errc() || extent < 0) fail("has a shape that is not numbers from 0 up");
      rest_.remove_prefix(static_cast<size_t>(result.ptr - rest_.data()));
      extents.push_back(extent);
      if (extents.size() > kMaxRank) fail("has more than 32 dims");
      if (!take(",")) {
        expect(")");
        break;
      }
    }
    return extents;
  }

  const std::string& file_;
  std::string_view rest_;
  bool any_type_;
};

}  // namespace

NpyHeader parse_npy_header(const std::string& file, std::string_view text, bool any_type) {
  return HeaderParser(file, text, any_type).parse();
}

std::string npy_header_text(const Array& array) {
  std::string shape;
  for (const int64_t extent : array.shape) shape += std::to_string(extent) + ", ";
  if (array.shape.size() > 1) shape.resize(shape.size() - 2);
  if (array.shape.size() == 1) shape.resize(shape.size() - 1);
  std::string descr;
  for (const auto& [name, type] : kTypes)
    if (type == array.type && descr.empty()) descr = name;
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }";
}

}  // namespace tessera::internal

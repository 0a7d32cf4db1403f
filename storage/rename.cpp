#include "storage/rename.h"

#include <optional>

#include "base/error.h"

namespace tessera {
namespace {

// A pattern as texts and stars by turns.
struct PatternPart {
  std::string text;  // of no star
  int stars = 0;     // 1 or 2
};

std::vector<PatternPart> parts_of(const std::string& pattern) {
  std::vector<PatternPart> parts;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*') {
      const bool two = i + 1 < pattern.size() && pattern[i + 1] == '*';
      parts.push_back({"", two ? 2 : 1});
      i += two ? 1 : 0;
    } else {
      if (parts.empty() || parts.back().stars > 0) parts.push_back({});
      parts.back().text += pattern[i];
    }
  }
  return parts;
}

// Tries to match the parts from `part` on with the rest of `name`, the shortest texts first.
bool match(const std::vector<PatternPart>& parts, size_t part, const std::string& name, size_t at,
           std::vector<std::string>& texts) {
  if (part == parts.size()) return at == name.size();
  if (parts[part].stars == 0) {
    const std::string& text = parts[part].text;
    return name.compare(at, text.size(), text) == 0 &&
           match(parts, part + 1, name, at + text.size(), texts);
  }
  for (size_t end = at + 1; end <= name.size(); ++end) {
    if (parts[part].stars == 1 && name[end - 1] == '.') return false;
    texts.push_back(name.substr(at, end - at));
    if (match(parts, part + 1, name, end, texts)) return true;
    texts.pop_back();
  }
  return false;
}

std::optional<std::string> apply(const RenameRule& rule, const std::string& name) {
  std::vector<std::string> texts;
  if (!match(parts_of(rule.from), 0, name, 0, texts)) return std::nullopt;
  std::string result;
  size_t star = 0;
  for (const PatternPart& part : parts_of(rule.to))
    result += part.stars == 0 ? part.text : texts[star++];
  return result;
}

size_t stars_in(const std::string& pattern) {
  size_t count = 0;
  for (const PatternPart& part : parts_of(pattern)) count += part.stars > 0 ? 1 : 0;
  return count;
}

}  // namespace

RenameRule parse_rename(const std::string& text) {
  constexpr size_t kMostStars = 8;
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size() ||
      text.find('=', equals + 1) != std::string::npos)
    throw UserError("a rename is FROM=TO, as in 'layer.*.weight=w*', not `" + text + "`");
  RenameRule rule{text.substr(0, equals), text.substr(equals + 1)};
  if (stars_in(rule.from) > kMostStars)
    throw UserError("the rename `" + text + "` has more than 8 stars before its `=`");
  if (stars_in(rule.to) > stars_in(rule.from))
    throw UserError("the rename `" + text + "` has more stars after its `=` than before it");
  return rule;
}

std::string renamed(const std::string& name, const std::vector<RenameRule>& rules) {
  for (const RenameRule& rule : rules)
    if (std::optional<std::string> result = apply(rule, name)) return *result;
  return name;
}

}  // namespace tessera

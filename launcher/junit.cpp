#include "launcher/junit.h"

#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace tessera {
namespace {

// The characters that XML names stand for themselves again.
std::string unescaped(std::string_view text) {
  constexpr std::pair<std::string_view, char> kNames[] = {
      {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}};
  std::string result;
  while (!text.empty()) {
    std::pair<std::string_view, char> found{text.substr(0, 1), text[0]};
    for (const auto& name : kNames)
      if (text.substr(0, name.first.size()) == name.first) found = name;
    result += found.second;
    text.remove_prefix(found.first.size());
  }
  return result;
}

// The value of ` name="…"` in a tag; "" when there is none.
std::string attribute(std::string_view tag, const std::string& name) {
  const std::string start = " " + name + "=\"";
  const size_t at = tag.find(start);
  if (at == std::string_view::npos) return "";
  const size_t begin = at + start.size();
  return unescaped(tag.substr(begin, tag.find('"', begin) - begin));
}

// Line breaks between attributes are as good as blanks.
std::string on_one_line(std::string_view tag) {
  std::string text(tag);
  for (char& c : text)
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  return text;
}

}  // namespace

TestCounts read_junit(const std::string& text) {
  TestCounts counts;
  bool any = false;
  for (size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
    const std::string_view rest = std::string_view(text).substr(at);
    const std::string tag = on_one_line(rest.substr(0, rest.find('>')));
    if (tag.rfind("<testsuite ", 0) == 0) {
      any = true;
      counts.seconds += std::strtod(attribute(tag, "time").c_str(), nullptr);
    } else if (tag.rfind("<testcase ", 0) == 0) {
      const std::string status = attribute(tag, "status");
      if (status == "run")
        ++counts.passed;
      else if (status == "fail")
        counts.failures.push_back(attribute(tag, "name"));
      else
        ++counts.skipped;
    }
  }
  TESSERA_CHECK(any) << "CTest's report holds no testsuite";
  counts.failed = static_cast<int>(counts.failures.size());
  return counts;
}

}  // namespace tessera

#include "launcher/report/html.h"

#include "base/utf8.h"

namespace tessera {

std::string html(std::string_view given) {
  std::string text(given);
  for (size_t at = first_not_utf8(text); at != std::string::npos; at = first_not_utf8(text))
    text.replace(at, 1, "\xef\xbf\xbd");
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string html_table(const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows,
                       const std::vector<bool>& numbers) {
  const auto cell = [&](const char* tag, size_t column, const std::string& content) {
    const bool number = column < numbers.size() && numbers[column];
    return std::string("<") + tag + (number ? " class=number>" : ">") + content + "</" + tag + ">";
  };
  std::string text = "<div class=wide><table>\n";
  if (!head.empty()) {
    text += "<thead><tr>";
    for (size_t i = 0; i < head.size(); ++i) text += cell("th", i, head[i]);
    text += "</tr></thead>\n";
  }
  text += "<tbody>\n";
  for (const std::vector<std::string>& row : rows) {
    text += "<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      text += cell(head.empty() && i == 0 ? "th" : "td", i, row[i]);
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

}  // namespace tessera

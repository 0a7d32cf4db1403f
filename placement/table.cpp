#include "placement/table.h"

#include <algorithm>

namespace tessera {
namespace {

std::string cut(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  return most < 3 ? std::string(most, '.') : text.substr(0, most - 3) + "...";
}

// Lines of at most `width`, broken at blanks; a word that is longer is cut.
std::vector<std::string> wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines = {""};
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find(' ', begin), text.size());
    std::string word = cut(text.substr(begin, end - begin), width);
    bool fits = lines.back().empty() || lines.back().size() + 1 + word.size() <= width;
    if (!fits) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    begin = end + 1;
  }
  return lines;
}

}  // namespace

std::string aligned(const std::vector<std::vector<std::string>>& rows,
                    const std::vector<int>& right, size_t width) {
  constexpr size_t kWidest = 36;  // of a column before the last
  constexpr size_t kLeast = 20;   // of the last
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  size_t before_last = 2;
  for (size_t c = 0; c + 1 < widths.size(); ++c) before_last += std::min(widths[c], kWidest) + 2;
  // Where the columns are too many, all but the last give way evenly.
  size_t most = kWidest;
  while (before_last + kLeast > width && most > 4) {
    --most;
    before_last = 2;
    for (size_t c = 0; c + 1 < widths.size(); ++c) before_last += std::min(widths[c], most) + 2;
  }
  std::string result;
  for (const auto& row : rows) {
    std::string line = "  ";
    for (size_t c = 0; c + 1 < row.size(); ++c) {
      size_t room = std::min(widths[c], most);
      std::string cell = cut(row[c], room), padding(room - cell.size(), ' ');
      bool to_right = std::find(right.begin(), right.end(), static_cast<int>(c)) != right.end();
      line += (to_right ? padding + cell : cell + padding) + "  ";
    }
    bool last_right =
        std::find(right.begin(), right.end(), static_cast<int>(row.size()) - 1) != right.end();
    if (last_right && row.back().size() < widths.back())
      line += std::string(widths.back() - row.back().size(), ' ');
    std::string indent(line.size(), ' ');
    size_t room = width > line.size() ? width - line.size() : 1;
    for (const std::string& part : wrapped(row.back(), room)) {
      line += part;
      while (!line.empty() && line.back() == ' ') line.pop_back();
      result += line + "\n";
      line = indent;
    }
  }
  return result;
}

}  // namespace tessera

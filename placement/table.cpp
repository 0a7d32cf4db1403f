#include "placement/table.h"

#include <algorithm>

namespace tessera {

std::string aligned(const std::vector<std::vector<std::string>>& rows,
                    const std::vector<int>& right, size_t width) {
  constexpr size_t kWidest = 44;  // of a column before the last
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  for (size_t& w : widths) w = std::min(w, kWidest);
  auto cut = [](const std::string& text, size_t most) {
    if (text.size() <= most) return text;
    return most < 3 ? std::string(most, '.') : text.substr(0, most - 3) + "...";
  };
  std::string result;
  for (const auto& row : rows) {
    std::string line = "  ";
    for (size_t c = 0; c < row.size(); ++c) {
      bool last = c + 1 == row.size();
      size_t room = line.size() < width ? width - line.size() : 0;
      std::string cell = cut(row[c], last ? room : std::min(room, widths[c]));
      size_t padding = widths[c] > cell.size() ? widths[c] - cell.size() : 0;
      if (std::find(right.begin(), right.end(), static_cast<int>(c)) != right.end())
        line += std::string(std::min(padding, room), ' ') + cell;
      else
        line += last ? cell : cell + std::string(padding, ' ');
      if (!last) line += "  ";
    }
    line.resize(std::min(line.size(), width));
    while (!line.empty() && line.back() == ' ') line.pop_back();
    result += line + "\n";
  }
  return result;
}

}  // namespace tessera

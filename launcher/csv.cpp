#include "launcher/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/convert.h"
#include "base/error.h"
#include "base/read_file.h"
#include "ir/scalar.h"
#include "launcher/row_sink.h"

namespace tessera {
namespace {

struct Cell {
  std::string text;
  int column = 1;  // of its first character in the line
};

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  const size_t end = text.find_last_not_of(" \t");
  return begin == std::string_view::npos ? "" : std::string(text.substr(begin, end - begin + 1));
}

bool parse_double(const std::string& text, double& value) {
  const char* begin = text.data() + (text.starts_with("+") ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

// Reads one file line by line.
class Table {
 public:
  explicit Table(const std::string& file) : file_(file) {
    require_regular_file(file);
    stream_.open(file, std::ios::binary);
    if (!stream_) throw UserError(file + ": cannot be opened");
    if (!next()) throw UserError(file + ": is empty; a table has a line for each example");
    const bool numbers = std::all_of(cells_.begin(), cells_.end(), [](const Cell& cell) {
      double ignored = 0;
      return parse_double(cell.text, ignored);
    });
    for (size_t i = 0; i < cells_.size(); ++i)
      names_.push_back(numbers ? std::to_string(i + 1) : cells_[i].text);
    kept_ = numbers;
  }

  const std::vector<std::string>& names() const { return names_; }

  // The next line of numbers; empty lines are passed over.
  bool next_row() {
    if (std::exchange(kept_, false)) return true;
    if (!next()) return false;
    if (cells_.size() != names_.size())
      fail(1, fmt::format("has {} cells, and the first line has {}", cells_.size(), names_.size()));
    return true;
  }
  const Cell& cell(size_t column) const { return cells_[column]; }

  [[noreturn]] void fail(int column, const std::string& text) const {
    throw UserError(SourceLocation(file_, line_, column), text);
  }

 private:
  bool next() {
    std::string text;
    do {
      if (!std::getline(stream_, text)) return false;
      ++line_;
      if (text.ends_with('\r')) text.pop_back();
      if (line_ == 1 && text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
    } while (text.empty());
    if (names_.empty()) separator_ = separator_of(text);
    split(text);
    return true;
  }

  static char separator_of(const std::string& line) {
    for (const char each : {'\t', ','})
      if (line.find(each) != std::string::npos) return each;
    return line.find(';') != std::string::npos ? ';' : ',';
  }

  void split(const std::string& line) {
    cells_.clear();
    for (size_t at = 0; at <= line.size();) {
      const int column = static_cast<int>(at) + 1;
      std::string text;
      if (at < line.size() && line[at] == '"') {
        for (++at;; ++at) {
          if (at >= line.size()) fail(column, "begins with a quotation mark that nothing ends");
          if (line[at] != '"')
            text += line[at];
          else if (at + 1 < line.size() && line[at + 1] == '"')
            text += line[++at];
          else
            break;
        }
        ++at;
        if (at < line.size() && line[at] != separator_)
          fail(static_cast<int>(at) + 1, "has text after a quotation mark");
      } else {
        const size_t end = std::min(line.find(separator_, at), line.size());
        text = trimmed(std::string_view(line).substr(at, end - at));
        at = end;
      }
      cells_.push_back({std::move(text), column});
      ++at;
    }
  }

  std::string file_;
  std::ifstream stream_;
  int line_ = 0;
  char separator_ = ',';
  std::vector<Cell> cells_;
  std::vector<std::string> names_;
  bool kept_ = false;  // the first line is a row, not yet asked for
};

template <typename T>
void put(std::byte* into, T value) {
  std::memcpy(into, &value, sizeof value);
}

// The number in a cell, as `type`.
void write_number(const Table& table, const Cell& cell, DType type, const std::string& name,
                  std::byte* into) {
  const auto fail = [&](const std::string& allowed) {
    table.fail(cell.column, "column `" + name + "` is " +
                                (cell.text.empty() ? "empty" : "`" + cell.text + "`") +
                                "; allowed is " + allowed);
  };
  const std::string& text = cell.text;
  double value = 0;
  if (is_float(type)) {
    if (!parse_double(text, value)) fail("a number, nan or inf");
    switch (type) {
      case DType::f64:
        return put(into, value);
      case DType::bf16:
        return put(into, f64_to_bf16(value));
      case DType::f16:
        return put(into, f64_to_f16(value));
      default:
        return put(into, static_cast<float>(value));
    }
  }
  const int64_t low = least(type), high = greatest(type);
  int64_t whole = 0;
  const char* begin = text.data() + (text.starts_with("+") ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), whole);
  if (error != std::errc() || end != text.data() + text.size() || whole < low || whole > high)
    fail(fmt::format("a whole number from {} to {}", low, high));
  switch (size_of(type)) {
    case 8:
      return put(into, whole);
    case 4:
      return put(into, static_cast<int32_t>(whole));
    default:
      return put(into, static_cast<int8_t>(whole));
  }
}

// Which cells of a line a field takes.
std::vector<size_t> places_of(const CsvField& field, const Table& table, const std::string& file) {
  const std::vector<std::string>& names = table.names();
  const auto place = [&](const std::string& name) {
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end()) {
      std::vector<std::string> shown(
          names.begin(), names.begin() + std::min<std::ptrdiff_t>(20, std::ssize(names)));
      if (shown.size() < names.size()) shown.push_back("…");
      throw UserError(file + ": has no column `" + name + "`; it has " + join(shown) +
                      did_you_mean(name, names));
    }
    return static_cast<size_t>(it - names.begin());
  };
  std::vector<size_t> places;
  for (const std::string& column : field.columns) {
    const size_t dots = column.find("..");
    if (dots == std::string::npos || std::count(names.begin(), names.end(), column) > 0) {
      places.push_back(place(column));
      continue;
    }
    const size_t first = place(trimmed(column.substr(0, dots)));
    const size_t last = place(trimmed(column.substr(dots + 2)));
    if (first > last)
      throw UserError(file + ": the columns `" + column + "` begin after their end");
    for (size_t i = first; i <= last; ++i) places.push_back(i);
  }
  return places;
}

}  // namespace

std::vector<std::string> split_columns(const std::string& text) {
  std::vector<std::string> columns;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    columns.push_back(trimmed(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return columns;
}

std::vector<Field> read_csv(const std::vector<std::string>& files,
                            const std::vector<CsvField>& wanted, std::optional<int64_t> limit,
                            int64_t most_bytes) {
  std::vector<Field> fields;
  std::vector<RowSink> sinks;
  int64_t examples = 0;
  for (const std::string& file : files) {
    Table table(file);
    std::vector<std::vector<size_t>> places;
    for (size_t f = 0; f < wanted.size(); ++f) {
      places.push_back(places_of(wanted[f], table, file));
      const auto values = static_cast<int64_t>(places[f].size());
      if (fields.size() == f) {
        Field field{wanted[f].name, wanted[f].type, {}, wanted[f].type == DType::u8, 1, 0, {}};
        if (field.is_bytes) field.type = DType::i32;
        if (values > 1) field.row_shape = {values};
        fields.push_back(std::move(field));
        sinks.emplace_back(static_cast<size_t>(values) * size_of(wanted[f].type),
                           most_bytes / static_cast<int64_t>(wanted.size()));
      } else if (values != fields[f].row_size()) {
        throw UserError(fmt::format("{}: the columns `{}` are {}, and in {} they are {}", file,
                                    wanted[f].name, values, files.front(), fields[f].row_size()));
      }
    }
    while ((!limit || examples < *limit) && table.next_row()) {
      ++examples;
      for (size_t f = 0; f < wanted.size(); ++f) {
        std::byte* row = sinks[f].next_row();
        const size_t size = size_of(wanted[f].type);
        for (size_t i = 0; i < places[f].size(); ++i)
          write_number(table, table.cell(places[f][i]), wanted[f].type, table.names()[places[f][i]],
                       row + i * size);
      }
    }
  }
  if (examples == 0)
    throw UserError(files.front() + ": has no line of numbers; a table has one for each example");
  for (size_t f = 0; f < fields.size(); ++f) sinks[f].finish(fields[f]);
  return fields;
}

}  // namespace tessera

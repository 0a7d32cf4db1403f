#include "partition/mesh.h"

#include <cctype>

#include "base/error.h"

namespace tessera {
namespace {

// A mesh larger than any job that this can run; keeps products of sizes far from overflow.
constexpr long kMostRanks = 1 << 20;

[[noreturn]] void fail(const std::string& text, const std::string& found) {
  throw UserError("mesh `" + text + "`: " + found +
                  "; write axes with sizes, as in data=2,model=4");
}

bool is_name(const std::string& name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0) return false;
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') return false;
  return true;
}

int parse_size(const std::string& text, const std::string& digits) {
  if (digits.empty() || digits.size() > 7 ||
      digits.find_first_not_of("0123456789") != std::string::npos)
    fail(text, "`" + digits + "` is not a size");
  const int size = std::stoi(digits);
  if (size < 1) fail(text, "an axis has at least 1 rank, not " + digits);
  return size;
}

std::string trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

}  // namespace

int Mesh::ranks() const {
  int product = 1;
  for (const Axis& axis : axes) product *= axis.size;
  return product;
}

int Mesh::find(std::string_view wanted) const {
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i].name == wanted) return static_cast<int>(i);
  return -1;
}

std::vector<int> Mesh::coordinates(int rank) const {
  TESSERA_CHECK(rank >= 0 && rank < ranks()) << "rank " << rank << " of " << ranks();
  std::vector<int> result(axes.size());
  for (size_t i = axes.size(); i-- > 0;) {
    result[i] = rank % axes[i].size;
    rank /= axes[i].size;
  }
  return result;
}

int Mesh::rank(const std::vector<int>& coordinates) const {
  int result = 0;
  for (size_t i = 0; i < axes.size(); ++i) result = result * axes[i].size + coordinates[i];
  return result;
}

std::vector<int> Mesh::group(int member, const Axes& along) const {
  std::vector<int> at = coordinates(member);
  std::vector<int> result;
  const int count = group_size(along);
  for (int k = 0; k < count; ++k) {
    int rest = k;
    for (size_t i = along.size(); i-- > 0;) {
      at[static_cast<size_t>(along[i])] = rest % size(along[i]);
      rest /= size(along[i]);
    }
    result.push_back(rank(at));
  }
  return result;
}

int Mesh::group_size(const Axes& along) const {
  int product = 1;
  for (const int axis : along) product *= size(axis);
  return product;
}

int Mesh::position_in_group(int member, const Axes& along) const {
  const std::vector<int> at = coordinates(member);
  int result = 0;
  for (const int axis : along) result = result * size(axis) + at[static_cast<size_t>(axis)];
  return result;
}

std::vector<std::string> Mesh::names(const Axes& which) const {
  std::vector<std::string> result;
  for (const int axis : which) result.push_back(name(axis));
  return result;
}

std::vector<std::string> Mesh::names() const {
  std::vector<std::string> result;
  for (const Axis& axis : axes) result.push_back(axis.name);
  return result;
}

Mesh parse_mesh(const std::string& text) {
  Mesh mesh;
  if (trim(text).empty()) return mesh;
  long ranks = 1;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const size_t equals = part.find('=');
    if (equals == std::string::npos) fail(text, "`" + trim(part) + "` has no size");
    const Axis axis{trim(part.substr(0, equals)), parse_size(text, trim(part.substr(equals + 1)))};
    if (!is_name(axis.name)) fail(text, "`" + axis.name + "` is not a name");
    if (mesh.find(axis.name) >= 0) fail(text, "there are two axes `" + axis.name + "`");
    ranks *= axis.size;
    if (ranks > kMostRanks) fail(text, "more than " + std::to_string(kMostRanks) + " ranks");
    mesh.axes.push_back(axis);
    begin = end + 1;
  }
  return mesh;
}

std::string print(const Mesh& mesh) {
  std::vector<std::string> parts;
  for (const Axis& axis : mesh.axes) parts.push_back(axis.name + "=" + std::to_string(axis.size));
  return join(parts, ",");
}

}  // namespace tessera

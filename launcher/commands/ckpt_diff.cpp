#include "launcher/commands/ckpt_diff.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/standard_streams.h"
#include "storage/tensor_file.h"

namespace tessera {
namespace {

// How two arrays of one type and shape differ.
struct ArrayDifference {
  size_t count = 0;    // of elements whose bits differ
  double largest = 0;  // absolute difference; NaN where one of the two is
};

ArrayDifference difference(const Array& a, const Array& b) {
  ArrayDifference found;
  const size_t bytes = size_of(a.type);
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(a.data.data() + i * bytes, b.data.data() + i * bytes, bytes) == 0) continue;
    ++found.count;
    const double distance = std::abs(a.get(i) - b.get(i));
    if (!(distance <= found.largest)) found.largest = distance;
  }
  return found;
}

// One line of the report.
struct TensorVerdict {
  std::string name;
  std::string text;  // "" when it is the same
};

TensorVerdict compare(const TensorFile& a, size_t in_a, const TensorFile& b) {
  const StoredTensor& mine = a.tensors()[in_a];
  const std::optional<size_t> in_b = b.find(mine.name);
  if (!in_b) return {mine.name, "only in " + a.path()};
  const StoredTensor& theirs = b.tensors()[*in_b];
  if (describe(mine) != describe(theirs))
    return {mine.name, describe(mine) + " and " + describe(theirs)};
  const Array left = a.read(in_a);
  const ArrayDifference found = difference(left, b.read(*in_b));
  if (found.count == 0) return {mine.name, ""};
  return {mine.name, fmt::format("{} of {} elements differ, by up to {:g}", found.count,
                                 left.size(), found.largest)};
}

}  // namespace

int diff_tensors(const std::string& path, const std::string& other, bool json) {
  const auto a = open_tensors(path), b = open_tensors(other);
  std::vector<TensorVerdict> verdicts;
  for (size_t i = 0; i < a->tensors().size(); ++i) verdicts.push_back(compare(*a, i, *b));
  for (const StoredTensor& tensor : b->tensors())
    if (!a->find(tensor.name)) verdicts.push_back({tensor.name, "only in " + b->path()});
  nlohmann::json differences = nlohmann::json::object();
  for (const TensorVerdict& verdict : verdicts) {
    if (verdict.text.empty()) continue;
    differences[verdict.name] = verdict.text;
    if (!json) print_out("{}: {}\n", verdict.name, verdict.text);
  }
  const size_t same = verdicts.size() - differences.size();
  if (json)
    print_out("{}\n", json_text(nlohmann::json{{"same", same}, {"differences", differences}}));
  else
    print_out("{} tensors are the same, {} differ\n", same, differences.size());
  return differences.empty() ? kDone : kJobFailed;
}

}  // namespace tessera

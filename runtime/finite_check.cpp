#include "runtime/finite_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "base/convert.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// What is odd about the floats of a tensor.
struct Found {
  int64_t nans = 0;
  int64_t infinities = 0;
  int64_t first_nan = -1;       // row-major
  int64_t first_infinity = -1;  //
  double infinity = 0;          // which one that is
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
};

template <typename Stored, typename Convert>
Found look_at(const std::byte* data, int64_t count, const Convert& convert) {
  Found found;
  for (int64_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, data + static_cast<size_t>(i) * sizeof stored, sizeof stored);
    const auto value = static_cast<double>(convert(stored));
    if (std::isfinite(value)) {
      found.low = std::min(found.low, value);
      found.high = std::max(found.high, value);
    } else if (std::isnan(value)) {
      if (found.nans++ == 0) found.first_nan = i;
    } else if (found.infinities++ == 0) {
      found.first_infinity = i;
      found.infinity = value;
    }
  }
  return found;
}

Found look_at(DType type, const std::byte* data, int64_t count) {
  switch (type) {
    case DType::f32:
      return look_at<float>(data, count, [](float value) { return value; });
    case DType::f64:
      return look_at<double>(data, count, [](double value) { return value; });
    case DType::bf16:
      return look_at<uint16_t>(data, count, [](uint16_t bits) { return bf16_to_f32(bits); });
    case DType::f16:
      return look_at<uint16_t>(data, count, [](uint16_t bits) { return f16_to_f32(bits); });
    default:
      return {};
  }
}

std::string place_text(int64_t element, const Dims& dims) {
  std::string text;
  for (size_t d = dims.size(); d-- > 0;) {
    text = std::to_string(element % dims[d].extent()) + (text.empty() ? "" : ", ") + text;
    element /= dims[d].extent();
  }
  return text.empty() ? "" : " at [" + text + "]";
}

std::string type_text(const Tensor& tensor) {
  std::string text;
  for (const Dim& dim : tensor.dims())
    text += (text.empty() ? "" : ", ") + std::to_string(dim.extent());
  return std::string(name_of(tensor.type())) + "[" + text + "]";
}

std::string count_text(int64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

// "`odds` is nan at [3], the first of 5 NaNs and 1 infinity in f32[8]"
std::string found_text(const Tensor& tensor, const Found& found) {
  const bool nan = found.nans > 0;
  std::string text =
      fmt::format("`{}` is {}{}", tensor.name(),
                  nan                  ? "nan"
                  : found.infinity > 0 ? "inf"
                                       : "-inf",
                  place_text(nan ? found.first_nan : found.first_infinity, tensor.dims()));
  if (found.nans + found.infinities == 1 && tensor.dims().empty()) return text;
  std::vector<std::string> parts;
  if (nan) parts.push_back(count_text(found.nans, "NaN", "NaNs"));
  if (found.infinities > 0) parts.push_back(count_text(found.infinities, "infinity", "infinities"));
  return text + ", the first of " + join(parts, " and ") + " in " + type_text(tensor);
}

bool says_infinity(const Expr& formula) {
  for (const Expr& node : subexpressions(formula)) {
    const Constant* constant = as<Constant>(node);
    if (constant != nullptr && is_float(constant->value.type) && std::isinf(constant->value.f))
      return true;
  }
  return false;
}

std::vector<Tensor> written_by(const Task& task) {
  return task.comm ? std::vector{task.comm->output} : task.group.outputs;
}

std::vector<Tensor> read_by(const Task& task) {
  return task.comm ? std::vector{task.comm->input} : task.group.inputs;
}

}  // namespace

size_t FiniteCheck::buffer_of(const Tensor& tensor) const {
  return static_cast<size_t>(graph_.places.at(tensor).buffer);
}

void FiniteCheck::begin(const Address& address) {
  std::fill(infinite_.begin(), infinite_.end(), 0);
  for (const auto& [tensor, place] : graph_.places) {
    const Role role = tensor.role();
    if (role == Role::definition || !is_float(tensor.type())) continue;
    const Buffer& buffer = graph_.buffers[static_cast<size_t>(place.buffer)];
    if (!buffer.kept || !place.place.moves.empty()) continue;
    const Found found = look_at(tensor.type(), address(tensor), volume(tensor.dims()));
    if (found.nans > 0)
      throw NotFinite(found_text(tensor, found) + rank_ +
                      (role == Role::input ? "; the data has it" : "; the step begins with it") +
                      (tensor.where().known() ? " (" + tensor.where().str() + ")" : ""));
    if (found.infinities > 0) infinite_[static_cast<size_t>(place.buffer)] = 1;
  }
}

std::string FiniteCheck::read_text(const Task& task, const Address& address) const {
  std::set<size_t> written;
  for (const Tensor& tensor : written_by(task)) written.insert(buffer_of(tensor));
  std::vector<std::string> parts;
  for (const Tensor& tensor : read_by(task)) {
    if (!is_float(tensor.type())) continue;
    std::string text = "`" + tensor.name() + "`";
    if (written.count(buffer_of(tensor)) == 0) {
      const Found found = look_at(tensor.type(), address(tensor), volume(tensor.dims()));
      if (found.low <= found.high)
        text += fmt::format(" ({:.4g} to {:.4g})", found.low, found.high);
    }
    parts.push_back(text);
  }
  return parts.empty() ? "" : " from " + join(parts);
}

void FiniteCheck::after(const Task& task, int number, const Address& address,
                        const std::vector<int64_t>& at) {
  bool meant = false;  // is an infinity?
  for (const Tensor& tensor : read_by(task)) meant |= infinite_[buffer_of(tensor)] != 0;
  for (const Nest& nest : task.group.nests) meant |= says_infinity(nest.body);
  for (const Tensor& tensor : written_by(task)) {
    if (!is_float(tensor.type())) continue;
    const Found found = look_at(tensor.type(), address(tensor), volume(tensor.dims()));
    if (found.nans == 0 && (meant || found.infinities == 0)) {
      char& flag = infinite_[buffer_of(tensor)];
      if (at.empty() || found.infinities > 0) flag = found.infinities > 0;
      continue;
    }
    const SourceLocation where = tensor.where().known() ? tensor.where() : task.where;
    std::string iteration;
    for (const int64_t index : at) iteration += " " + std::to_string(index);
    throw NotFinite(fmt::format(
        "{}{}; task {}, {}, {} it{}{}{}", found_text(tensor, found), rank_, number, task.name,
        task.comm ? "brings" : "computes", at.empty() ? "" : " in iteration" + iteration,
        where.known() ? " (" + where.str() + ")" : "", read_text(task, address)));
  }
}

void FiniteCheck::copied(const Task& task) {
  char& flag = infinite_[static_cast<size_t>(task.target.buffer)];
  flag |= infinite_[static_cast<size_t>(task.source.buffer)];
  if (task.before) flag |= infinite_[static_cast<size_t>(task.before->buffer)];
}

}  // namespace tessera

#include "launcher/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/host_memory.h"
#include "base/read_file.h"

namespace tessera {
namespace {

constexpr size_t kMostTextBytes = size_t{1} << 30;

std::string read_whole(const std::string& file) {
  require_regular_file(file);  // each rank reads it, and for two splits
  // The text, its part for training or testing, and two fields.
  require_memory(4 * static_cast<int64_t>(std::filesystem::file_size(file)), file + ": the text",
                 "use a shorter one, or free memory");
  std::string text = read_file(file, {"a text", kMostTextBytes});
  if (text.empty()) throw UserError(file + ": is empty; name a text file in data.text");
  return text;
}

// Replaces each byte by its number among the different ones, and returns how many there are.
int64_t number_characters(std::string& text) {
  std::array<bool, 256> occurs{};
  for (const char c : text) occurs[static_cast<unsigned char>(c)] = true;
  std::array<char, 256> number{};
  int count = 0;
  for (size_t byte = 0; byte < occurs.size(); ++byte)
    if (occurs[byte]) number[byte] = static_cast<char>(count++);
  for (char& c : text) c = number[static_cast<unsigned char>(c)];
  return count;
}

Field windows(const std::string& name, int64_t window, int64_t below, const std::string& part,
              size_t first) {
  Field field{name, DType::i32, {window}, true, 1, 0, {}};
  field.row_step = window;
  field.below = below;
  const auto* bytes = reinterpret_cast<const std::byte*>(part.data());
  field.data.assign(bytes + first, bytes + part.size());
  return field;
}

}  // namespace

Dataset load_text(const TextSource& source, Split split) {
  std::string text = read_whole(source.file);
  const int64_t different = number_characters(text);
  const auto tested = static_cast<size_t>(source.test * static_cast<double>(text.size()));
  const bool training = split == Split::train;
  const std::string part =
      training ? text.substr(0, text.size() - tested) : text.substr(text.size() - tested);
  const auto size = static_cast<int64_t>(part.size());
  const int64_t window = source.window;
  if (size <= window)
    throw UserError(fmt::format(
        "{}: its part for {} has {} characters; a window of {} and the one after it need {}: take "
        "shorter windows, {} data.test, or a longer text",
        source.file, training ? "training" : "testing", size, window, window + 1,
        training ? "lower" : "raise (or set to 0)"));
  Dataset set;
  set.name = std::filesystem::path(source.file).filename();
  if (training) {
    // One window is left out, so that the others have room to begin elsewhere.
    set.examples = std::max<int64_t>(1, (size - window) / window);
    set.shifts = std::min(window, size - set.examples * window);
    if (source.limit) set.examples = std::min(set.examples, *source.limit);
  } else {
    set.examples = (size - 1) / window;
  }
  set.fields = {windows("text", window, different, part, 0),
                windows("next", window, different, part, 1)};
  return set;
}

}  // namespace tessera

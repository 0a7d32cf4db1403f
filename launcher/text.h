#pragma once

#include <optional>
#include <string>

#include "launcher/dataset.h"

namespace tessera {

// A text as examples for a program that predicts each next character:
//
//   `text`  a window of characters, each a number below the count of different ones
//   `next`  the same, one character later
//
// Characters are bytes, numbered in the order of their values over the whole file. The first part
// of the file is for training: its windows lie side by side, and each epoch begins them at another
// place. The last share `test` is for testing, by windows that do not move.
struct TextSource {
  std::string file;
  int64_t window = 1;                           // characters
  double test = 0.1;                            // share of the file
  std::optional<int64_t> limit = std::nullopt;  // use only so many training windows
};

// Throws UserError when the file cannot be read, is empty, or a part is shorter than a window.
Dataset load_text(const TextSource& source, Split split);

}  // namespace tessera

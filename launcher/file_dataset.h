#pragma once

#include <map>
#include <optional>
#include <string>

#include "ir/program.h"
#include "launcher/dataset.h"

namespace tessera {

// Data in files of ours or of others.
struct FileData {
  // A file of named arrays (.npz, .safetensors) or of columns (.csv, .tsv), or a folder of such
  // files as shards; "": each input has a file or a folder of its own.
  std::string file;
  // Program input -> array or columns in `file` (absent: those called like the input), or its file:
  // .npy, IDX, one array in an .npz or .safetensors, or .bin and .raw, which hold nothing but
  // examples of the type and shape that the program takes.
  std::map<std::string, std::string> inputs;
  std::optional<int64_t> limit;  // only the first so many examples
  int64_t most_bytes = 0;        // that are held in memory; what is larger stays in its files
};

// One field for each input that the program has, called as `inputs` says, or like the input. Throws
// UserError that names the file, what was found and what is allowed.
Dataset load_files(const FileData& data, const Program& program);

// The dim of an input that counts examples: `batch`, or the first.
int batch_axis(const Tensor& input);

}  // namespace tessera

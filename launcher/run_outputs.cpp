#include "launcher/run_outputs.h"

#include <fmt/format.h>

#include "storage/npy.h"

namespace tessera {

std::string output_file_name(const std::string& output) {
  std::string text;
  for (const char c : output) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-' || (c == '.' && !text.empty());
    text += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return text + ".npy";
}

std::vector<std::string> keep_outputs(Executable& executable, const Program& program,
                                      const RunFolder* folder) {
  std::vector<std::string> files;
  for (const Output& output : program.outputs()) {
    if (output.order.empty()) continue;
    const Array value = executable.output(output.name);
    files.push_back(output_file_name(output.name));
    if (folder != nullptr) write_npy(folder->file(files.back()), value);
  }
  return files;
}

}  // namespace tessera

#include "launcher/commands/arguments.h"

#include <charconv>

#include "base/error.h"
#include "launcher/commands/commands.h"
#include "launcher/yaml_units.h"

namespace tessera {

std::map<std::string, std::string> parse_assignments(const std::vector<std::string>& values,
                                                     const std::string& option) {
  std::map<std::string, std::string> result;
  for (const std::string& value : values) {
    const size_t equals = value.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == value.size())
      throw UserError(option + " takes NAME=VALUE, not `" + value + "`");
    const std::string name = value.substr(0, equals);
    if (!result.emplace(name, value.substr(equals + 1)).second)
      throw UserError(option + " names `" + name + "` twice");
  }
  return result;
}

std::map<std::string, int64_t> parse_dims(const std::vector<std::string>& values) {
  std::map<std::string, int64_t> dims;
  for (const auto& [name, text] : parse_assignments(values, "--dim")) {
    int64_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || end != text.data() + text.size() || extent < 0)
      throw UserError("--dim " + name + " takes a whole number of at least 0, not `" + text + "`");
    dims[name] = extent;
  }
  return dims;
}

CLI::Validator positive_seconds() {
  const auto check = [](const std::string& text) -> std::string {
    double seconds = 0;
    if (CLI::detail::lexical_cast(text, seconds) && seconds > 0 && seconds <= 1e9) return "";
    return "takes a number of seconds above 0 and up to 1e9, not `" + text + "`";
  };
  return CLI::Validator(check, "SECONDS");
}

std::optional<int64_t> parse_memory(const std::string& value) {
  if (value.empty()) return std::nullopt;
  try {
    return bytes_of(parse_yaml_argument(value));
  } catch (const UserError&) {
    throw UserError("--memory takes a size such as 512MiB, 2GiB or a number of bytes, not `" +
                    value + "`");
  }
}

std::optional<Mesh> parse_mesh_option(const std::string& value) {
  if (value.empty() || value == "auto") return std::nullopt;
  return parse_mesh(value);
}

void add_weights_options(CLI::App& command, WeightsConfig& weights) {
  command.add_option("--weights", weights.file,
                     "values of parameters, by name: a .safetensors or .npz file, or a checkpoint");
  command
      .add_option("--rename", weights.rename,
                  "FROM=TO, maps names of the file, as 'layer.*.weight=w*'; repeatable")
      ->allow_extra_args(false);
}

void add_device_option(CLI::App& command, std::optional<DeviceKind>& kind) {
  command.add_option_function<std::string>(
      "--device", [&kind](const std::string& text) { kind = parse_device_kind(text, "--device"); },
      "what ranks compute on: cpu, gpu (NVIDIA's), or simulated: kernels for GPUs run thread by "
      "thread on this host, slowly");
}

CLI::Option* add_cpu_option(CLI::App& command, std::optional<CpuLevel>& level) {
  return command.add_option_function<std::string>(
      "--cpu", [&level](const std::string& text) { level = parse_cpu_level(text, "--cpu"); },
      "processors that kernels are made for: x86-64-v2, -v3 (AVX2), -v4 (AVX-512), or host "
      "(default: this one with all it has)");
}

}  // namespace tessera

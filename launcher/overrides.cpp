#include "launcher/overrides.h"

#include "base/error.h"

namespace tessera {
namespace {

std::vector<std::string> split_path(const std::string& override_text, const std::string& path) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (true) {
    const size_t dot = path.find('.', start);
    parts.push_back(path.substr(start, dot - start));
    if (parts.back().empty() || parts.back().find_first_of(" \t<") != std::string::npos)
      throw UserError("command line: `" + override_text +
                      "` must look like train.epochs=2: words joined by dots, =, a value");
    if (dot == std::string::npos) return parts;
    start = dot + 1;
  }
}

YamlNode apply_override(const YamlNode& root, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos)
    throw UserError("command line: `" + text +
                    "` is not a setting; write key=value, for example train.epochs=2");
  const std::vector<std::string> path = split_path(text, text.substr(0, equals));
  if (path.size() > 16) throw UserError("command line: `" + text + "` has more than 16 levels");
  const std::string value = text.substr(equals + 1);
  if (value.find_first_not_of(" \t\n") == std::string::npos)
    throw UserError("command line: `" + text + "` has no value after the =");
  return root.with(path, parse_yaml_argument(value));
}

}  // namespace

YamlNode apply_overrides(const YamlNode& root, const std::vector<std::string>& overrides) {
  YamlNode result = root;
  for (const std::string& text : overrides) result = apply_override(result, text);
  return result;
}

}  // namespace tessera

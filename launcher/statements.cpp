#include "launcher/statements.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "codegen/llvm/jit.h"
#include "launcher/versions.h"
#include "storage/npy.h"

namespace tessera {
namespace {

void forget_name(std::string& file) {
  if (!file.empty()) file = "a file";
}

}  // namespace

RankStatement statement_of_build(CpuLevel level) {
  return {"the build", fmt::format("version {}\nsources {}\nmachine code for {}", tessera_version(),
                                   sources_digest(), code_target(level).text())};
}

RankStatement statement_of(const Config& config) {
  Config said = config;
  said.origins.clear();
  said.cluster = {};
  said.output = {};
  forget_name(said.program.file);
  forget_name(said.data.dir);
  forget_name(said.data.text);
  forget_name(said.data.file);
  forget_name(said.data.test_file);
  for (auto& [input, file] : said.data.test_inputs) forget_name(file);
  forget_name(said.plan.file);
  forget_name(said.weights.file);
  forget_name(said.resume.path);
  said.checkpoint.dir = "a folder";  // whether it is one is seen from what is in it
  if (!said.data.has_fields())
    for (auto& [input, file] : said.data.inputs) forget_name(file);
  return {"the config", print_config(said)};
}

RankStatement statement_of(const Dataset& data) {
  std::string text = fmt::format("{} examples, {} shifts\n", data.examples, data.shifts);
  const int64_t examples = data.whole ? data.whole->examples : data.examples;
  if (data.whole) text += fmt::format("of {}\n", examples);
  for (const Field& field : data.all_fields())
    text += fmt::format("{}: {} each, content {}\n", field.name,
                        describe(field.type, field.row_shape), hex(content_hash(field, examples)));
  return {"the data", text};
}

}  // namespace tessera

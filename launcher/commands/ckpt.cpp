#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/units.h"
#include "ir/slabs.h"
#include "launcher/commands/ckpt_diff.h"
#include "launcher/commands/commands.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/standard_streams.h"
#include "storage/checkpoint.h"

namespace tessera {
namespace {

struct CkptArguments {
  std::string path;
  std::string other;
  std::string out;
  bool params = false;
  bool json = false;
};

int64_t bytes_of(const Manifest& manifest) {
  uint64_t bytes = 0;
  for (const ManifestShard& shard : manifest.shards) bytes += shard.bytes;
  return static_cast<int64_t>(bytes);
}

nlohmann::json summary(const std::string& folder, const Manifest& manifest) {
  return {{"folder", folder},
          {"step", manifest.step},
          {"bytes", bytes_of(manifest)},
          {"ranks", manifest.ranks},
          {"tensors", manifest.tensors.size()},
          {"written", manifest.written}};
}

// A checkpoint, or the newest in a folder of them.
std::string folder_of(const std::string& path) {
  if (std::filesystem::exists(path + "/manifest.json")) return path;
  const std::vector<CheckpointPlace> places = list_checkpoints(path);
  if (places.empty())
    throw UserError(path + ": is neither a checkpoint nor a folder of checkpoints");
  return places.front().folder;
}

// Prints each line at once; the JSON is printed whole, in the end.
int ls(const CkptArguments& arguments) {
  nlohmann::json all = nlohmann::json::array();
  const std::vector<CheckpointPlace> places = list_checkpoints(arguments.path);
  if (places.empty() && !std::filesystem::is_directory(arguments.path))
    throw UserError(arguments.path + ": is no folder");
  for (const CheckpointPlace& place : places) {
    std::string text;
    try {
      const Manifest manifest = read_manifest(place.folder);
      all.push_back(summary(place.folder, manifest));
      text = fmt::format("step {:>9}  {:>10}  {} rank{}  {}", manifest.step,
                         human_bytes(bytes_of(manifest)), manifest.ranks,
                         manifest.ranks == 1 ? "" : "s", manifest.written);
    } catch (const UserError& error) {
      all.push_back({{"folder", place.folder}, {"step", place.step}, {"damage", error.what()}});
      text = fmt::format("step {:>9}  damaged: {}", place.step, error.what());
    }
    if (!arguments.json) print_out("{}\n", text);
  }
  if (arguments.json) print_out("{}\n", json_text(nlohmann::json{{"checkpoints", all}}));
  return kDone;
}

int show(const CkptArguments& arguments) {
  const std::string folder = folder_of(arguments.path);
  const Manifest manifest = read_manifest(folder);
  nlohmann::json json = summary(folder, manifest);
  json["tensors"] = nlohmann::json::array();
  std::string text = fmt::format(
      "checkpoint {}\n  step         {} (epoch {}, batch {} of it; {} examples seen)\n  seed       "
      "  "
      "{}\n  written      {}\n  by           {} rank{}\n  program      {}\n  plan         {}\n",
      folder, manifest.step, manifest.data.epoch, manifest.data.batch, manifest.data.examples,
      manifest.seed, manifest.written, manifest.ranks, manifest.ranks == 1 ? "" : "s",
      hex(hash_bytes(manifest.program)), hex(hash_bytes(manifest.plan)));
  text += "shards\n";
  for (const ManifestShard& shard : manifest.shards)
    text += fmt::format("  {}  {:>10}  {}\n", shard.file,
                        human_bytes(static_cast<int64_t>(shard.bytes)), hex(shard.hash));
  text += "tensors\n";
  for (const ManifestTensor& tensor : manifest.tensors) {
    const std::string what = describe(Array{tensor.type, tensor.shape, {}});
    const char* kind = tensor.trained ? "parameter" : "state";
    text += fmt::format("  {:<9}  {}: {} in {} piece{}\n", kind, tensor.name, what,
                        tensor.pieces.size(), tensor.pieces.size() == 1 ? "" : "s");
    json["tensors"].push_back({{"name", tensor.name},
                               {"type", name_of(tensor.type)},
                               {"shape", tensor.shape},
                               {"kind", kind},
                               {"pieces", tensor.pieces.size()}});
  }
  json["seed"] = manifest.seed;
  json["data"] = {{"epoch", manifest.data.epoch},
                  {"batch", manifest.data.batch},
                  {"examples", manifest.data.examples}};
  json["program"] = manifest.program;
  json["plan"] = manifest.plan;
  print_out("{}", arguments.json ? json_text(json) + "\n" : text);
  return kDone;
}

int verify(const CkptArguments& arguments) {
  std::vector<std::string> folders;
  if (std::filesystem::exists(arguments.path + "/manifest.json"))
    folders.push_back(arguments.path);
  else
    for (const CheckpointPlace& place : list_checkpoints(arguments.path))
      folders.push_back(place.folder);
  if (folders.empty()) folder_of(arguments.path);  // says so
  nlohmann::json all = nlohmann::json::array();
  std::vector<std::string> damaged;
  for (const std::string& folder : folders) {
    std::string problem;
    try {
      const Manifest manifest = read_manifest(folder);
      verify_checkpoint(folder, manifest);
      const auto file = open_checkpoint(folder, manifest);
      for (size_t i = 0; i < file->tensors().size(); ++i) file->read(i);
    } catch (const UserError& error) {
      problem = error.what();
      damaged.push_back(folder);
    }
    all.push_back({{"folder", folder}, {"damage", problem}});
    if (!arguments.json)
      print_out("{}: {}\n", folder, problem.empty() ? "whole" : "damaged: " + problem);
  }
  if (arguments.json) print_out("{}\n", json_text(nlohmann::json{{"checkpoints", all}}));
  if (!damaged.empty()) throw UserError("damaged: " + join(damaged));
  return kDone;
}

int export_tensors(const CkptArguments& arguments) {
  const std::string folder = folder_of(arguments.path);
  Manifest manifest = read_manifest(folder);
  verify_checkpoint(folder, manifest);
  std::vector<bool> trained;
  for (const ManifestTensor& tensor : manifest.tensors) trained.push_back(tensor.trained);
  const auto file = open_checkpoint(folder, std::move(manifest));
  constexpr int64_t kMostElements = 2 << 20;  // in memory at once
  std::vector<TensorToWrite> tensors;
  for (size_t i = 0; i < trained.size(); ++i) {
    if (arguments.params && !trained[i]) continue;
    const StoredTensor& tensor = file->tensors()[i];
    tensors.push_back(
        {tensor.name, *tensor.type, tensor.shape, {}, [&file, &tensor, i](auto& write) {
           each_slab(tensor.shape, kMostElements,
                     [&](const Box& slab) { write(file->read(i, slab).data); });
         }});
  }
  replace_safetensors(FileSystem(), arguments.out, tensors, {{"written_by", "tessera"}});
  if (arguments.json)
    print_out("{}\n",
              json_text(nlohmann::json{{"file", arguments.out}, {"tensors", tensors.size()}}));
  else
    print_out("{} tensor{} of {} -> {}\n", tensors.size(), tensors.size() == 1 ? "" : "s", folder,
              arguments.out);
  return kDone;
}

}  // namespace

void add_ckpt_command(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CkptArguments>();
  CLI::App* command = app.add_subcommand("ckpt", "Look at checkpoints, check and convert them");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, const char* path,
                       int (*run)(const CkptArguments&)) {
    CLI::App* sub = command->add_subcommand(name, what);
    sub->add_option("PATH", arguments->path, path)->required();
    sub->add_flag("--json", arguments->json, "print one JSON object");
    sub->callback([=, &action] { action = [=] { return run(*arguments); }; });
    return sub;
  };
  const char* either = "a checkpoint, or a folder of them (then its newest)";
  add("ls", "List the checkpoints in a folder, the newest first", "a folder of checkpoints", ls);
  add("show", "Show what a checkpoint says: step, seed, data, plan, shards, tensors", either, show);
  add("verify", "Read it all and compare hashes; exit code 2 when something is damaged",
      "a checkpoint, or a folder of them (then all of them)", verify);
  CLI::App* out =
      add("export", "Write its tensors to one .safetensors file", either, export_tensors);
  out->add_option("FILE", arguments->out, "the file")->required();
  out->add_flag("--params", arguments->params, "parameters only, no states");
  CLI::App* diff =
      add("diff", "Compare tensors bit by bit; exit code 1 when they differ", either,
          [](const CkptArguments& a) { return diff_tensors(a.path, a.other, a.json); });
  diff->add_option("OTHER", arguments->other, "another one, or a .safetensors or .npz file")
      ->required();
}

}  // namespace tessera

#include "launcher/bench/suite.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "launcher/programs.h"
#include "launcher/yaml.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kPeers = {"openblas", "onednn", "jax", "torch"};

std::vector<std::string> strings_of(const YamlNode& list) {
  std::vector<std::string> result;
  for (const YamlNode& item : list.items()) result.push_back(item.as_string());
  return result;
}

std::vector<std::string> peers_of(const YamlNode& list) {
  std::vector<std::string> result;
  for (const YamlNode& item : list.items()) result.push_back(item.as_choice(kPeers));
  return result;
}

SuiteRow read_row(const YamlNode& node, const fs::path& folder, const SuiteRow& common) {
  node.allow_keys({"name", "program", "dims", "outputs", "peers"});
  SuiteRow row = common;
  const YamlNode program = node.at("program");
  const fs::path file = folder / program.as_string();
  if (!fs::exists(file)) program.fail("names `" + file.string() + "`, which is not there");
  row.file = file.string();
  row.name = file.stem().string();
  if (const auto name = node.find("name")) row.name = name->as_string();
  if (const auto dims = node.find("dims"))
    for (const auto& [dim, extent] : dims->entries())
      row.dims[dim] = extent.as_int(1, std::numeric_limits<int32_t>::max());
  if (const auto outputs = node.find("outputs")) row.outputs = strings_of(*outputs);
  if (const auto peers = node.find("peers")) row.peers = peers_of(*peers);
  return row;
}

// What each row is repeated for: a name for its rows, and the outputs.
using Parts = std::vector<std::pair<std::string, std::vector<std::string>>>;

void add_rows(Suite& suite, const SuiteRow& row, const Parts& parts) {
  if (parts.empty()) suite.rows.push_back(row);
  for (const auto& [name, outputs] : parts) {
    suite.rows.push_back(row);
    suite.rows.back().outputs = outputs;
    suite.rows.back().name += " " + name;
  }
}

}  // namespace

Suite load_suite(const std::string& file) {
  const YamlNode root = load_yaml(file);
  root.allow_keys({"title", "measure", "peers", "parts", "work", "tolerance", "rows"});
  Suite suite;
  suite.name = fs::path(file).stem().string();
  suite.title = root.at("title").as_string();
  if (const auto measure = root.find("measure")) {
    const std::string word = measure->as_choice({"peers", "peak", "bandwidth"});
    suite.measure = word == "peak"        ? Measure::peak
                    : word == "bandwidth" ? Measure::bandwidth
                                          : Measure::peers;
  }
  if (const auto tolerance = root.find("tolerance"))
    suite.tolerance = tolerance->as_positive_number();
  SuiteRow common;
  if (const auto peers = root.find("peers")) common.peers = peers_of(*peers);
  if (const auto work = root.find("work")) common.work = strings_of(*work);
  Parts parts;
  if (const auto lists = root.find("parts"))
    for (const auto& [name, list] : lists->entries()) parts.emplace_back(name, strings_of(list));
  for (const YamlNode& node : root.at("rows").items())
    add_rows(suite, read_row(node, fs::path(file).parent_path(), common), parts);
  return suite;
}

std::vector<Suite> load_suites(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".yaml" && load_yaml(entry.path()).find("rows"))
      files.push_back(entry.path());
  if (files.empty())
    throw UserError("there are no suites in `" + folder +
                    "`; they lie in the folder bench/ of a checkout of the source, which --folder "
                    "names");
  std::sort(files.begin(), files.end());
  std::vector<Suite> suites;
  for (const std::string& file : files) suites.push_back(load_suite(file));
  return suites;
}

std::vector<Suite> filtered(const std::vector<Suite>& suites, const std::string& filter) {
  std::vector<Suite> result;
  std::vector<std::string> names;
  for (Suite suite : suites) {
    names.push_back(suite.name);
    std::erase_if(suite.rows, [&](const SuiteRow& row) {
      return (suite.name + "/" + row.name).find(filter) == std::string::npos;
    });
    if (!suite.rows.empty()) result.push_back(std::move(suite));
  }
  if (result.empty())
    throw UserError("no row has `" + filter + "` in its SUITE/NAME; suites are " + join(names) +
                    ", and --list shows their rows");
  return result;
}

Program program_of(const SuiteRow& row) {
  const Program program = named_program(row.file, row.dims);
  if (row.outputs.empty()) return program;
  Program result(program.name(), program.where());
  for (const Dim& dim : program.dims()) result.declare(dim);
  for (const Tensor& tensor : program.tensors()) result.import(tensor);
  for (const Update& carry : program.carries()) result.add_carry(carry);
  std::vector<std::string> known;
  for (const Output& output : program.outputs()) known.push_back(output.name);
  for (const std::string& name : row.outputs) {
    const auto at = std::find(known.begin(), known.end(), name);
    if (at == known.end())
      throw UserError("row `" + row.name + "` asks for the output `" + name + "` of " + row.file +
                      ", which has " + join(known) + did_you_mean(name, known));
    result.add_output(program.outputs()[static_cast<size_t>(at - known.begin())]);
  }
  return result;
}

Program work_of(const SuiteRow& row) {
  SuiteRow work = row;
  if (!row.work.empty()) work.outputs = row.work;
  return program_of(work);
}

}  // namespace tessera

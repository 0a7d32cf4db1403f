#include "launcher/file_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "launcher/csv.h"
#include "launcher/stored_rows.h"

namespace tessera {
namespace {

bool ends_with_any(const std::string& file, const std::vector<std::string>& endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](const std::string& ending) { return file.ends_with(ending); });
}

bool is_table(const std::string& file) {
  return ends_with_any(file, {".csv", ".tsv"});
}

StoredRows raw_rows_for(const std::string& file, const Tensor& input) {
  std::vector<int64_t> shape;
  for (size_t d = 0; d < input.dims().size(); ++d)
    if (static_cast<int>(d) != batch_axis(input)) shape.push_back(input.dims()[d].extent());
  return raw_rows(file, input.type(), shape);
}

StoredRows only_array(const std::string& file) {
  std::vector<StoredRows> found = rows_in(file);
  if (found.size() == 1) return found.front();
  std::vector<std::string> names;
  for (const StoredRows& rows : found) names.push_back(rows.name);
  throw UserError(file + ": holds the arrays " + join(names) +
                  "; give it as `data.file`, and in data.inputs the array for each input");
}

FieldToLoad field_of_files(const Tensor& input, const std::string& path,
                           std::optional<int64_t> limit) {
  std::vector<StoredRows> shards;
  for (const std::string& file : shard_files(path)) {
    if (is_table(file))
      throw UserError(file +
                      ": is a table; give it as `data.file`, and in data.inputs the columns "
                      "for each input, as in {" +
                      input.name() + ": [a, b]}");
    shards.push_back(ends_with_any(file, {".bin", ".raw"}) ? raw_rows_for(file, input)
                                                           : only_array(file));
  }
  return join_shards(input.name(), std::move(shards), limit);
}

const StoredRows& array_called(const std::vector<StoredRows>& arrays, const std::string& name,
                               const std::string& file) {
  std::vector<std::string> names;
  for (const StoredRows& rows : arrays) {
    if (rows.name == name) return rows;
    names.push_back(rows.name.empty() ? "one without a name" : rows.name);
  }
  throw UserError(file + ": has no array `" + name + "`; it has " + join(names) +
                  did_you_mean(name, names));
}

std::string field_name(const FileData& data, const Tensor& input) {
  const auto it = data.inputs.find(input.name());
  return it == data.inputs.end() ? input.name() : it->second;
}

std::vector<FieldToLoad> fields_of_archives(const FileData& data, const Program& program,
                                            const std::vector<std::string>& files) {
  std::map<std::string, std::vector<StoredRows>> shards;
  for (const std::string& file : files) {
    const std::vector<StoredRows> arrays = rows_in(file);
    std::map<std::string, bool> taken;
    for (const Tensor& input : program.inputs()) {
      const std::string name = field_name(data, input);
      if (!std::exchange(taken[name], true))
        shards[name].push_back(array_called(arrays, name, file));
    }
  }
  std::vector<FieldToLoad> fields;
  for (auto& [name, rows] : shards)
    fields.push_back(join_shards(name, std::move(rows), data.limit));
  return fields;
}

std::vector<Field> fields_of_tables(const FileData& data, const Program& program,
                                    const std::vector<std::string>& files) {
  std::vector<CsvField> wanted;
  for (const Tensor& input : program.inputs()) {
    const std::string name = field_name(data, input);
    const bool known = std::any_of(wanted.begin(), wanted.end(),
                                   [&](const CsvField& field) { return field.name == name; });
    if (!known) wanted.push_back({name, split_columns(name), input.type()});
  }
  return read_csv(files, wanted, data.limit, data.most_bytes);
}

int64_t examples_of(const FieldToLoad& field) {
  int64_t examples = 0;
  for (const StoredRows& rows : field.shards) examples += rows.examples;
  return examples;
}

std::string origin_of(const FieldToLoad& field) {
  return field.shards.front().origin;
}

void check_examples(const std::vector<FieldToLoad>& fields) {
  for (const FieldToLoad& field : fields)
    if (examples_of(field) != examples_of(fields.front()))
      throw UserError(
          fmt::format("{}: has {} examples, but {} has {}; the first dim of every input "
                      "must be the same",
                      origin_of(field), examples_of(field), origin_of(fields.front()),
                      examples_of(fields.front())));
}

}  // namespace

int batch_axis(const Tensor& input) {
  for (size_t d = 0; d < input.dims().size(); ++d)
    if (input.dims()[d].name() == "batch") return static_cast<int>(d);
  return 0;
}

Dataset load_files(const FileData& data, const Program& program) {
  Dataset set;
  set.name = data.file.empty() ? "data.inputs" : data.file;
  if (program.inputs().empty())
    throw UserError(program.where(), "program `" + program.name() + "` has no input to feed");
  std::vector<FieldToLoad> fields;
  if (data.file.empty()) {
    for (const Tensor& input : program.inputs())
      if (const auto it = data.inputs.find(input.name()); it != data.inputs.end())
        fields.push_back(field_of_files(input, it->second, data.limit));
  } else {
    const std::vector<std::string> files = shard_files(data.file);
    if (std::any_of(files.begin(), files.end(), is_table)) {
      set.fields = fields_of_tables(data, program, files);
      const Field& first = set.fields.front();
      const size_t row = static_cast<size_t>(first.row_size()) * first.element_bytes();
      set.examples =
          first.rows ? first.rows->examples() : static_cast<int64_t>(first.data.size() / row);
      return set;
    }
    fields = fields_of_archives(data, program, files);
  }
  if (fields.empty())
    throw UserError(program.where(),
                    "data.inputs names no file for an input of program `" + program.name() + "`");
  check_examples(fields);
  set.examples = examples_of(fields.front());
  set.fields = load_fields(std::move(fields), data.most_bytes);
  return set;
}

}  // namespace tessera

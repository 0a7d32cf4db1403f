#include "launcher/feeds.h"

#include "base/error.h"
#include "ir/structure.h"
#include "launcher/programs.h"
#include "launcher/text.h"

namespace tessera {
namespace {

// The program's input -> the data set's field. What a config leaves out goes by name; our models'
// inputs are known.
std::string field_for(const Tensor& input, const Config& config, const Dataset& data) {
  const auto it = config.data.inputs.find(input.name());
  if (it != config.data.inputs.end()) return config.data.has_fields() ? it->second : input.name();
  if (!config.program.model.empty()) {
    if (input.name() == "image") return "images";
    if (input.name() == "token") return "text";
    if (input.name() == "truth") return config.data.text.empty() ? "labels" : "next";
  }
  std::vector<std::string> fields;
  for (const Field& field : data.fields) {
    if (field.name == input.name()) return field.name;
    fields.push_back(field.name);
  }
  throw UserError(input.where(), "the data feeds nothing to input `" + input.name() +
                                     "`; it has the fields " + join(fields) +
                                     ": add `data.inputs: {" + input.name() + ": FIELD}`");
}

int batch_axis(const Tensor& input) {
  for (size_t d = 0; d < input.dims().size(); ++d)
    if (input.dims()[d].name() == "batch") return static_cast<int>(d);
  return 0;
}

// How many values the first input takes for each example: a text's window.
int64_t window_of(const Program& program) {
  for (const Tensor& input : program.inputs()) {
    const int64_t batch = extents(input.dims()).at(static_cast<size_t>(batch_axis(input)));
    if (batch > 0) return volume(input.dims()) / batch;
  }
  throw UserError(program.where(), "program `" + program.name() + "` has no input to feed");
}

// Where an input is the index of a read, what its field holds must lie in the dim indexed.
void check_range(const Program& program, const Tensor& input, const Field& field,
                 const std::string& data) {
  if (field.below == 0) return;
  for (const Tensor& tensor : program.definitions())
    for (const Expr& node : subexpressions(tensor.value())) {
      const Read* read = as<Read>(node);
      if (read == nullptr) continue;
      for (size_t i = 0; i < read->indices.size(); ++i) {
        const Read* index = as<Read>(read->indices[i].value);
        const Dim& dim = read->tensor.dims()[i];
        if (index == nullptr || !(index->tensor == input) || read->indices[i].padded ||
            dim.extent() >= field.below)
          continue;
        throw UserError(input.where(), "`" + input.name() + "` indexes the dim `" + dim.name() +
                                           "`, of extent " + std::to_string(dim.extent()) +
                                           ", and " + data + " has " + std::to_string(field.below) +
                                           " different characters; raise `" + dim.name() + "` to " +
                                           std::to_string(field.below));
      }
    }
}

Dataset load(const Config& config, Split split) {
  const DataConfig& data = config.data;
  if (!data.text.empty()) {
    const int64_t window = window_of(evaluation_program(config));
    return load_text({data.text, window, data.test, data.limit}, split);
  }
  if (data.set == "fashion-mnist") {
    const std::string folder = data.dir.empty() ? kFashionMnistFolder : data.dir;
    return load_fashion_mnist(folder, split, split == Split::train ? data.limit : std::nullopt);
  }
  TESSERA_CHECK(data.set.empty()) << "unknown data set " << data.set;
  return load_npy_dataset(data.inputs, data.limit);
}

}  // namespace

std::function<DatasetPtr()> data_loader(const Config& config, Split split) {
  const DataConfig& data = config.data;
  const bool tested = !data.set.empty() || (!data.text.empty() && data.test > 0);
  if (split == Split::test && !tested) return [] { return DatasetPtr(); };
  return [config, split] { return std::make_shared<const Dataset>(load(config, split)); };
}

int64_t batch_of(const Program& program) {
  for (const Dim& dim : program.dims())
    if (dim.name() == "batch") return dim.extent();
  for (const Tensor& input : program.inputs())
    if (!input.dims().empty()) return input.dims()[0].extent();
  return 1;
}

Feeds::Feeds(const Program& program, const Config& config, DatasetPtr data, Order order)
    : examples_(data->examples) {
  std::vector<BatchInput> inputs;
  for (const Tensor& input : program.inputs()) {
    inputs.push_back({input.name(), field_for(input, config, *data), input.type(),
                      extents(input.dims()), batch_axis(input)});
    check_range(program, input, data->field(inputs.back().field), data->name);
  }
  if (!config.data.shuffle) order = Order::sequential;
  source_ = std::make_shared<BatchSource>(std::move(data), std::move(inputs), order,
                                          static_cast<uint64_t>(config.train.seed));
}

int64_t Feeds::full_batches() const {
  return std::max<int64_t>(1, examples_ / source_->batch());
}

void Feeds::feed(Executable& executable, int64_t step) {
  const std::vector<BatchInput>& inputs = source_->inputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::span<std::byte> place = executable.input_place(inputs[i].input);
    source_->fill(step, i, executable.part_of(inputs[i].input), place);
  }
}

}  // namespace tessera

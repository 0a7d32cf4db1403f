#include "launcher/feeds.h"

#include <algorithm>

#include "base/error.h"
#include "base/host_memory.h"
#include "ir/structure.h"
#include "launcher/file_dataset.h"
#include "launcher/programs.h"
#include "launcher/text.h"

namespace tessera {
namespace {

// The program's input -> the data set's field. What a config leaves out goes by name; our models'
// inputs are known.
std::string field_for(const Tensor& input, const Config& config, const Dataset& data) {
  const auto it = config.data.inputs.find(input.name());
  if (it != config.data.inputs.end()) return config.data.has_fields() ? it->second : input.name();
  if (!config.program.model.empty() && !config.data.of_files() && config.data.set != "synthetic") {
    if (input.name() == "image") return "images";
    if (input.name() == "token") return "text";
    if (input.name() == "truth") return config.data.text.empty() ? "labels" : "next";
  }
  std::vector<std::string> fields;
  for (const Field& field : data.all_fields()) {
    if (field.name == input.name()) return field.name;
    fields.push_back(field.name);
  }
  throw UserError(input.where(), "the data feeds nothing to input `" + input.name() +
                                     "`; it has the fields " + join(fields) +
                                     ": add `data.inputs: {" + input.name() + ": FIELD}`");
}

// How many values the first input takes for each example: a text's window.
int64_t window_of(const Program& program) {
  for (const Tensor& input : program.inputs()) {
    const int64_t batch = extents(input.dims()).at(static_cast<size_t>(batch_axis(input)));
    if (batch > 0) return volume(input.dims()) / batch;
  }
  throw UserError(program.where(), "program `" + program.name() + "` has no input to feed");
}

// The dims that values of an input index.
Dims indexed_by(const Program& program, const Tensor& input) {
  Dims dims;
  for (const Tensor& tensor : program.definitions())
    for (const Expr& node : subexpressions(tensor.value())) {
      const Read* read = as<Read>(node);
      if (read == nullptr) continue;
      for (size_t i = 0; i < read->indices.size(); ++i) {
        const Read* index = as<Read>(read->indices[i].value);
        if (index != nullptr && index->tensor == input && !read->indices[i].padded)
          dims.push_back(read->tensor.dims()[i]);
      }
    }
  return dims;
}

// Where an input is the index of a read, what its field holds must lie in the dim indexed.
void check_range(const Program& program, const Tensor& input, const Field& field,
                 const std::string& data) {
  if (field.below == 0) return;
  for (const Dim& dim : indexed_by(program, input))
    if (dim.extent() < field.below)
      throw UserError(input.where(), "`" + input.name() + "` indexes the dim `" + dim.name() +
                                         "`, of extent " + std::to_string(dim.extent()) + ", and " +
                                         data + " has " + std::to_string(field.below) +
                                         " different characters; raise `" + dim.name() + "` to " +
                                         std::to_string(field.below));
}

// Made-up values for every input, such as its reads allow.
Dataset make_up(const Config& config, Split split) {
  constexpr int64_t kBatches = 16;  // of training; a quarter of that to test
  const Program program = evaluation_program(config);
  std::vector<SyntheticField> fields;
  for (const Tensor& input : program.inputs()) {
    SyntheticField field{input.name(), input.type(), extents(input.dims())};
    field.row_shape.erase(field.row_shape.begin() + batch_axis(input));
    const Dims dims = indexed_by(program, input);
    for (size_t i = 0; i < dims.size(); ++i)
      field.below = i == 0 ? dims[i].extent() : std::min(field.below, dims[i].extent());
    fields.push_back(std::move(field));
  }
  const bool test = split == Split::test;
  int64_t examples = kBatches * batch_of(program) / (test ? 4 : 1);
  if (!test) examples = config.data.limit.value_or(examples);
  return make_synthetic_dataset(fields, examples,
                                static_cast<uint64_t>(config.train.seed) + (test ? 1 : 0));
}

// A quarter of what is free, shared by the ranks, may hold data unless the config says how much.
int64_t memory_for_data(const Config& config) {
  if (config.data.memory) return *config.data.memory;
  return std::min(host_memory().available, process_memory().available) / 4 / config.cluster.ranks();
}

Dataset load_files_of(const Config& config, Split split) {
  const DataConfig& data = config.data;
  const bool own = split == Split::test;  // files for testing only
  return load_files({own && !data.file.empty() ? data.test_file : data.file,
                     own && data.file.empty() ? data.test_inputs : data.inputs,
                     own ? std::nullopt : data.limit, memory_for_data(config)},
                    evaluation_program(config));
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
  if (data.set == "synthetic") return make_up(config, split);
  TESSERA_CHECK(data.set.empty()) << "unknown data set " << data.set;
  return load_files_of(config, split);
}

// Files of which a share is held out: both parts are of one set, which is loaded once.
DataLoaders shared_loaders(const Config& config) {
  auto whole = std::make_shared<DatasetPtr>();
  const double test = config.data.test;
  return {[=] {
            *whole = std::make_shared<const Dataset>(load(config, Split::train));
            return std::make_shared<const Dataset>(part_for(Split::train, *whole, test));
          },
          [=] {
            TESSERA_CHECK(*whole) << "test data before training data";
            return std::make_shared<const Dataset>(part_for(Split::test, *whole, test));
          }};
}

}  // namespace

DataLoaders data_loaders(const Config& config) {
  const DataConfig& data = config.data;
  if (data.of_files() && data.test > 0) return shared_loaders(config);
  const auto loader = [&config](Split split) -> std::function<DatasetPtr()> {
    return [config, split] { return std::make_shared<const Dataset>(load(config, split)); };
  };
  const bool tested = data.of_files() ? !data.test_file.empty() || !data.test_inputs.empty()
                                      : !data.set.empty() || data.test > 0;
  if (tested) return {loader(Split::train), loader(Split::test)};
  return {loader(Split::train), [] { return DatasetPtr(); }};
}

int64_t batch_of(const Program& program) {
  for (const Dim& dim : program.dims())
    if (dim.name() == "batch") return dim.extent();
  for (const Tensor& input : program.inputs())
    if (!input.dims().empty()) return input.dims()[0].extent();
  return 1;
}

Feeds::Feeds(const Program& program, const Config& config, DatasetPtr data, Order order)
    : data_(data) {
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
  return std::max<int64_t>(1, data_->examples / source_->batch());
}

// A thread that is woken for every step costs some microseconds, as much as copying this.
bool Feeds::worth_a_thread(const Executable& executable) const {
  constexpr int64_t kLeastBytes = 64 << 10;
  int64_t bytes = 0;
  for (const BatchInput& input : source_->inputs()) {
    if (data_->field(input.field).rows) return true;
    bytes += volume(executable.part_of(input.input)) * static_cast<int64_t>(size_of(input.type));
  }
  return bytes >= kLeastBytes;
}

void Feeds::start(const Executable& executable, int64_t step) {
  constexpr int64_t kMostBytes = 64 << 20;
  std::vector<Box> boxes;
  Prefetcher::Plan plan{{}, step, end_, 2};
  int64_t bytes = 1;
  for (const BatchInput& input : source_->inputs()) {
    boxes.push_back(executable.part_of(input.input));
    plan.sizes.push_back(static_cast<size_t>(volume(boxes.back())) * size_of(input.type));
    bytes += static_cast<int64_t>(plan.sizes.back());
  }
  plan.depth = std::clamp<int64_t>(kMostBytes / bytes, 2, 16);
  ahead_.reset();
  ahead_ = std::make_unique<Prefetcher>(
      std::move(plan), [source = source_, boxes](int64_t at, Prefetcher::Buffers& into) {
        for (size_t i = 0; i < into.size(); ++i) source->fill(at, i, boxes[i], into[i]);
      });
}

void Feeds::feed(Executable& executable, int64_t step) {
  const std::vector<BatchInput>& inputs = source_->inputs();
  const bool ahead = step < end_ && (ahead_ || worth_a_thread(executable));
  if (ahead && (!ahead_ || ahead_->next() != step)) start(executable, step);
  if (!ahead) ahead_.reset();
  const Prefetcher::Buffers* ready = ahead ? &ahead_->take(step) : nullptr;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::span<std::byte> place = executable.input_place(inputs[i].input);
    if (ready != nullptr)
      std::copy((*ready)[i].begin(), (*ready)[i].end(), place.begin());
    else
      source_->fill(step, i, executable.part_of(inputs[i].input), place);
  }
}

}  // namespace tessera

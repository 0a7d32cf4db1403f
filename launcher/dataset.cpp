#include "launcher/dataset.h"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/convert.h"
#include "base/error.h"
#include "launcher/idx.h"
#include "launcher/random.h"
#include "storage/npy.h"

namespace tessera {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Field npy_field(const std::string& name, const std::string& file, std::optional<int64_t> limit) {
  const NpyHeader header = read_npy_header(file);
  if (header.shape.empty())
    throw UserError(file + ": holds a single value; input `" + name +
                    "` needs a first dim that counts examples");
  Array array = read_npy(file);
  Field field;
  field.name = name;
  field.is_bytes = header.type == DType::u8;
  field.type = field.is_bytes ? DType::i32 : header.type;
  field.row_shape.assign(header.shape.begin() + 1, header.shape.end());
  field.data = std::move(array.data);
  if (limit && *limit < header.shape[0]) {
    field.data.resize(static_cast<size_t>(*limit * field.row_size()) * size_of(header.type));
    field.data.shrink_to_fit();
  }
  return field;
}

template <typename T, typename Make>
void fill(Field& field, int64_t count, Make make) {
  field.data.resize(static_cast<size_t>(count) * sizeof(T));
  for (int64_t i = 0; i < count; ++i) {
    const T value = make(static_cast<uint64_t>(i));
    std::memcpy(field.data.data() + static_cast<size_t>(i) * sizeof(T), &value, sizeof(T));
  }
}

// The sum of four uniform values, centred and scaled: mean 0, deviation 1, never beyond 3.5.
double normal_like(uint64_t key, uint64_t counter) {
  const uint64_t bits = random_bits(key, counter);
  double sum = 0;
  for (int part = 0; part < 4; ++part)
    sum += static_cast<double>((bits >> (16 * part)) & 0xffff) / 65535.0;
  return (sum - 2.0) * 1.7320508075688772;
}

}  // namespace

int64_t Field::row_size() const {
  return count_elements(name, row_shape);
}

const Field& Dataset::field(const std::string& field_name) const {
  std::vector<std::string> names;
  for (const Field& candidate : fields) {
    if (candidate.name == field_name) return candidate;
    names.push_back(candidate.name);
  }
  throw UserError("data set " + name + " has no field `" + field_name + "`; it has " + join(names) +
                  did_you_mean(field_name, names));
}

Dataset load_fashion_mnist(const std::string& folder, Split split, std::optional<int64_t> limit) {
  const Stopwatch watch;
  const std::string stem = folder + (split == Split::train ? "/train" : "/t10k");
  const std::string image_file = stem + "-images-idx3-ubyte.gz";
  const std::string label_file = stem + "-labels-idx1-ubyte.gz";
  for (const std::string& file : {image_file, label_file})
    if (!std::filesystem::exists(file))
      throw UserError(file +
                      ": Fashion-MNIST is not there; apt-get install dataset-fashion-mnist, "
                      "or name its folder in data.dir");
  IdxArray images = read_idx(image_file, limit);
  IdxArray labels = read_idx(label_file, limit);
  if (images.shape.size() != 3 || labels.shape.size() != 1 || images.shape[0] != labels.shape[0])
    throw UserError(
        fmt::format("{}: has {} dims and {} images for {} labels; expected 3 dims and as "
                    "many images as labels",
                    image_file, images.shape.size(), images.shape[0], labels.shape[0]));
  constexpr float kMean = 0.2860f;
  constexpr float kDeviation = 0.3530f;
  Field image{"images", DType::f32, {images.shape[1], images.shape[2]}, true, 1, 0, {}};
  image.scale = 1 / (255 * kDeviation);
  image.shift = -kMean / kDeviation;
  image.data = std::move(images.data);
  Field label{"labels", DType::i32, {}, true, 1, 0, std::move(labels.data)};
  Dataset set;
  set.name = "fashion-mnist";
  set.examples = labels.shape[0];
  set.fields = {std::move(image), std::move(label)};
  set.load_seconds = watch.seconds();
  return set;
}

Dataset load_npy_dataset(const std::map<std::string, std::string>& files,
                         std::optional<int64_t> limit) {
  const Stopwatch watch;
  Dataset set;
  set.name = "npy files";
  std::string first_file;
  int64_t first_examples = 0;
  for (const auto& [name, file] : files) {
    Field field = npy_field(name, file, limit);
    const int64_t examples = read_npy_header(file).shape[0];
    if (set.fields.empty()) {
      first_file = file;
      first_examples = examples;
    } else if (examples != first_examples) {
      throw UserError(
          fmt::format("{}: has {} examples, but {} has {}; the first dim of every input "
                      "must be the same",
                      file, examples, first_file, first_examples));
    }
    set.fields.push_back(std::move(field));
  }
  set.examples = limit ? std::min(*limit, first_examples) : first_examples;
  set.load_seconds = watch.seconds();
  return set;
}

Dataset make_synthetic_dataset(const std::vector<SyntheticField>& fields, int64_t examples,
                               uint64_t seed) {
  const Stopwatch watch;
  Dataset set;
  set.name = "synthetic";
  set.examples = examples;
  for (size_t f = 0; f < fields.size(); ++f) {
    const SyntheticField& wanted = fields[f];
    Field field{wanted.name, wanted.type, wanted.row_shape, false, 1, 0, {}};
    std::vector<int64_t> shape = {examples};
    shape.insert(shape.end(), wanted.row_shape.begin(), wanted.row_shape.end());
    const int64_t count = count_elements(wanted.name, shape);
    const uint64_t key = random_bits(seed, f);
    const auto below = static_cast<uint64_t>(wanted.below);
    const auto normal = [&](uint64_t i) { return normal_like(key, i); };
    const auto integer = [&](uint64_t i) { return random_below(key, i, below); };
    switch (wanted.type) {
      case DType::f32:
        fill<float>(field, count, normal);
        break;
      case DType::f64:
        fill<double>(field, count, normal);
        break;
      case DType::i32:
        fill<int32_t>(field, count, integer);
        break;
      case DType::i64:
        fill<int64_t>(field, count, integer);
        break;
      case DType::bf16:
        fill<uint16_t>(field, count, [&](uint64_t i) { return f64_to_bf16(normal(i)); });
        break;
      case DType::f16:
        fill<uint16_t>(field, count, [&](uint64_t i) { return f64_to_f16(normal(i)); });
        break;
      case DType::i8:
        fill<int8_t>(field, count, integer);
        break;
      case DType::u8:
        fill<uint8_t>(field, count, integer);
        break;
      case DType::b8:
        fill<uint8_t>(field, count, [&](uint64_t i) { return random_bits(key, i) & 1; });
    }
    set.fields.push_back(std::move(field));
  }
  set.load_seconds = watch.seconds();
  return set;
}

}  // namespace tessera

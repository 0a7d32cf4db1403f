#include "launcher/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/convert.h"
#include "base/error.h"
#include "base/hash.h"
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
  for (const Field& candidate : all_fields()) {
    if (candidate.name == field_name) return candidate;
    names.push_back(candidate.name);
  }
  throw UserError("data set " + name + " has no field `" + field_name + "`; it has " + join(names) +
                  did_you_mean(field_name, names));
}

uint64_t content_hash(const Field& field, int64_t examples) {
  constexpr int64_t kMostBytes = int64_t{1} << 30;
  constexpr int64_t kMostExamples = 4 << 20;  // each of which may be a call of the system
  constexpr int64_t kSamples = 4096;
  constexpr size_t kMostRowBytes = 4096;  // of each of them
  Hasher hasher;
  const bool few = examples <= kMostExamples;
  if (few && !field.rows && static_cast<int64_t>(field.data.size()) <= kMostBytes) {
    hasher.add(field.data);
    return hasher.value();
  }
  const size_t each = static_cast<size_t>(field.row_size()) * field.element_bytes();
  const bool all = few && examples <= kMostBytes / static_cast<int64_t>(std::max<size_t>(1, each));
  const int64_t count = all ? examples : std::min(examples, kSamples);
  const int64_t apart = count > 1 ? (examples - 1) / (count - 1) : 0;
  std::vector<std::byte> start(all ? each : std::min(each, kMostRowBytes));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t example = i * apart;
    if (field.rows)
      field.rows->read(example, 0, start);
    else
      std::copy_n(field.data.begin() + example * static_cast<int64_t>(each), start.size(),
                  start.begin());
    hasher.add(start);
  }
  return hasher.value();
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

Dataset part_for(Split split, std::shared_ptr<const Dataset> whole, double test) {
  const int64_t all = whole->examples;
  const int64_t tested = std::llround(test * static_cast<double>(all));
  if (tested < 1 || tested >= all)
    throw UserError(fmt::format("data.test is {}, which of the {} examples of {} leaves {} for {}",
                                test, all, whole->name, tested < 1 ? "none" : "all",
                                "testing; change it, or give test data of its own"));
  // Of the tested ones, number t is row (t + 1) * all / tested - 1.
  const auto tested_row = [=](int64_t t) {
    __extension__ using Wide = __int128;
    return static_cast<int64_t>(Wide{t + 1} * all / tested) - 1;
  };
  Dataset part;
  part.name = whole->name;
  part.shifts = whole->shifts;
  part.load_seconds = whole->load_seconds;
  part.whole = std::move(whole);
  if (split == Split::test) {
    part.examples = tested;
    part.row = tested_row;
    return part;
  }
  part.examples = all - tested;
  part.row = [=](int64_t example) {
    // How many tested ones come before it: those t with tested_row(t) - t <= example.
    int64_t low = 0;
    int64_t high = tested;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (tested_row(middle) - middle <= example)
        low = middle + 1;
      else
        high = middle;
    }
    return example + low;
  };
  return part;
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

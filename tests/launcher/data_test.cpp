#include "launcher/data.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstring>
#include <set>

#include "base/error.h"
#include "launcher/idx.h"
#include "storage/npy.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

// A set of `examples` rows of 2 x 3 with values 10 * row + position, and a label `row`.
DatasetPtr small_set(int64_t examples, bool bytes) {
  Dataset set;
  set.name = "small";
  set.examples = examples;
  Field x{"x", bytes ? DType::i32 : DType::f32, {2, 3}, bytes, 1, 0, {}};
  Field y{"y", DType::i64, {}, false, 1, 0, {}};
  for (int64_t row = 0; row < examples; ++row) {
    for (int64_t at = 0; at < 6; ++at) {
      const auto value = static_cast<float>(10 * row + at);
      const auto* begin = reinterpret_cast<const std::byte*>(&value);
      if (bytes)
        x.data.push_back(static_cast<std::byte>(10 * row + at));
      else
        x.data.insert(x.data.end(), begin, begin + sizeof value);
    }
    const auto* begin = reinterpret_cast<const std::byte*>(&row);
    y.data.insert(y.data.end(), begin, begin + sizeof row);
  }
  set.fields = {x, y};
  return std::make_shared<const Dataset>(std::move(set));
}

template <typename T>
std::vector<T> filled(BatchSource& source, int64_t step, size_t input, const Box& box) {
  size_t size = 1;
  for (size_t d = 0; d < box.begin.size(); ++d)
    size *= static_cast<size_t>(box.end[d] - box.begin[d]);
  std::vector<T> values(size);
  source.fill(step, input, box, std::as_writable_bytes(std::span(values)));
  return values;
}

TEST(Data, ServesABoxOfABatch) {
  BatchSource source(small_set(4, false), {{"image", "x", DType::f32, {2, 2, 3}, 0}},
                     Order::sequential, 0);
  EXPECT_EQ(filled<float>(source, 1, 0, {{0, 0, 1}, {2, 2, 3}}),
            (std::vector<float>{21, 22, 24, 25, 31, 32, 34, 35}));
  EXPECT_EQ(filled<float>(source, 0, 0, {{1, 1, 0}, {2, 2, 3}}), (std::vector<float>{13, 14, 15}));
  EXPECT_TRUE(filled<float>(source, 0, 0, {{1, 1, 0}, {1, 2, 3}}).empty());
}

TEST(Data, FlattensAndPutsTheBatchAnywhere) {
  BatchSource source(small_set(4, true),
                     {{"flat", "x", DType::f32, {2, 6}, 0}, {"last", "x", DType::i64, {6, 2}, 1}},
                     Order::sequential, 0);
  EXPECT_EQ(filled<float>(source, 0, 0, {{1, 2}, {2, 5}}), (std::vector<float>{12, 13, 14}));
  EXPECT_EQ(filled<int64_t>(source, 0, 1, {{1, 0}, {3, 2}}), (std::vector<int64_t>{1, 11, 2, 12}));
}

// Whatever the boxes, the shards of a batch together are the batch.
TEST(Data, ShardsMakeUpTheBatch) {
  const DatasetPtr set = small_set(20, true);
  const std::vector<BatchInput> inputs = {{"image", "x", DType::f32, {7, 2, 3}, 0}};
  BatchSource whole(set, inputs, Order::shuffled, 5);
  for (int64_t step = 0; step < 6; ++step) {
    const auto expected = filled<float>(whole, step, 0, {{0, 0, 0}, {7, 2, 3}});
    std::vector<float> joined;
    for (const auto& [low, high] : {std::pair{0, 3}, {3, 4}, {4, 7}}) {
      BatchSource rank(set, inputs, Order::shuffled, 5);
      const auto part = filled<float>(rank, step, 0, {{low, 0, 0}, {high, 2, 3}});
      joined.insert(joined.end(), part.begin(), part.end());
    }
    EXPECT_EQ(joined, expected);
  }
}

TEST(Data, ShufflesEachEpochAnew) {
  BatchSource source(small_set(25, true), {{"y", "y", DType::i64, {6}, 0}}, Order::shuffled, 3);
  EXPECT_EQ(source.steps_per_epoch(), 4);
  std::vector<std::vector<int64_t>> epochs;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<int64_t> seen;
    for (int64_t step = 0; step < 4; ++step)
      for (int64_t row = 0; row < 6; ++row) seen.push_back(source.example(4 * epoch + step, row));
    EXPECT_EQ(std::set<int64_t>(seen.begin(), seen.end()).size(), 24u) << "each example once";
    epochs.push_back(seen);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
  // The order is part of what makes runs repeatable: it must not change by accident.
  BatchSource again(small_set(25, true), {{"y", "y", DType::i64, {6}, 0}}, Order::shuffled, 3);
  EXPECT_EQ(again.example(9, 2), epochs[2][8]);
  BatchSource other(small_set(25, true), {{"y", "y", DType::i64, {6}, 0}}, Order::shuffled, 4);
  std::vector<int64_t> seen;
  for (int64_t step = 0; step < 4; ++step)
    for (int64_t row = 0; row < 6; ++row) seen.push_back(other.example(step, row));
  EXPECT_NE(seen, epochs[0]);
}

// Over many seeds, every example is first about equally often.
TEST(Data, TheShuffleIsFair) {
  const DatasetPtr set = small_set(5, true);
  std::vector<int> first(5, 0);
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    BatchSource source(set, {{"y", "y", DType::i64, {5}, 0}}, Order::shuffled, seed);
    ++first[static_cast<size_t>(source.example(0, 0))];
  }
  for (const int count : first) EXPECT_NEAR(count, 1000, 150);
}

TEST(Data, ALastPartialBatchRepeatsTheLastExample) {
  BatchSource source(small_set(5, true), {{"y", "y", DType::i64, {3}, 0}}, Order::sequential, 0);
  EXPECT_EQ(source.steps_per_epoch(), 2);
  EXPECT_EQ(source.valid_rows(0), 3);
  EXPECT_EQ(source.valid_rows(1), 2);
  EXPECT_EQ(filled<int64_t>(source, 1, 0, {{0}, {3}}), (std::vector<int64_t>{3, 4, 4}));
}

TEST(Data, RefusesInputsThatDoNotFit) {
  const auto error = [](std::vector<BatchInput> inputs, int64_t examples = 4) {
    return message_of<UserError>(
        [&] { BatchSource(small_set(examples, false), inputs, Order::shuffled, 0); });
  };
  EXPECT_EQ(error({{"image", "xx", DType::f32, {2, 6}, 0}}),
            "data set small has no field `xx`; it has x, y (did you mean `x`?)");
  EXPECT_EQ(error({{"image", "x", DType::f32, {2, 7}, 0}}),
            "input `image` takes 7 values per example, but field `x` of small has 6: f32[2, 3]");
  EXPECT_EQ(error({{"image", "x", DType::i32, {2, 6}, 0}}),
            "input `image` is i32, but field `x` of small is f32");
  EXPECT_EQ(error({{"a", "x", DType::f32, {2, 6}, 0}, {"b", "y", DType::i64, {3}, 0}}),
            "input `b` has a batch of 3, but `a` has 2");
  EXPECT_EQ(error({{"b", "y", DType::i64, {9}, 0}}),
            "data set small has 4 examples, less than one batch of 9; lower data.batch or raise "
            "data.limit");
}

// Rows that stay in a file are served as those in memory are.
TEST(Data, ServesRowsOfAFile) {
  const TempFolder folder;
  const DatasetPtr memory = small_set(25, false);
  Dataset set = *memory;
  for (Field& field : set.fields) {
    const std::string file = folder.write(
        field.name, {reinterpret_cast<const char*>(field.data.data()), field.data.size()});
    const size_t row = field.data.size() / 25;
    field.rows = std::make_shared<const RowReader>(
        std::vector<RowReader::Part>{{std::make_shared<const FileReader>(file), 0, 10},
                                     {std::make_shared<const FileReader>(file), 10 * row, 15}},
        row, false);
    field.data.clear();
  }
  const auto files = std::make_shared<const Dataset>(std::move(set));
  const std::vector<BatchInput> inputs = {{"image", "x", DType::f32, {2, 6, 3}, 1},
                                          {"label", "y", DType::i64, {6}, 0}};
  for (const Order order : {Order::shuffled, Order::sequential}) {
    BatchSource wanted(memory, inputs, order, 3);
    BatchSource found(files, inputs, order, 3);
    for (int64_t step = 0; step < 9; ++step) {
      EXPECT_EQ(filled<float>(found, step, 0, {{1, 2, 0}, {2, 6, 2}}),
                filled<float>(wanted, step, 0, {{1, 2, 0}, {2, 6, 2}}));
      EXPECT_EQ(filled<int64_t>(found, step, 1, {{0}, {6}}),
                filled<int64_t>(wanted, step, 1, {{0}, {6}}));
    }
  }
}

TEST(Data, MakesUpFields) {
  const Dataset set =
      make_synthetic_dataset({{"x", DType::f32, {50}, 2}, {"y", DType::i32, {}, 10}}, 200, 1);
  const auto* x = reinterpret_cast<const float*>(set.field("x").data.data());
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < 10000; ++i) {
    sum += x[i];
    squares += static_cast<double>(x[i]) * x[i];
  }
  EXPECT_NEAR(sum / 10000, 0, 0.05);
  EXPECT_NEAR(squares / 10000, 1, 0.05);
  const auto* y = reinterpret_cast<const int32_t*>(set.field("y").data.data());
  const std::set<int32_t> labels(y, y + 200);
  EXPECT_EQ(*labels.begin(), 0);
  EXPECT_EQ(*labels.rbegin(), 9);
}

std::string write_gzip(const std::string& file, const std::string& bytes) {
  gzFile stream = gzopen(file.c_str(), "wb");
  gzwrite(stream, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(stream);
  return file;
}

TEST(Idx, ReadsPlainAndPackedFiles) {
  const TempFolder folder;
  const std::string bytes(
      "\0\0\x08\x02\0\0\0\x02\0\0\0\x03"
      "abcdef",
      18);
  for (const std::string& file :
       {folder.write("plain", bytes), write_gzip(folder / "packed.gz", bytes)}) {
    const IdxArray array = read_idx(file);
    EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(std::memcmp(array.data.data(), "abcdef", 6), 0);
    EXPECT_EQ(read_idx(file, 1).shape, (std::vector<int64_t>{1, 3}));
  }
}

TEST(Idx, RefusesDamagedFiles) {
  const TempFolder folder;
  const std::string good(
      "\0\0\x08\x01\0\0\0\x03"
      "abc",
      11);
  const auto error = [&](const std::string& bytes, bool pack = true) {
    const std::string file = pack ? write_gzip(folder / "x", bytes) : folder.write("x", bytes);
    const std::string text = message_of<UserError>([&] { read_idx(file); });
    return text.substr(0, file.size() + 2) == file + ": " ? text.substr(file.size() + 2) : text;
  };
  EXPECT_EQ(error(good.substr(0, 10)),
            "its header announces 3 bytes of data, found 2; the file is cut short");
  EXPECT_EQ(error(good + "x"), "has more data than its header announces; the file is damaged");
  EXPECT_EQ(error(good.substr(0, 6)), "ends inside its IDX header; the file is damaged");
  EXPECT_EQ(error({"\0\0\x0d\x01", 4}),
            "is not an IDX file of unsigned bytes: it starts with 00 00 0d 01, expected 00 00 08 "
            "and 1 to 4 dims");
  EXPECT_EQ(error({"\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff", 12}),
            "the IDX header announces more than 64 GiB; the file is damaged");
  const std::string packed = read_text(write_gzip(folder / "y", good));
  EXPECT_EQ(error(packed.substr(0, packed.size() - 4), false),
            "ends before its checksum; the file is cut short");
  std::string flipped = packed;
  flipped[packed.size() - 6] = static_cast<char>(flipped[packed.size() - 6] ^ 1);
  EXPECT_EQ(error(flipped, false).substr(0, 20), "cannot be unpacked: ");
  EXPECT_EQ(message_of<UserError>([&] { read_idx(folder / "no.gz"); }),
            folder / "no.gz" + ": cannot be opened: No such file or directory");
  EXPECT_EQ(message_of<UserError>([&] { read_idx("/dev/zero"); }),
            "/dev/zero: is a pipe or a device; a regular file is needed here");
}

TEST(FashionMnist, IsReadWholeAndScaled) {
  if (!std::filesystem::exists(kFashionMnistFolder))
    GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  auto loading = load_async([] { return load_fashion_mnist(kFashionMnistFolder, Split::train); });
  const DatasetPtr set = loading.get();
  EXPECT_EQ(set->examples, 60000);
  EXPECT_EQ(set->field("images").row_shape, (std::vector<int64_t>{28, 28}));
  EXPECT_GT(set->load_seconds, 0);
  BatchSource source(
      set,
      {{"image", "images", DType::f32, {6000, 784}, 0}, {"truth", "labels", DType::i32, {6000}, 0}},
      Order::shuffled, 1);
  const auto images = filled<float>(source, 0, 0, {{0, 0}, {6000, 784}});
  double sum = 0;
  double squares = 0;
  for (const float value : images) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const double mean = sum / static_cast<double>(images.size());
  EXPECT_NEAR(mean, 0, 0.02);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(images.size()) - mean * mean), 1, 0.02);
  std::vector<int> count(10, 0);
  for (const int32_t label : filled<int32_t>(source, 0, 1, {{0}, {6000}}))
    ++count.at(static_cast<size_t>(label));
  for (const int each : count) EXPECT_NEAR(each, 600, 120);
  EXPECT_EQ(load_fashion_mnist(kFashionMnistFolder, Split::test, 100).examples, 100);
}

TEST(FashionMnist, SaysHowToGetIt) {
  EXPECT_EQ(message_of<UserError>([] { load_fashion_mnist("/nowhere", Split::test); }),
            "/nowhere/t10k-images-idx3-ubyte.gz: Fashion-MNIST is not there; apt-get install "
            "dataset-fashion-mnist, or name its folder in data.dir");
  auto loading = load_async([] { return load_fashion_mnist("/nowhere", Split::train); });
  EXPECT_THROW(loading.get(), UserError);
}

}  // namespace
}  // namespace tessera

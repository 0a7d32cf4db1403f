#include "launcher/stored_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/hash.h"
#include "ir/parse.h"
#include "launcher/file_dataset.h"
#include "storage/npy.h"
#include "storage/safetensors.h"
#include "tests/launcher/temp_folder.h"
#include "tests/storage/numpy.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `rows` examples of 2 x 3, value 10 * row + position, from row `first` on.
Array numbers(int64_t rows, int64_t first = 0) {
  Array array = make_array(DType::f32, {rows, 2, 3});
  for (size_t i = 0; i < array.size(); ++i)
    array.set(i, static_cast<double>(10 * (first + static_cast<int64_t>(i) / 6)) +
                     static_cast<double>(i % 6));
  return array;
}

Program program_of(const std::string& inputs) {
  return parse("program p\ndim batch = 2, a = 2, b = 3\n" + inputs + "y = 1\noutput y\n");
}

const char* const kImage = "input image[batch, a, b]\n";

// Example `row` of a field, as floats, wherever it lies.
std::vector<float> row_of(const Field& field, int64_t row) {
  std::vector<float> values(static_cast<size_t>(field.row_size()));
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(values));
  if (field.rows)
    field.rows->read(row, 0, bytes);
  else
    std::memcpy(bytes.data(), field.data.data() + static_cast<size_t>(row) * bytes.size(),
                bytes.size());
  return values;
}

std::string bytes_of(const Array& array) {
  return {reinterpret_cast<const char*>(array.data.data()), array.data.size()};
}

struct Files : TempFolder {
  Files() {
    write_npy(*this / "x.npy", numbers(5));
    std::filesystem::create_directory(*this / "shards");
    write_npy(*this / "shards/b.npy", numbers(2, 3));
    write_npy(*this / "shards/a.npy", numbers(3));
    write("shards/.note", "not data");
    write("x.bin", bytes_of(numbers(5)));
    const Array x = numbers(5);
    const Array other = make_array(DType::i64, {5});
    replace_safetensors(
        FileSystem(), *this / "x.safetensors",
        {{"image", x.type, x.shape, x.data}, {"label", other.type, other.shape, other.data}}, {});
  }
  Dataset load(const std::string& file, int64_t most_bytes, const std::string& array = "") const {
    FileData data;
    data.most_bytes = most_bytes;
    if (array.empty())
      data.inputs = {{"image", *this / file}};
    else
      data.file = *this / file, data.inputs = {{"image", array}};
    return load_files(data, program_of(kImage));
  }
  std::string error_of(const std::string& file, const std::string& array = "") const {
    return message_of<UserError>([&] { load(file, 1 << 20, array); });
  }
};

TEST(StoredRows, AreTheSameFromEveryFormatInMemoryAndInFiles) {
  const Files files;
  for (const auto& [file, array] : std::vector<std::pair<std::string, std::string>>{
           {"x.npy", ""}, {"shards", ""}, {"x.bin", ""}, {"x.safetensors", "image"}})
    for (const int64_t most : {int64_t{1} << 20, int64_t{0}}) {
      const Dataset set = files.load(file, most, array);
      ASSERT_EQ(set.examples, 5) << file;
      const Field& field = set.fields.at(0);
      EXPECT_EQ(field.rows == nullptr, most > 0) << file;
      EXPECT_EQ(field.row_shape, (std::vector<int64_t>{2, 3}));
      for (int64_t row = 0; row < 5; ++row) {
        const auto ten = static_cast<float>(10 * row);
        EXPECT_THAT(row_of(field, row),
                    ElementsAre(ten, ten + 1, ten + 2, ten + 3, ten + 4, ten + 5))
            << file;
      }
      EXPECT_EQ(content_hash(field, 5), content_hash(files.load("x.npy", 1 << 20).fields[0], 5));
    }
}

TEST(StoredRows, OfIdxFilesStayThereUnlessTheyArePacked) {
  const Files files;
  std::string idx("\0\0\x08\x03\0\0\0\x05\0\0\0\x02\0\0\0\x03", 16);
  for (int i = 0; i < 30; ++i) idx += static_cast<char>(i);
  files.write("x.idx", idx);
  gzFile stream = gzopen((files / "x.idx.gz").c_str(), "wb");
  gzwrite(stream, idx.data(), static_cast<unsigned>(idx.size()));
  gzclose(stream);
  for (const std::string file : {"x.idx", "x.idx.gz"}) {
    const Dataset set = files.load(file, 0);
    const Field& field = set.fields.at(0);
    EXPECT_EQ(field.rows != nullptr, file == "x.idx");
    EXPECT_TRUE(field.is_bytes);
    EXPECT_EQ(field.row_shape, (std::vector<int64_t>{2, 3}));
    std::byte last{};
    if (field.rows)
      field.rows->read(4, 5, {&last, 1});
    else
      last = field.data.back();
    EXPECT_EQ(last, std::byte{29}) << file;
  }
  files.write("short.idx", idx.substr(0, 40));
  EXPECT_EQ(
      files.error_of("short.idx"),
      files / "short.idx" + ": has 40 bytes, and its IDX header announces 46; the file is damaged");
}

TEST(StoredRows, AreThoseThatNumpySaved) {
  const std::optional<std::string> judge = numpy_python();
  if (!judge) GTEST_SKIP() << "numpy is not there";
  const Files files;
  ASSERT_TRUE(succeeds(*judge, "import numpy as np; x = np.load('" + (files / "x.npy") +
                                   "'); np.savez('" + (files / "a.npz") +
                                   "', other=x[:3], image=x); np.savez_compressed('" +
                                   (files / "b.npz") + "', image=x); np.savez('" +
                                   (files / "c.npz") + "', image=np.asfortranarray(x))"));
  for (const std::string file : {"a.npz", "b.npz", "c.npz"}) {
    const Dataset set = files.load(file, 0, "image");
    const Field& field = set.fields.at(0);
    EXPECT_EQ(field.rows != nullptr, file == "a.npz") << "what is not packed stays in its file";
    EXPECT_THAT(row_of(field, 3), ElementsAre(30, 31, 32, 33, 34, 35)) << file;
  }
}

TEST(StoredRows, TheSmallestFieldsAreLoadedFirst) {
  const Files files;
  FileData data{files / "x.safetensors", {}, {}, 60};
  const Dataset set =
      load_files(data, program_of(std::string(kImage) + "input label[batch] : i64\n"));
  EXPECT_TRUE(set.field("image").rows);
  EXPECT_FALSE(set.field("label").rows);
}

// Of many examples some are hashed, the same ones wherever they lie.
TEST(StoredRows, HaveOneHashWhereverTheyLie) {
  constexpr int64_t kMany = 5'000'000;
  const TempFolder folder;
  std::string bytes(static_cast<size_t>(kMany), 'a');
  for (size_t i = 0; i < bytes.size(); i += 7) bytes[i] = static_cast<char>(i);
  Field memory{"x", DType::i32, {}, true, 1, 0, {}};
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  memory.data.assign(begin, begin + bytes.size());
  Field file = memory;
  file.data.clear();
  const auto reader = std::make_shared<const FileReader>(folder.write("x.bin", bytes));
  file.rows = std::make_shared<const RowReader>(
      std::vector<RowReader::Part>{{reader, 0, 1'000'000}, {reader, 1'000'000, 4'000'000}}, 1,
      false);
  EXPECT_EQ(content_hash(memory, kMany), content_hash(file, kMany));
  EXPECT_EQ(content_hash(memory, 1000), hash_bytes(bytes));
  memory.data[0] = std::byte{1};
  EXPECT_NE(content_hash(memory, kMany), content_hash(file, kMany));
}

TEST(StoredRows, ALimitMayEndWithinAShard) {
  const Files files;
  FileData data{"", {{"image", files / "shards"}}, 4, 0};
  const Dataset set = load_files(data, program_of(kImage));
  EXPECT_EQ(set.examples, 4);
  EXPECT_EQ(row_of(set.fields[0], 3)[0], 30);
}

TEST(StoredRows, ErrorsSayWhatWasFoundAndWhatIsAllowed) {
  const Files files;
  files.write("y.txt", "hello");
  EXPECT_EQ(files.error_of("y.txt"),
            files / "y.txt" +
                ": begins with 68 65 6c 6c, so it is no .npy, .npz, .safetensors or IDX file; .csv "
                "and .tsv files go by their names, and .bin and .raw are read as bytes without a "
                "header");
  EXPECT_EQ(files.error_of("x.safetensors"),
            files / "x.safetensors" +
                ": holds the arrays label, image; give it as `data.file`, and in data.inputs the "
                "array for each input");
  EXPECT_EQ(files.error_of("x.safetensors", "images"),
            files / "x.safetensors" +
                ": has no array `images`; it has label, image (did you mean `image`?)");
  files.write("y.bin", "0123456789");
  EXPECT_EQ(files.error_of("y.bin"),
            files / "y.bin" +
                ": has 10 bytes, which is no whole number of examples of 24 bytes (f32[2, 3]), as "
                "the program takes them");
  files.write("y.csv", "1,2\n");
  EXPECT_THAT(files.error_of("y.csv"), HasSubstr("y.csv: is a table; give it as `data.file`"));
  write_npy(files / "shards/c.npy", make_array(DType::f32, {1, 2, 4}));
  EXPECT_EQ(files.error_of("shards"),
            files / "shards/c.npy" + ": holds examples of f32[2, 4], but " +
                (files / "shards/a.npy") + " holds f32[2, 3]; shards must be alike");
  std::filesystem::create_directory(files / "none");
  EXPECT_EQ(files.error_of("none"),
            files / "none" +
                ": is a folder without files; shards of data are the files in it, in the order of "
                "their names");
  write_npy(files / "s.npy", make_array(DType::f32, {}));
  EXPECT_EQ(files.error_of("s.npy"),
            files / "s.npy" +
                ": holds a single value; data needs a first dim that counts "
                "examples");
  write_npy(files / "z.npy", make_array(DType::f32, {4}));
  FileData data{"", {{"image", files / "x.npy"}, {"z", files / "z.npy"}}, {}, 0};
  EXPECT_EQ(message_of<UserError>(
                [&] { load_files(data, program_of(std::string(kImage) + "input z[batch]\n")); }),
            files / "z.npy" + ": has 4 examples, but " + (files / "x.npy") +
                " has 5; the first dim of every input must be the same");
}

TEST(StoredRows, HoldOutTheSameExamplesForTesting) {
  auto whole = std::make_shared<Dataset>();
  whole->name = "ten";
  whole->examples = 10;
  const Dataset test = part_for(Split::test, whole, 0.2);
  const Dataset train = part_for(Split::train, whole, 0.2);
  EXPECT_EQ(test.examples, 2);
  EXPECT_EQ(test.row_of(0), 4);
  EXPECT_EQ(test.row_of(1), 9);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < train.examples; ++i) rows.push_back(train.row_of(i));
  EXPECT_THAT(rows, ElementsAre(0, 1, 2, 3, 5, 6, 7, 8));
  // Whatever the share, the two parts are the set.
  for (int64_t all : {7, 100, 997})
    for (double share : {0.15, 0.3, 0.5, 0.8}) {
      whole->examples = all;
      std::vector<int> seen(static_cast<size_t>(all), 0);
      for (const Split split : {Split::test, Split::train}) {
        const Dataset part = part_for(split, whole, share);
        for (int64_t i = 0; i < part.examples; ++i) ++seen[static_cast<size_t>(part.row_of(i))];
      }
      EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), all) << all << " " << share;
    }
  whole->examples = 3;
  EXPECT_EQ(message_of<UserError>([&] { part_for(Split::test, whole, 0.1); }),
            "data.test is 0.1, which of the 3 examples of ten leaves none for testing; change it, "
            "or give test data of its own");
}

}  // namespace
}  // namespace tessera

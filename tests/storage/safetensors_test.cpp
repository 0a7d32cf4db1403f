#include "storage/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/hash.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i));
  return text + header + data;
}

Array counting(DType type, std::vector<int64_t> shape) {
  Array array = make_array(type, std::move(shape));
  for (size_t i = 0; i < array.size(); ++i) array.set(i, static_cast<double>(i % 100));
  return array;
}

TEST(Safetensors, KeepsEveryTypeAndShape) {
  const TempFolder folder;
  std::map<std::string, Array> arrays;
  for (const DType type : {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64, DType::i32,
                           DType::i8, DType::u8, DType::b8})
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{}, {1}, {0, 3}, {7, 13}, {2, 3, 5}})
      arrays[std::string(name_of(type)) + "." + std::to_string(shape.size()) + "`\"\n"] =
          counting(type, shape);
  arrays["bool.1`\"\n"].data[0] = std::byte{1};
  std::vector<TensorToWrite> tensors;
  for (auto& [name, array] : arrays) {
    if (array.type == DType::b8)
      for (size_t i = 0; i < array.size(); ++i) array.set(i, i % 2 ? 1 : 0);
    tensors.push_back({name, array.type, array.shape, array.data});
  }
  const std::string path = folder / "all.safetensors";
  const WrittenFile written = write_safetensors(FileSystem(), path, tensors, {{"made", "here"}});
  const std::string bytes = read_text(path);
  EXPECT_EQ(written.bytes, bytes.size());
  EXPECT_EQ(written.hash, hash_bytes(bytes));
  EXPECT_EQ(read_safetensors_header(FileReader(path)).metadata.at("made"), "here");
  const auto file = open_tensors(path);
  ASSERT_EQ(file->tensors().size(), arrays.size());
  for (const auto& [name, array] : arrays) {
    const std::optional<size_t> index = file->find(name);
    ASSERT_TRUE(index) << name;
    EXPECT_EQ(file->read(*index), array) << name;
  }
  const size_t cube = *file->find("f64.3`\"\n");
  EXPECT_EQ(file->read(cube, {{1, 0, 2}, {2, 3, 4}}).get(5), 28);
  EXPECT_EQ(file->read(cube, {{0, 1, 0}, {2, 1, 5}}).size(), 0u);
}

TEST(Safetensors, ReplacesAFileWholeOrNotAtAll) {
  const TempFolder folder;
  const std::string path = folder / "m.safetensors";
  const Array old = counting(DType::f32, {3}), fresh = counting(DType::f32, {5});
  replace_safetensors(FileSystem(), path, {{"w", DType::f32, {3}, old.data}}, {});
  const std::string before = read_text(path);
  int count = 0, faults = 0;
  for (bool done = false; !done; ++faults) {
    count = 0;
    const FileSystem faulty([&](FileOperation what, const std::string&, const std::string&) {
      if (what != FileOperation::remove && count++ == faults) throw DeviceError("the disk is gone");
    });
    try {
      replace_safetensors(faulty, path, {{"w", DType::f32, {5}, fresh.data}}, {});
      done = true;
    } catch (const DeviceError&) {
      if (read_text(path) != before) {
        EXPECT_EQ(open_tensors(path)->read(0), fresh);  // only its folder is not yet durable
      }
      EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
    }
  }
  EXPECT_EQ(faults, 7);  // create, two writes, sync, rename, sync of the folder; and none
  EXPECT_EQ(open_tensors(path)->read(0), fresh);
}

TEST(Safetensors, RefusesDamagedFiles) {
  const TempFolder folder;
  const std::string damaged = "; the file is damaged";
  const auto one = [](const std::string& dtype, const std::string& shape,
                      const std::string& range) {
    return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + range +
           "}}";
  };
  struct Bad {
    std::string bytes;
    std::string message;
  };
  const std::vector<Bad> cases = {
      {"short", "has 5 bytes, too few"},
      {file_of("", ""), "does not begin with {"},
      {std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8),
       "18446744073709551615 bytes, but at most"},
      {std::string("\x05\0\0\0\0\0\0\0{}", 10), "5 bytes, but only 2 follow"},
      {file_of("[]", ""), "does not begin with {"},
      {file_of("{\"w\"", ""), "is no JSON from byte"},
      {file_of("{} x", ""), "is no JSON from byte"},
      {file_of("{\"w\":3}", ""), "has the number 3 at `w`, where an object was expected" + damaged},
      {file_of("{\"w\":{\"dtype\":{}}}", ""), "has an object at `dtype`"},
      {file_of("{\"__metadata__\":{\"a\":1}}", ""), "has the number 1 at `a`, where a text was"},
      {file_of(one("F32", "[2]", "[0,8]"), "1234567"),
       "7 are there: the file is cut short" + damaged},
      {file_of(one("F32", "[2]", "[0,8]"), "123456789"), "9 are there: the file is too long"},
      {file_of(one("F32", "[2]", "[0,4]"), "1234"),
       "gives `w` the bytes 0 to 4; f32[2] needs 8 bytes"},
      {file_of(one("F32", "[2]", "[8,0]"), ""), "gives `w` the bytes 8 to 0"},
      {file_of(one("F32", "[2]", "[4,12]"), "123456789012"), "leave a gap: `w` begins at byte 4"},
      {file_of(one("F32", "[2]", "[0]"), "12345678"), "needs two data_offsets"},
      {file_of(one("F31", "[2]", "[0,8]"), "12345678"), "the type F31, which does not exist"},
      {file_of(one("F32", "[-2]", "[0,8]"), "12345678"), "has the number -2 at `shape`"},
      {file_of(one("F32", "[2.0]", "[0,8]"), "12345678"), "has the number 2.0 at `shape`"},
      {file_of(one("F32", "[[2]]", "[0,8]"), "12345678"), "has a list at `shape`"},
      {file_of(one("F32", "[4194305,4194305,211106198978564]", "[0,8]"), "12345678"),
       "has more elements than can exist"},
      {file_of(one("F32", "[9223372036854775808]", "[0,8]"), "12345678"), "has an extent of 9223"},
      {file_of(R"({"w":{"dtype":"F32","shape":[2]}})", ""), "must give `w` dtype, shape and"},
      {file_of(R"({"w":{"dtype":"U8","dtype":"U8"}})", ""), "`w` has `dtype` twice"},
      {file_of(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
               R"("w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
               "ab"),
       "names `w` twice"},
      {file_of(R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
               "abc"),
       "overlap: `w` begins at byte 1 of the data, and the one before ends at 2"},
  };
  for (const Bad& bad : cases) {
    const std::string path = folder.write("bad.safetensors", bad.bytes);
    const std::string text = message_of<UserError>([&] { open_tensors(path); });
    EXPECT_THAT(text, HasSubstr(bad.message));
    EXPECT_EQ(text.rfind(path + ": ", 0), 0u) << text;
  }
}

// Every truncation and every flipped byte ends in success or in a UserError.
TEST(Safetensors, SurvivesEveryByteFlip) {
  const TempFolder folder;
  const Array w = counting(DType::f32, {2, 3}), b = counting(DType::b8, {1});
  write_safetensors(FileSystem(), folder / "good",
                    {{"w", w.type, w.shape, w.data}, {"b", b.type, b.shape, b.data}}, {{"a", "b"}});
  const std::string good = read_text(folder / "good");
  const auto read_all = [](const std::string& path) {
    const auto file = open_tensors(path);
    for (size_t i = 0; i < file->tensors().size(); ++i)
      if (file->tensors()[i].type) file->read(i);
  };
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {1, 0x20, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      const std::string path = folder.write("bad", bad);
      const std::string text = message_of<UserError>([&] { read_all(path); });
      EXPECT_EQ(text.find("another error"), std::string::npos) << at << ": " << text;
    }
    const std::string path = folder.write("bad", good.substr(0, at));
    EXPECT_NE(message_of<UserError>([&] { read_all(path); }), "no error") << at;
  }
}

TEST(Safetensors, RefusesATypeOnlyWhereItIsRead) {
  const TempFolder folder;
  const std::string path = folder.write(
      "u16", file_of(R"({"w":{"dtype":"U16","shape":[1],"data_offsets":[0,2]}})", "ab"));
  const auto file = open_tensors(path);
  EXPECT_EQ(describe(file->tensors()[0]), "U16[1]");
  EXPECT_THAT(message_of<UserError>([&] { file->read(0); }), HasSubstr("`w` is U16[1]; the types"));
}

TEST(Safetensors, NamesMustBeText) {
  const TempFolder folder;
  for (const char* name : {"a\xff", "__metadata__"})
    EXPECT_THAT(message_of<UserError>([&] {
                  write_safetensors(FileSystem(), folder / "x", {{name, DType::f32, {0}, {}}}, {});
                }),
                HasSubstr("cannot be written to safetensors"));
}

}  // namespace
}  // namespace tessera

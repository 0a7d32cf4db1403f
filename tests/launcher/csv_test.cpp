#include "launcher/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

template <typename T>
std::vector<T> values_of(const Field& field) {
  std::vector<T> values(field.data.size() / sizeof(T));
  std::memcpy(values.data(), field.data.data(), field.data.size());
  return values;
}

std::string error_of(const std::string& text, const CsvField& field) {
  const TempFolder folder;
  const std::string file = folder.write("t.csv", text);
  const std::string message =
      message_of<UserError>([&] { read_csv({file}, {field}, {}, 1 << 20); });
  return message.starts_with(file) ? message.substr(folder.path().size() + 1) : message;
}

TEST(Csv, ReadsColumnsByTheirNames) {
  const TempFolder folder;
  const std::string file = folder.write(
      "t.csv", "\xef\xbb\xbfid,\"size, in m\",label\r\n7, 1.5 ,0\r\n\r\n8,\"-2e3\",+3\r\n");
  const std::vector<Field> fields = read_csv(
      {file}, {{"x", {"size, in m", "id"}, DType::f32}, {"y", {"label"}, DType::i64}}, {}, 1 << 20);
  EXPECT_THAT(values_of<float>(fields[0]), ElementsAre(1.5f, 7.f, -2000.f, 8.f));
  EXPECT_THAT(fields[0].row_shape, ElementsAre(2));
  EXPECT_THAT(values_of<int64_t>(fields[1]), ElementsAre(0, 3));
  EXPECT_TRUE(fields[1].row_shape.empty());
}

TEST(Csv, ReadsRangesOtherSeparatorsAndLinesWithoutNames) {
  const TempFolder folder;
  const std::string tabs = folder.write("t.tsv", "a b\tp1\tp2\tp3\n1\t2\t3\t4\n");
  EXPECT_THAT(values_of<double>(read_csv({tabs}, {{"x", split_columns("p1..p3, a b"), DType::f64}},
                                         {}, 1 << 20)[0]),
              ElementsAre(2, 3, 4, 1));
  const std::string plain = folder.write("t.csv", "1;2;nan\n4;5;6\n7;8;9\n");
  const std::vector<Field> field =
      read_csv({plain, plain}, {{"x", {"2", "3"}, DType::f32}}, 4, 1 << 20);
  EXPECT_THAT(values_of<float>(field[0]),
              ElementsAre(2, ::testing::IsNan(), 5, 6, 8, 9, 2, ::testing::IsNan()));
}

TEST(Csv, GoesToAFileWhereMemoryIsShort) {
  const TempFolder folder;
  std::string text = "a,b\n";
  constexpr int64_t kRows = 700000;
  for (int64_t i = 0; i < kRows; ++i) text += std::to_string(i) + "," + std::to_string(-i) + "\n";
  const std::vector<Field> fields =
      read_csv({folder.write("t.csv", text)}, {{"x", {"b", "a"}, DType::f64}}, {}, 1000);
  ASSERT_TRUE(fields[0].rows);
  EXPECT_TRUE(fields[0].data.empty());
  EXPECT_EQ(fields[0].rows->examples(), kRows);
  for (const int64_t row : {int64_t{0}, int64_t{262143}, int64_t{262144}, kRows - 1}) {
    double values[2] = {};
    fields[0].rows->read(row, 0, std::as_writable_bytes(std::span(values)));
    EXPECT_EQ(values[0], static_cast<double>(-row));
    EXPECT_EQ(values[1], static_cast<double>(row));
  }
}

TEST(Csv, ErrorsHaveLineAndColumn) {
  const CsvField x{"x", {"b"}, DType::f32};
  EXPECT_EQ(error_of("a,b\n1,2\n3,four\n", x),
            "t.csv:3:3: column `b` is `four`; allowed is a number, nan or inf");
  EXPECT_EQ(error_of("a,b\n1,\n", x),
            "t.csv:2:3: column `b` is empty; allowed is a number, nan or inf");
  EXPECT_EQ(error_of("a,b\n1,300\n", {"x", {"b"}, DType::u8}),
            "t.csv:2:3: column `b` is `300`; allowed is a whole number from 0 to 255");
  EXPECT_EQ(error_of("a,b\n1,2.5\n", {"x", {"b"}, DType::i32}),
            "t.csv:2:3: column `b` is `2.5`; allowed is a whole number from -2147483648 to "
            "2147483647");
  EXPECT_EQ(error_of("a,b\n1,2,3\n", x), "t.csv:2:1: has 3 cells, and the first line has 2");
  EXPECT_EQ(error_of("a,b\n1,\"2\n", x),
            "t.csv:2:3: begins with a quotation mark that nothing ends");
  EXPECT_EQ(error_of("a,bee\n1,2\n", {"x", {"be"}, DType::f32}),
            "t.csv: has no column `be`; it has a, bee (did you mean `bee`?)");
  EXPECT_EQ(error_of("", x), "t.csv: is empty; a table has a line for each example");
  EXPECT_EQ(error_of("a,b\n", x),
            "t.csv: has no line of numbers; a table has one for each example");
}

}  // namespace
}  // namespace tessera

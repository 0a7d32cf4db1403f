#include "launcher/text.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "ir/parse.h"
#include "launcher/data.h"
#include "launcher/feeds.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

// The alphabet from `a`, over and over: characters are numbered 0, 1, 2, …
std::string letters(int count, int different) {
  std::string text;
  for (int i = 0; i < count; ++i) text += static_cast<char>('a' + i % different);
  return text;
}

std::vector<int32_t> filled(BatchSource& source, int64_t step, size_t input, size_t size) {
  std::vector<int32_t> values(size);
  source.fill(step, input, std::as_writable_bytes(std::span(values)));
  return values;
}

BatchSource source_of(const TextSource& text, Split split, int64_t batch, Order order,
                      uint64_t seed = 0) {
  const std::vector<BatchInput> inputs = {{"token", "text", DType::i32, {batch, text.window}, 0},
                                          {"truth", "next", DType::i32, {text.window, batch}, 1}};
  return BatchSource(std::make_shared<const Dataset>(load_text(text, split)), inputs, order, seed);
}

TEST(Text, WindowsLieSideBySideAndNextIsOneLater) {
  const TempFolder folder;
  const TextSource text{folder.write("t.txt", letters(26, 26)), 4, 0.5};
  // The last 13 letters: n is 13.
  BatchSource source = source_of(text, Split::test, 2, Order::sequential);
  EXPECT_EQ(filled(source, 0, 0, 8), (std::vector<int32_t>{13, 14, 15, 16, 17, 18, 19, 20}));
  EXPECT_EQ(filled(source, 0, 1, 8), (std::vector<int32_t>{14, 18, 15, 19, 16, 20, 17, 21}));
  EXPECT_EQ(source.steps_per_epoch(), 2);  // of three windows
}

TEST(Text, CharactersAreNumberedByTheWholeFile) {
  const TempFolder folder;
  const TextSource text{folder.write("t.txt", "zzzzaz\xc3\xa4\xc3\xa4\n."), 2, 0.5};
  const Dataset set = load_text(text, Split::train);
  EXPECT_EQ(set.fields[0].below, 6);  // \n . a z and two bytes of UTF-8
  EXPECT_EQ(set.fields[0].data[0], std::byte{3});
  EXPECT_EQ(set.fields[0].data[4], std::byte{2});
  EXPECT_EQ(set.name, "t.txt");
}

// Every epoch reads each window once, shifted by what seed and epoch say; ranks agree.
TEST(Text, EpochsShiftTheWindowsDeterministically) {
  const TempFolder folder;
  const TextSource text{folder.write("t.txt", letters(50, 26)), 5, 0};
  BatchSource source = source_of(text, Split::train, 3, Order::shuffled, 7);
  BatchSource other = source_of(text, Split::train, 3, Order::shuffled, 7);
  EXPECT_EQ(source.steps_per_epoch(), 3);  // nine windows
  std::set<int32_t> starts;
  for (int64_t epoch = 0; epoch < 8; ++epoch) {
    std::set<int32_t> rows;
    for (int64_t step = 3 * epoch; step < 3 * epoch + 3; ++step) {
      const std::vector<int32_t> token = filled(source, step, 0, 15);
      const std::vector<int32_t> next = filled(source, step, 1, 15);
      EXPECT_EQ(filled(other, step, 0, 15), token);
      for (size_t row = 0; row < 3; ++row) {
        rows.insert(token[5 * row]);
        for (size_t t = 0; t < 5; ++t)
          EXPECT_EQ(next[3 * t + row], (token[5 * row + t] + 1) % 26) << step;
      }
      starts.insert(token[0] % 5);
    }
    EXPECT_EQ(rows.size(), 9u);
  }
  EXPECT_GT(starts.size(), 2u);
}

TEST(Text, AWholeTextMayBeOneWindow) {
  const TempFolder folder;
  const TextSource text{folder.write("t.txt", "abcde"), 4, 0};
  BatchSource source = source_of(text, Split::train, 1, Order::shuffled);
  for (int64_t epoch = 0; epoch < 4; ++epoch)
    EXPECT_EQ(filled(source, epoch, 1, 4), (std::vector<int32_t>{1, 2, 3, 4}));
}

TEST(Text, LimitKeepsTheFirstWindows) {
  const TempFolder folder;
  const TextSource text{folder.write("t.txt", letters(26, 26)), 4, 0, 2};
  EXPECT_EQ(load_text(text, Split::train).examples, 2);
}

TEST(Text, ErrorsSayWhatToChange) {
  const TempFolder folder;
  const auto error = [&](const std::string& file, int64_t window, double test, Split split) {
    return message_of<UserError>([&] { load_text({file, window, test}, split); });
  };
  const std::string missing = folder / "none.txt";
  EXPECT_EQ(error(missing, 4, 0.1, Split::train),
            missing + ": cannot be opened: No such file or directory");
  EXPECT_EQ(error(folder.path(), 4, 0.1, Split::train),
            folder.path() + ": is a folder, not a file");
  EXPECT_EQ(error("/dev/zero", 4, 0.1, Split::train),
            "/dev/zero: is a pipe or a device; a regular file is needed here");
  const std::string empty = folder.write("empty.txt", "");
  EXPECT_EQ(error(empty, 4, 0.1, Split::train),
            empty + ": is empty; name a text file in data.text");
  const std::string small = folder.write("small.txt", letters(20, 26));
  EXPECT_EQ(error(small, 18, 0.1, Split::train),
            small +
                ": its part for training has 18 characters; a window of 18 and the one after it "
                "need 19: take shorter windows, lower data.test, or a longer text");
  EXPECT_EQ(error(small, 4, 0.2, Split::test),
            small +
                ": its part for testing has 4 characters; a window of 4 and the one after it need "
                "5: take shorter windows, raise (or set to 0) data.test, or a longer text");
}

TEST(Text, AVocabularyMustHaveRoomForTheCharacters) {
  const TempFolder folder;
  const std::string file = folder.write("t.txt", letters(300, 20));
  Config config;
  config.data.text = file;
  config.data.inputs = {{"letter", "text"}};
  config.program.file = folder.write("p.tess",
                                     "program p\ndim batch = 2, time = 5, word = 12, k = 3\n"
                                     "input letter[batch, time] : i32\nparam table[word, k]\n"
                                     "loss = sum[batch, time, k](table[word: letter])\n"
                                     "output loss\n");
  const auto feeds = [&](const std::map<std::string, int64_t>& dims) {
    const DatasetPtr data = data_loaders(config).train();
    EXPECT_EQ(data->examples, 53);  // of 270 characters
    const Feeds made(parse_file(config.program.file, dims), config, data, Order::shuffled);
    EXPECT_EQ(made.steps_per_epoch(), 26);
  };
  EXPECT_EQ(message_of<UserError>([&] { feeds({}); }),
            config.program.file +
                ":3:7: `letter` indexes the dim `word`, of extent 12, and t.txt has 20 different "
                "characters; raise `word` to 20");
  feeds({{"word", 20}});
  config.data.test = 0;
  EXPECT_EQ(data_loaders(config).test(), nullptr);
}

}  // namespace
}  // namespace tessera

// Readers of other people's files, on thousands of files that were damaged by a fixed seed: each is
// read, or refused with a text that names it, and costs no more memory than it has bytes for.
// TESSERA_MUTATIONS sets how many there are of each kind.
#include <gtest/gtest.h>
#include <zlib.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "launcher/csv.h"
#include "launcher/random.h"
#include "launcher/stored_rows.h"
#include "storage/manifest.h"
#include "storage/npy.h"
#include "storage/safetensors.h"
#include "storage/tensor_file.h"
#include "tests/launcher/temp_folder.h"
#include "tests/storage/zip_text.h"

// The largest piece of memory that anybody has asked for.
static std::atomic<size_t> largest_request{0};

void* operator new(size_t bytes) {
  if (bytes > largest_request) largest_request = bytes;
  if (void* memory = std::malloc(std::max<size_t>(bytes, 1))) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace tessera {
namespace {

// The files themselves have some 100 to 4,000 bytes, of which deflate may make 1,032 times as many.
constexpr size_t kMostMemory = size_t{16} << 20;

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : seed_(seed) {}

  // One to three changes to a text.
  std::string operator()(std::string text) {
    const size_t changes = 1 + below(3);
    for (size_t i = 0; i < changes && !text.empty(); ++i) change(text);
    return text;
  }

 private:
  size_t below(size_t bound) { return random_below(seed_, counter_++, bound); }

  void change(std::string& text) {
    const size_t at = below(text.size());
    const size_t length = std::min(text.size() - at, 1 + below(below(4) == 0 ? 200 : 8));
    switch (below(8)) {
      case 0:
        text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        text[at] = static_cast<char>(below(256));
        break;
      case 2:
        text.resize(at);
        break;
      case 3:
        text.erase(at, length);
        break;
      case 4:
        text.insert(below(text.size()), text.substr(at, length));
        break;
      case 5:
        put_number(text, at);
        break;
      case 6:
        put_digits(text, at);
        break;
      default:
        put_word(text, at);
    }
  }

  // A number that sits at an edge, of 1 to 8 bytes, either end first.
  void put_number(std::string& text, size_t at) {
    const uint64_t edges[] = {0,
                              1,
                              0x7f,
                              0xff,
                              0x7fff,
                              0xffff,
                              0x7fffffff,
                              0xffffffff,
                              INT64_MAX,
                              UINT64_MAX,
                              uint64_t{1} << 40,
                              uint64_t{1} << 62};
    const uint64_t value = edges[below(std::size(edges))];
    const size_t bytes = size_t{1} << below(4);
    const bool big = below(2) == 0;
    for (size_t i = 0; i < bytes && at + i < text.size(); ++i)
      text[at + i] = static_cast<char>(value >> (8 * (big ? bytes - 1 - i : i)));
  }

  // Another number in place of the digits at or after a place.
  void put_digits(std::string& text, size_t at) {
    const char* const edges[] = {
        "0",     "1",   "-1",           "4294967296", "9223372036854775807", "18446744073709551616",
        "1e999", "nan", "1099511627776"};
    const size_t begin = text.find_first_of("0123456789", at);
    if (begin == std::string::npos) return;
    const size_t end = std::min(text.find_first_not_of("0123456789", begin), text.size());
    text.replace(begin, end - begin, edges[below(std::size(edges))]);
  }

  // What formats are made of, where it does not belong.
  void put_word(std::string& text, size_t at) {
    const std::string words[] = {"{",
                                 "}",
                                 "[",
                                 "]",
                                 "\"",
                                 "(",
                                 ")",
                                 ",",
                                 ":",
                                 "\n",
                                 "\t",
                                 "'",
                                 std::string(1, '\0'),
                                 "PK\x03\x04",
                                 "PK\x05\x06",
                                 "\xff\xfe",
                                 "\"w\":{",
                                 "..",
                                 "null",
                                 std::string(40, '['),
                                 "True"};
    text.insert(at, words[below(std::size(words))]);
  }

  const uint64_t seed_;
  uint64_t counter_ = 0;
};

// A kind of file: well-formed ones, and what reads them.
struct Kind {
  std::string name;  // of the file
  std::vector<std::string> texts;
  std::function<void(const std::string& file)> read;
  std::function<std::string(const std::string& text)> seal = {};  // after a text was damaged
};

Array counting(DType type, std::vector<int64_t> shape) {
  Array array = make_array(type, std::move(shape));
  for (size_t i = 0; i < array.size(); ++i) array.set(i, static_cast<double>(i % 2));
  return array;
}

std::string npy_text(const TempFolder& folder, DType type, std::vector<int64_t> shape) {
  write_npy(folder / "seed.npy", counting(type, std::move(shape)));
  return read_text(folder / "seed.npy");
}

std::string safetensors_text(const TempFolder& folder) {
  const Array w = counting(DType::f32, {3, 4}), v = counting(DType::b8, {5});
  replace_safetensors(FileSystem(), folder / "seed.st",
                      {{"w", w.type, w.shape, w.data}, {"v", v.type, v.shape, v.data}},
                      {{"format", "pt"}});
  return read_text(folder / "seed.st");
}

std::string idx_text() {
  std::string text("\0\0\x08\x03\0\0\0\x05\0\0\0\x02\0\0\0\x03", 16);
  for (int i = 0; i < 30; ++i) text += static_cast<char>(i);
  return text;
}

// Deflated: with a head and an end for gzip, or bare, as in zip archives.
std::string deflated(const std::string& text, bool gzip) {
  z_stream stream{};
  const int window = gzip ? MAX_WBITS + 16 : -MAX_WBITS;
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 200, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string npz_text(const std::string& stored, const std::string& packed) {
  ZipText deflated_one{"packed.npy", deflated(packed, false)};
  deflated_one.method = 8;
  deflated_one.size = packed.size();
  deflated_one.crc = crc_of(packed);
  return zip_of({{"stored.npy", stored}, deflated_one});
}

std::string manifest_text() {
  Manifest manifest;
  manifest.step = 7;
  manifest.program = "program p";
  manifest.plan = "plan";
  manifest.ranks = 2;
  manifest.shards = {{"a.safetensors", 100, 1}, {"b.safetensors", 60, 2}};
  manifest.tensors = {
      {"w", DType::f32, {4, 3}, true, {{0, Box{{0, 0}, {2, 3}}}, {1, Box{{2, 0}, {4, 3}}}}},
      {"s", DType::i64, {}, false, {{0, Box{{}, {}}}}}};
  return to_json(manifest);
}

// With the hash of what it says now, so that more than the hash is looked at.
std::string sealed(const std::string& text) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return text;
  json.erase("hash");
  const auto replace = nlohmann::json::error_handler_t::replace;
  json["hash"] = hex(hash_bytes(json.dump(-1, ' ', false, replace)));
  return json.dump(1, ' ', false, replace);
}

void read_rows(const std::string& file) {
  std::vector<FieldToLoad> fields;
  for (const StoredRows& rows : rows_in(file))
    fields.push_back(join_shards(rows.name, {rows}, std::nullopt));
  load_fields(std::move(fields), int64_t{1} << 40);
}

void read_tensors(const std::string& file) {
  const auto tensors = open_tensors(file);
  for (size_t i = 0; i < tensors->tensors().size(); ++i)
    if (tensors->tensors()[i].type) tensors->read(i);
}

void read_table(const std::string& file) {
  read_csv({file}, {{"x", {"a", "b"}, DType::f32}, {"y", {"c"}, DType::i32}}, std::nullopt,
           1 << 20);
}

std::vector<Kind> kinds(const TempFolder& folder) {
  const std::string flat = npy_text(folder, DType::f32, {4, 3}),
                    long_one = npy_text(folder, DType::i64, {100, 5});
  const std::string tensors = safetensors_text(folder), idx = idx_text(),
                    npz = npz_text(flat, long_one);
  std::string fortran = flat;
  fortran.replace(fortran.find("False"), 5, "True ");
  return {{"x.npy", {flat, fortran, npy_text(folder, DType::b8, {7}), long_one}, read_rows},
          {"a.npy", {flat, fortran}, [](const std::string& file) { read_npy(file, U1::as_f32); }},
          {"rows.npz", {npz}, read_rows},
          {"tensors.npz", {npz}, read_tensors},
          {"rows.safetensors", {tensors}, read_rows},
          {"w.safetensors", {tensors}, read_tensors},
          {"images", {idx, deflated(idx, true)}, read_rows},
          {"t.csv", {"a,b,c\n1,2.5,3\n-4e3,\"5\",6\n", "c;b;a\r\n1;2;3\r\n\r\n4;5;6"}, read_table},
          {"manifest.json",
           {manifest_text()},
           [](const std::string& file) { parse_manifest(read_text(file), file); },
           sealed}};
}

// What became of a file.
struct Outcome {
  bool refused = false;
  std::string problem;  // with how it was taken
};

Outcome take(const Kind& kind, const std::string& file) {
  largest_request = 0;
  std::string said;
  try {
    kind.read(file);
  } catch (const InternalError& error) {
    return {true, std::string("an internal error: ") + error.what()};
  } catch (const Error& error) {
    said = error.what();
    if (said.find(file) == std::string::npos) return {true, "does not name the file: " + said};
  } catch (const std::exception& error) {
    return {true, std::string("no error of ours: ") + error.what()};
  }
  if (largest_request > kMostMemory)
    return {!said.empty(),
            "asks for " + std::to_string(largest_request) + " bytes at once: " + said};
  return {!said.empty(), ""};
}

TEST(Mutation, NoDamagedFileDoesHarm) {
  const char* given = std::getenv("TESSERA_MUTATIONS");
  const uint64_t count = given != nullptr ? std::strtoull(given, nullptr, 10) : 2000;
  const TempFolder folder;
  for (const Kind& kind : kinds(folder)) {
    uint64_t refused = 0;
    for (uint64_t i = 0; i < count + kind.texts.size(); ++i) {
      // First the whole ones, which must be read.
      const bool whole = i < kind.texts.size();
      std::string text = kind.texts[i % kind.texts.size()];
      if (!whole) text = Mutator(hash_bytes(kind.name) + i)(std::move(text));
      if (!whole && kind.seal) text = kind.seal(text);
      std::filesystem::remove(folder / kind.name);  // to cut it short would wait for the disk
      const std::string file = folder.write(kind.name, text);
      const Outcome outcome = take(kind, file);
      if (outcome.refused) ++refused;
      EXPECT_FALSE(whole && outcome.refused) << kind.name << " " << i;
      ASSERT_EQ(outcome.problem, "") << kind.name << " " << i << ":\n"
                                     << testing::PrintToString(text);
    }
    EXPECT_GT(refused, count / 4) << kind.name << ": most damage is to be noticed";
    std::filesystem::remove(folder / kind.name);
  }
}

}  // namespace
}  // namespace tessera

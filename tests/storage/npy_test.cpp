#include "storage/npy.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "storage/atomic_file.h"
#include "tests/launcher/temp_folder.h"
#include "tests/storage/numpy.h"

namespace tessera {
namespace {

template <typename T>
Array array_of(DType type, std::vector<int64_t> shape, const std::vector<T>& values) {
  Array array{type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
  if (!values.empty()) std::memcpy(array.data.data(), values.data(), array.data.size());
  return array;
}

template <typename T>
std::vector<T> values_of(const Array& array) {
  std::vector<T> values(array.data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), array.data.data(), array.data.size());
  return values;
}

// A version 1 file with this dictionary and data.
std::string npy(const std::string& dictionary, const std::string& data, int major = 1) {
  std::string text = std::string("\x93NUMPY") + static_cast<char>(major) + '\0';
  text += static_cast<char>(dictionary.size() & 0xff);
  text += static_cast<char>(dictionary.size() >> 8);
  if (major > 1) text += std::string(2, '\0');
  return text + dictionary + data;
}

std::string header(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
}

TEST(Npy, WritesWhatItReads) {
  const TempFolder folder;
  const std::string file = folder / "a.npy";
  const std::vector<Array> arrays = {
      array_of<float>(DType::f32, {2, 3}, {1, 2, 3, 4, 5, 6.5}),
      array_of<double>(DType::f64, {}, {0.25}),
      array_of<int32_t>(DType::i32, {3}, {-1, 0, 7}),
      array_of<int64_t>(DType::i64, {1, 1, 2}, {int64_t{1} << 40, -5}),
      array_of<uint8_t>(DType::b8, {2, 2}, {1, 0, 0, 1}),
      array_of<uint16_t>(DType::bf16, {3}, {0x3f80, 0xffc0, 1}),
      array_of<uint16_t>(DType::f16, {2}, {0x3c00, 0x8001}),
      array_of<int8_t>(DType::i8, {2}, {-128, 127}),
      array_of<uint8_t>(DType::u8, {2}, {0, 255}),
      array_of<float>(DType::f32, {0, 4}, {})};
  for (const Array& array : arrays) {
    write_npy(file, array);
    const Array again = read_npy(file);
    EXPECT_EQ(again.type, array.type);
    EXPECT_EQ(again.shape, array.shape);
    EXPECT_EQ(again.data, array.data);
    EXPECT_EQ(read_npy_header(file).data_offset % 64, 0u);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1)
      << "nothing but the file may stay";
}

TEST(Npy, ReadsVersions2And3) {
  const TempFolder folder;
  for (const int major : {2, 3}) {
    const std::string file =
        folder.write("v.npy", npy(header("|b1", "(3,)"), {"\1\0\2", 3}, major));
    EXPECT_EQ(read_npy(file).shape, std::vector<int64_t>{3});
  }
}

TEST(Npy, BooleansBecomeZeroOrOne) {
  const TempFolder folder;
  const std::string file = folder.write("b.npy", npy(header("|b1", "(3,)"), {"\1\0\2", 3}));
  EXPECT_EQ(values_of<uint8_t>(read_npy(file)), (std::vector<uint8_t>{1, 0, 1}));
}

TEST(Npy, TurnsFortranOrderIntoRowMajor) {
  const TempFolder folder;
  // The 2 x 3 matrix 0 1 2 / 3 4 5, column by column.
  const std::string file = folder.write(
      "f.npy",
      npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", {"\0\3\1\4\2\5", 6}));
  EXPECT_EQ(values_of<int32_t>(read_npy(file, U1::as_i32)),
            (std::vector<int32_t>{0, 1, 2, 3, 4, 5}));
}

TEST(Npy, WidensUnsignedBytesWhereAsked) {
  const TempFolder folder;
  const std::string file = folder.write("u.npy", npy(header("|u1", "(2,)"), "\x05\xff"));
  EXPECT_EQ(values_of<int32_t>(read_npy(file, U1::as_i32)), (std::vector<int32_t>{5, 255}));
  EXPECT_EQ(values_of<float>(read_npy(file, U1::as_f32)), (std::vector<float>{5, 255}));
  EXPECT_EQ(values_of<uint8_t>(read_npy(file)), (std::vector<uint8_t>{5, 255}));
  EXPECT_EQ(read_npy(file).type, DType::u8);
}

struct BadFile {
  std::string bytes;
  std::string message;
};

TEST(Npy, RefusesDamagedFiles) {
  const TempFolder folder;
  const std::string good = npy(header("<f4", "(2,)"), "12345678");
  std::string long_header = npy(header("<f4", "(2,)"), "", 2);
  long_header.replace(8, 4, "\xff\xff\xff\x7f");
  const std::string damaged = "; the file is damaged";
  const std::vector<BadFile> cases = {
      {"", "is not a .npy file: it does not start with \\x93NUMPY"},
      {"hello world, this is text", "is not a .npy file: it does not start with \\x93NUMPY"},
      {"PK\3\4 and so on",
       "is a .npz archive where one array is expected; save each array with numpy.save"},
      {npy("{}", "", 4), "has .npy version 4.0; expected 1.0, 2.0 or 3.0"},
      {good.substr(0, 30), "ends inside its .npy header" + damaged},
      {long_header, "has a .npy header of 2147483647 bytes; at most 1048576 are read"},
      {good.substr(0, good.size() - 1),
       "f32[2] needs 8 bytes of data, found 7; the file is cut short"},
      {good + "9", "f32[2] needs 8 bytes of data, found 9; the file is too long"},
      {npy(header("|u1", "(9,)"), ""),
       "u8[9] needs 9 bytes of data, found 0; the file is cut short"},
      {npy(header(">f4", "(2,)"), "12345678"),
       "holds elements of type >f4 (big-endian); expected <f4, <f8, <f2, <V2 (bf16), "
       "<i4, <i8, |i1, |u1 or |b1: convert it with numpy's astype"},
      {npy(header("<u2", "(2,)"), "1234"),
       "holds elements of type <u2; expected <f4, <f8, <f2, <V2 (bf16), <i4, <i8, |i1, |u1 or |b1: "
       "convert it with numpy's astype"},
      {npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234"),
       "holds elements of type a record of several fields; expected <f4, <f8, <f2, <V2 (bf16), "
       "<i4, "
       "<i8, |i1, |u1 or |b1: convert it with numpy's astype"},
      {npy(header("<f4", "(4194305, 4194305, 211106198978564)"), ""),
       "the shape [4194305, 4194305, 211106198978564] has more elements than can exist"},
      {npy(header("<f4", "(0, 4194305, 4194305, 211106198978564)"), ""),
       "the shape [0, 4194305, 4194305, 211106198978564] has more elements than can exist"},
      {npy(header("<f4", "(-1,)"), ""),
       "the .npy header has a shape that is not numbers from 0 up" + damaged},
      {npy(header("<f4", "(2 3)"), "12345678"),
       "the .npy header has `3), }\n` where `)` was expected" + damaged},
      {npy("{'descr': '<f4', 'shape': (2,), }", "12345678"),
       "the .npy header must have descr, fortran_order and shape" + damaged},
      {npy("{'descr': '<f4', 'descr': '<f4', }", ""),
       "the .npy header has the key `descr`, which is unknown or given twice" + damaged},
      {npy("{'descr': '<f4', 'fortran_order': 1, 'shape': (2,), }", "12345678"),
       "the .npy header has `1, 'shape': ` where `False` was expected" + damaged},
      {npy(header("<f4", "(2,)") + "x", "12345678"),
       "the .npy header goes on after its closing brace" + damaged},
      {npy("{'descr", ""), "the .npy header has a text without an end" + damaged},
  };
  for (const BadFile& bad : cases) {
    const std::string file = folder.write("bad.npy", bad.bytes);
    EXPECT_EQ(message_of<UserError>([&] { read_npy(file, U1::as_i32); }),
              file + ": " + bad.message);
  }
  EXPECT_EQ(message_of<UserError>([&] { read_npy(folder.path()); }),
            folder.path() + ": is a folder, not a file");
  EXPECT_EQ(message_of<UserError>([&] { read_npy("/dev/zero"); }),
            "/dev/zero: is a pipe or a device; a regular file is needed here");
  EXPECT_EQ(message_of<UserError>([&] { read_npy(folder / "none.npy"); }),
            folder / "none.npy" + ": cannot be opened: No such file or directory");
}

// Every truncation and every flipped byte of a small file ends in success or in a UserError.
TEST(Npy, SurvivesEveryByteFlip) {
  const TempFolder folder;
  const std::string good = npy(header("<f4", "(2,)"), "12345678");
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {1, 0x20, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      const std::string file = folder.write("bad.npy", bad);
      const std::string text = message_of<UserError>([&] { read_npy(file); });
      EXPECT_EQ(text.find("another error"), std::string::npos) << at << ": " << text;
    }
    const std::string file = folder.write("bad.npy", good.substr(0, at));
    EXPECT_NE(message_of<UserError>([&] { read_npy(file); }), "no error") << at;
  }
}

TEST(Npy, AFailedWriteLeavesTheOldFile) {
  const TempFolder folder;
  const std::string file = folder / "a.npy";
  write_npy(file, array_of<float>(DType::f32, {1}, {1}));
  const std::string before = read_text(file);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const Array large = array_of<float>(DType::f32, {2048}, std::vector<float>(2048));
  const std::string text = message_of<DeviceError>([&] { write_npy(file, large); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(text, file + ": cannot write 8320 bytes: File too large");
  EXPECT_EQ(read_text(file), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  EXPECT_EQ(message_of<DeviceError>([&] { write_file(folder / "no/x.txt", "hi"); }),
            folder / "no/x.txt" +
                ": cannot write 2 bytes: No such file or directory; its folder "
                "does not exist");
}

TEST(Npy, AgreesWithNumpy) {
  const std::optional<std::string> judge = numpy_python();
  if (!judge)
    GTEST_SKIP() << "neither python3 nor build/jax can import numpy; run `./tessera test`, which "
                    "installs it, or set TESSERA_JAX_PYTHON to a Python that has it";
  const auto python = [&](const std::string& script) { return succeeds(*judge, script); };
  const TempFolder folder;
  ASSERT_TRUE(
      python("import numpy as n\n"
             "x = n.arange(24).reshape(2, 3, 4)\n"
             "p = '" +
             folder.path() +
             "/'\n"
             "for t in ['f4', 'f8', 'i4', 'i8', 'u1']:\n"
             "  n.save(p + t + 'c.npy', x.astype(t))\n"
             "  n.save(p + t + 'f.npy', n.asfortranarray(x.astype(t)))\n"
             "n.lib.format.write_array(open(p + 'v3.npy', 'wb'), x, (3, 0))\n"
             "n.save(p + 'scalar.npy', n.float32(2))\n"));
  std::vector<int32_t> expected(24);
  for (int i = 0; i < 24; ++i) expected[static_cast<size_t>(i)] = i;
  for (const std::string order : {"c", "f"}) {
    EXPECT_EQ(values_of<int32_t>(read_npy(folder / ("i4" + order + ".npy"))), expected);
    EXPECT_EQ(values_of<int32_t>(read_npy(folder / ("u1" + order + ".npy"), U1::as_i32)), expected);
    EXPECT_EQ(values_of<float>(read_npy(folder / ("f4" + order + ".npy")))[23], 23);
    EXPECT_EQ(values_of<double>(read_npy(folder / ("f8" + order + ".npy")))[7], 7);
  }
  EXPECT_EQ(values_of<int64_t>(read_npy(folder / "v3.npy"))[5], 5);
  EXPECT_TRUE(read_npy(folder / "scalar.npy").shape.empty());
  write_npy(folder / "ours.npy", array_of<int32_t>(DType::i32, {2, 3, 4}, expected));
  write_npy(folder / "f16.npy", array_of<uint16_t>(DType::f16, {2}, {0x3c00, 0x3800}));
  write_npy(folder / "bf16.npy", array_of<uint16_t>(DType::bf16, {2}, {0x3f80, 0x3f00}));
  write_npy(folder / "i8.npy", array_of<int8_t>(DType::i8, {2}, {-1, 5}));
  write_npy(folder / "bool.npy", array_of<uint8_t>(DType::b8, {2}, {1, 0}));
  EXPECT_TRUE(python("import numpy as n\np = '" + folder.path() +
                     "/'\n"
                     "a = n.load(p + 'ours.npy')\n"
                     "assert a.dtype == 'i4' and (a == n.arange(24).reshape(2, 3, 4)).all()\n"
                     "b = n.load(p + 'bool.npy')\n"
                     "assert b.dtype == '?' and b.tolist() == [True, False]\n"
                     "c = n.load(p + 'f16.npy')\n"
                     "assert c.dtype == 'f2' and c.tolist() == [1, 0.5]\n"
                     "d = n.load(p + 'bf16.npy')\n"
                     "assert d.dtype.itemsize == 2 and d.view('u2').tolist() == [0x3f80, 0x3f00]\n"
                     "e = n.load(p + 'i8.npy')\n"
                     "assert e.dtype == 'i1' and e.tolist() == [-1, 5]\n"));
}

}  // namespace
}  // namespace tessera

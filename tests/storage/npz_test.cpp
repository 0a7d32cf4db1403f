#include "storage/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "storage/npy.h"
#include "tests/launcher/temp_folder.h"
#include "tests/storage/numpy.h"
#include "tests/storage/zip_text.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::string npy_text(const TempFolder& folder, const Array& array) {
  write_npy(folder / "one.npy", array);
  return read_text(folder / "one.npy");
}

Array halves() {
  Array array = make_array(DType::f32, {2, 3});
  for (size_t i = 0; i < 6; ++i) array.set(i, static_cast<double>(i) / 2);
  return array;
}

void read_all(const std::string& path) {
  const auto file = open_tensors(path);
  for (size_t i = 0; i < file->tensors().size(); ++i) file->read(i);
}

TEST(Npz, ReadsStoredMembersAndParts) {
  const TempFolder folder;
  const std::string one = npy_text(folder, halves());
  const auto file = open_tensors(folder.write("a.npz", zip_of({{"w.npy", one}, {"a.b.npy", one}})));
  EXPECT_EQ(file->read(*file->find("w")), halves());
  EXPECT_EQ(file->read(*file->find("a.b"), {{1, 1}, {2, 3}}).get(1), 2.5);
  EXPECT_FALSE(file->find("v"));
}

TEST(Npz, RefusesDamagedFiles) {
  const TempFolder folder;
  const std::string one = npy_text(folder, halves());
  const auto bent = [&](const std::function<void(ZipText&)>& bend) {
    ZipText member{"w.npy", one};
    bend(member);
    return zip_of({member});
  };
  std::string flipped = zip_of({{"w.npy", one}});
  flipped[30 + 5 + one.size() - 1] ^= 1;
  struct Bad {
    std::string bytes;
    std::string message;
  };
  const std::vector<Bad> cases = {
      {"PK\x03\x04 and so on", "has no directory of members"},
      {zip_of({{"data.pkl", "x"}}), "holds `data.pkl`, which is no .npy file"},
      {zip_of({{"w.npy", "x"}}), "w.npy: is not a .npy file"},
      {zip_of({{"w.npy", one}, {"w.npy", one}}), "holds `w` twice"},
      {bent([](ZipText& m) { m.flags = 1; }), "`w.npy` is encrypted"},
      {bent([](ZipText& m) { m.method = 9; }),
       "is packed by method 9; stored and deflated are read"},
      {bent([](ZipText& m) { m.method = 8; }), "cannot be unpacked: "},
      {bent([](ZipText& m) { m.method = 8, m.size = 0xfffffffe; }), "more than they can"},
      {bent([](ZipText& m) { m.size = 7; }), "is stored, but its sizes"},
      {bent([](ZipText& m) { m.size = m.packed = 1 << 20; }), "`w.npy` ends after the file does"},
      {bent([](ZipText& m) { m.offset = 9; }), "`w.npy` is not where the directory says"},
      {bent([](ZipText& m) { m.offset = 0x7fffffff; }), "ends after"},
      {bent([](ZipText& m) { m.size = 0xffffffff; }), "`w.npy` has no 64-bit sizes"},
      {flipped, "has the checksum"},
  };
  for (const Bad& bad : cases) {
    const std::string path = folder.write("bad.npz", bad.bytes);
    const std::string text = message_of<UserError>([&] { open_tensors(path)->read(0); });
    EXPECT_THAT(text,
                HasSubstr(bad.message == "are stored, but its sizes" ? "is stored, but its sizes"
                                                                     : bad.message));
    EXPECT_EQ(text.rfind(path + ": ", 0), 0u) << text;
  }
}

TEST(Npz, SurvivesEveryByteFlip) {
  const TempFolder folder;
  const std::string good = zip_of({{"w.npy", npy_text(folder, halves())}});
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {1, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      const std::string path = folder.write("bad.npz", bad);
      const std::string text = message_of<UserError>([&] { read_all(path); });
      EXPECT_EQ(text.find("another error"), std::string::npos) << at << ": " << text;
    }
    const std::string path = folder.write("bad.npz", good.substr(0, at));
    EXPECT_NE(message_of<UserError>([&] { read_all(path); }), "no error") << at;
  }
}

TEST(Npz, AgreesWithNumpy) {
  const std::optional<std::string> judge = numpy_python();
  if (!judge) GTEST_SKIP() << "no Python here can import numpy; see npy_test";
  const TempFolder folder;
  ASSERT_TRUE(
      succeeds(*judge,
               "import numpy as n\n"
               "x = n.arange(240000).reshape(6, 40, 1000)\np = '" +
                   folder.path() +
                   "/'\n"
                   "a = dict(f=x.astype('f4'), i=x, e=n.zeros((0, 3)), s=n.float64(3),\n"
                   "         fortran=n.asfortranarray(x.astype('i4')), text=n.array(['a']))\n"
                   "n.savez(p + 'stored.npz', **a)\n"
                   "n.savez_compressed(p + 'deflated.npz', **a)\n"));
  for (const std::string name : {"stored.npz", "deflated.npz"}) {
    const auto file = open_tensors(folder / name);
    EXPECT_EQ(file->tensors().size(), 6u);
    const Array f = file->read(*file->find("f"));
    EXPECT_EQ(f.shape, (std::vector<int64_t>{6, 40, 1000}));
    EXPECT_EQ(f.get(239999), 239999);
    EXPECT_EQ(file->read(*file->find("i")).as<int64_t>()[777], 777);
    EXPECT_EQ(file->read(*file->find("fortran"), {{5, 39, 998}, {6, 40, 1000}}).get(1), 239999);
    EXPECT_EQ(file->read(*file->find("e")).size(), 0u);
    EXPECT_EQ(file->read(*file->find("s")).get(0), 3);
    EXPECT_THAT(message_of<UserError>([&] { file->read(*file->find("text")); }),
                HasSubstr("`text` is <U1[1]; the types that are read are"));
  }
  const std::string deflated = read_text(folder / "deflated.npz");
  for (size_t at = 0; at < deflated.size(); at += 9973) {
    std::string bad = deflated;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    const std::string path = folder.write("bad.npz", bad);
    const std::string text = message_of<UserError>([&] { read_all(path); });
    EXPECT_THAT(text, HasSubstr(path)) << at;
  }
}

}  // namespace
}  // namespace tessera

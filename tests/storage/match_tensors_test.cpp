#include "storage/match_tensors.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "storage/safetensors.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

TEST(Rename, MapsNamesByTheFirstRuleThatFits) {
  const std::vector<RenameRule> rules = {parse_rename("layer.*.weight=w*"),
                                         parse_rename("model.**.*=**/*"), parse_rename("a=b"),
                                         parse_rename("x.*=x")};
  EXPECT_EQ(renamed("layer.0.weight", rules), "w0");
  EXPECT_EQ(renamed("layer.12.weight", rules), "w12");
  EXPECT_EQ(renamed("layer.1.attn.weight", rules), "layer.1.attn.weight");
  EXPECT_EQ(renamed("layer..weight", rules), "layer..weight");
  EXPECT_EQ(renamed("model.h.0.bias", rules), "h.0/bias");
  EXPECT_EQ(renamed("a", rules), "b");
  EXPECT_EQ(renamed("ab", rules), "ab");
  EXPECT_EQ(renamed("x.y", rules), "x");
}

TEST(Rename, RefusesWhatIsNoRule) {
  const auto text = [](const std::string& rule) {
    return message_of<UserError>([&] { parse_rename(rule); });
  };
  for (const char* rule : {"w", "=w", "w=", "a=b=c"})
    EXPECT_EQ(text(rule),
              "a rename is FROM=TO, as in 'layer.*.weight=w*', not `" + std::string(rule) + "`");
  EXPECT_EQ(text("a=w*"), "the rename `a=w*` has more stars after its `=` than before it");
  EXPECT_EQ(text("*a*a*a*a*a*a*a*a*=b"),
            "the rename `*a*a*a*a*a*a*a*a*=b` has more than 8 stars before its `=`");
}

class Match : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::vector<std::byte> data(48);
    const auto bytes = [&](size_t count) { return std::span(data).first(count); };
    write_safetensors(FileSystem(), folder_ / "m.safetensors",
                      {{"w", DType::f32, {2, 3}, bytes(24)},
                       {"b", DType::f64, {3}, bytes(24)},
                       {"step", DType::i64, {}, bytes(8)},
                       {"more", DType::f32, {1}, bytes(4)}},
                      {});
    file_ = open_tensors(folder_ / "m.safetensors");
  }

  TempFolder folder_;
  std::unique_ptr<TensorFile> file_;
};

TEST_F(Match, FindsByNameTypeAndShape) {
  const TensorMatch match = match_tensors(*file_,
                                          {{"weight", DType::f32, {2, 3}, true, ""},
                                           {"b", DType::f64, {3}, true, ""},
                                           {"moment", DType::f32, {9}, false, ""}},
                                          {{"w", "weight"}}, "program `p`");
  EXPECT_EQ(file_->tensors()[match.found.at("weight")].name, "w");
  EXPECT_EQ(match.missing, std::vector<std::string>{"moment"});
  EXPECT_EQ(match.unused, (std::vector<std::string>{"more", "step"}));
}

TEST_F(Match, SaysEverythingThatDoesNotFit) {
  EXPECT_EQ(message_of<UserError>([&] {
              match_tensors(*file_,
                            {{"w", DType::f32, {3, 2}, true, "p.tess:3:1"},
                             {"b", DType::f32, {3}, true, ""},
                             {"steps", DType::i64, {}, true, ""}},
                            {{"more", "w"}}, "program `p`");
            }),
            folder_ / "m.safetensors" +
                " does not fit program `p`:\n"
                "  `more` and `w` of the file are both `w`\n"
                "  `w` (p.tess:3:1) takes f32[3, 2]; the file has f32[1]\n"
                "  `b` takes f32[3]; the file has f64[3]: convert it\n"
                "  `steps` takes i64[]; the file has no `steps` (did you mean `step`?)\n"
                "  not used of the file: step\n"
                "  names, types and shapes must be equal; names of the file are mapped by --rename "
                "'FROM=TO', as in --rename 'layer.*.weight=w*'");
  EXPECT_NE(message_of<UserError>([&] {
              match_tensors(*file_, {{"w", DType::f32, {3, 2}, true, ""}}, {}, "it");
            }).find("the file has f32[2, 3], its transpose"),
            std::string::npos);
}

}  // namespace
}  // namespace tessera

#include "launcher/yaml.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "launcher/yaml_units.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

YamlNode parse(const std::string& text) {
  return parse_yaml(text, "t.yaml");
}

TEST(Yaml, ReadsNestedValuesWithPathsAndPlaces) {
  const YamlNode root = parse("a:\n  b: [1, x]\n  c: {d: true}\n");
  const YamlNode item = root.at("a").at("b").items()[1];
  EXPECT_EQ(item.as_string(), "x");
  EXPECT_EQ(item.path(), "a.b[1]");
  EXPECT_EQ(item.where().str(), "t.yaml:2:10");
  EXPECT_TRUE(root.at("a").at("c").at("d").as_bool());
  EXPECT_FALSE(root.find("z").has_value());
}

TEST(Yaml, ReadsNumbers) {
  const YamlNode root = parse("{a: -12, b: 1e-3, c: 0.5, d: 0, e: 9223372036854775807}");
  EXPECT_EQ(root.at("a").as_int(-20, 20), -12);
  EXPECT_DOUBLE_EQ(root.at("b").as_number(), 1e-3);
  EXPECT_DOUBLE_EQ(root.at("c").as_fraction(), 0.5);
  EXPECT_EQ(root.at("d").as_int(0, 1), 0);
  EXPECT_EQ(root.at("e").as_int(0, INT64_MAX), INT64_MAX);
}

TEST(Yaml, AliasesAreValues) {
  const YamlNode root = parse("a: &x {k: 1}\nb: *x\n");
  EXPECT_EQ(root.at("b").at("k").as_int(0, 9), 1);
  EXPECT_EQ(root.at("b").at("k").path(), "b.k");
}

TEST(Yaml, AnEmptyDocumentIsAnEmptyMap) {
  EXPECT_TRUE(parse("# nothing\n").entries().empty());
}

struct BadDocument {
  std::string text;
  std::string message;
};

TEST(Yaml, RefusesBadDocuments) {
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "[";
  deep += std::string(40, ']');
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c <= 'h'; ++c) {
    const std::string before = "*" + std::string(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + c + " [" + before;
    for (int i = 0; i < 9; ++i) bomb += "," + before;
    bomb += "]\n";
  }
  const std::vector<BadDocument> cases = {
      {"a: 1\nb: 2\na: 3\n",
       "t.yaml:3:1: the key `a` was already given at line 1; remove one of the two"},
      {"x: &x {a: 1}\ny:\n  <<: *x\n",
       "t.yaml:3:3: merge keys (`<<`) are not supported; write the keys out"},
      {"a: 1\n---\nb: 2\n",
       "t.yaml:2:1: a second document starts here; a file must hold one document"},
      {"a: &a [1, *a]\n",
       "t.yaml:1:11: this alias stands inside the value it refers to; a value cannot contain "
       "itself"},
      {"a: *b\n", "t.yaml:1:4: not valid YAML: the referenced anchor is not defined"},
      {"a: !!int 3\n",
       "t.yaml:1:4: tags are not supported, found `tag:yaml.org,2002:int`; remove it"},
      {"[1]: 2\n",
       "t.yaml:1:1: a key must be a plain word, found a list or map; is a bracket or brace not "
       "closed?"},
      {"~: 2\n", "t.yaml:1:1: a key must not be empty"},
      {"a: [1, 2\n", "t.yaml:2:1: not valid YAML: end of sequence flow not found"},
      {"a:\n\t- b\n", "t.yaml:2:2: not valid YAML: illegal block entry"},
      {deep, "t.yaml:1:33: nested deeper than 32 levels"},
      {bomb, "t.yaml:4:35: more than 10000 values, counting every use of an alias"},
      {std::string("a: \0b", 5), "t.yaml: is not text: byte 3 is 0"},
      {std::string((1 << 20) + 1, ' '),
       "t.yaml: is larger than 1 MiB, which no configuration needs"},
  };
  for (const BadDocument& bad : cases)
    EXPECT_EQ(message_of<UserError>([&] { parse(bad.text); }), bad.message)
        << bad.text.substr(0, 200);
}

TEST(Yaml, RefusesBadNumbers) {
  const std::vector<BadDocument> cases = {
      {"010", "found `010`; a leading 0 means octal to some readers: write 10"},
      {"0o10", "found `0o10`; write it in decimal"},
      {"0x1F", "found `0x1F`; write it in decimal"},
      {"1_000", "found `1_000`; write the digits without separators"},
      {"+5", "found `+5`"},
      {"2.5", "found `2.5`"},
      {"-1", "found `-1`"},
      {"101", "found `101`"},
      {"99999999999999999999", "found `99999999999999999999`"},
      {"'5'", "found the quoted text `5`; remove the quotes"},
      {"[5]", "found a list"},
      {"", "found nothing"},
      {"many", "found `many`"},
  };
  for (const BadDocument& bad : cases)
    EXPECT_EQ(message_of<UserError>([&] {
                parse("n: " + bad.text).at("n").as_int(0, 100);
              }).substr(std::string("t.yaml:1:4: ").size()),
              "`n` must be an integer from 0 to 100, " + bad.message);
  for (const std::string text : {".nan", ".inf", "1e999", "0x1p3", "1.5.2", "inf"})
    EXPECT_EQ(message_of<UserError>([&] {
                parse("n: " + text).at("n").as_number();
              }).substr(0, std::string("t.yaml:1:4: `n` must be a number, found").size()),
              "t.yaml:1:4: `n` must be a number, found");
}

TEST(Yaml, NamesTheNearestKey) {
  const YamlNode root = parse("train:\n  epcohs: 3\n");
  EXPECT_EQ(
      message_of<UserError>([&] {
        root.at("train").allow_keys({"epochs", "steps"});
      }),
      "t.yaml:2:3: `train.epcohs` is not a known key; `train` may have epochs, steps (did you "
      "mean `epochs`?)");
  EXPECT_EQ(message_of<UserError>([&] { root.at("data"); }),
            "t.yaml:1:1: the file must have the key `data`");
}

TEST(Yaml, ReadsUnits) {
  const YamlNode root = parse(
      "{a: 2GiB, b: 1.5 KiB, c: 3MB, d: 77, e: 500 ms, f: 2 min, g: 7, "
      "h: 500 steps, i: 1 step}");
  EXPECT_EQ(bytes_of(root.at("a")), int64_t{2} << 30);
  EXPECT_EQ(bytes_of(root.at("b")), 1536);
  EXPECT_EQ(bytes_of(root.at("c")), 3000000);
  EXPECT_EQ(bytes_of(root.at("d")), 77);
  EXPECT_DOUBLE_EQ(seconds_of(root.at("e")), 0.5);
  EXPECT_DOUBLE_EQ(seconds_of(root.at("f")), 120);
  EXPECT_DOUBLE_EQ(seconds_of(root.at("g")), 7);
  EXPECT_EQ(steps_of(root.at("h")), 500);
  EXPECT_EQ(steps_of(root.at("i")), 1);
  EXPECT_EQ(bytes_text(int64_t{2} << 30), "2GiB");
  EXPECT_EQ(bytes_text(1536), "1536");
  EXPECT_EQ(bytes_text(3072), "3KiB");
}

TEST(Yaml, RefusesBadUnits) {
  for (const std::string text : {"2 gigs", "-1", "0", "010", "1.2.3GiB", "0.5", "[1]", "GiB", "'"})
    EXPECT_NE(message_of<UserError>([&] { bytes_of(parse("n: " + text).at("n")); }), "no error")
        << text;
  EXPECT_EQ(message_of<UserError>([&] { bytes_of(parse("n: 2 gigs").at("n")); }),
            "t.yaml:1:4: `n` must be a size such as 512MiB, 2GiB or a number of bytes, found `2 "
            "gigs`");
  EXPECT_EQ(message_of<UserError>([&] { seconds_of(parse("n: soon").at("n")); }),
            "t.yaml:1:4: `n` must be a time such as 60 s, 2 min or 500 ms, found `soon`");
  EXPECT_EQ(message_of<UserError>([&] { steps_of(parse("n: 2 epochs").at("n")); }),
            "t.yaml:1:4: `n` must be a number of steps such as 500 steps, found `2 epochs`");
}

TEST(Yaml, QuotesWhatWouldReadDifferently) {
  for (const std::string text :
       {"plain", "a b", "true", "010", "1.5", "", "x: y", "# no", "say \"hi\"", "tab\tnew\nline",
        "back\\slash", "-", "~", "null", "/a/b.c", "&a", "*a", "caf\xc3\xa9"}) {
    const YamlNode root = parse("{k: " + quote_yaml(text) + "}");
    if (!text.empty()) EXPECT_EQ(root.at("k").as_string(), text);
    EXPECT_EQ(root.at("k").kind(), YamlNode::Kind::scalar) << text;
    EXPECT_FALSE(root.at("k").is_int() || root.at("k").is_bool()) << text;
  }
}

TEST(Yaml, MissingAndUnreadableFiles) {
  const TempFolder folder;
  EXPECT_EQ(message_of<UserError>([&] { load_yaml(folder / "no.yaml"); }),
            folder / "no.yaml" + ": cannot be opened: No such file or directory");
  EXPECT_EQ(message_of<UserError>([&] { load_yaml("/dev/zero"); }),
            "/dev/zero: is larger than 1 MiB, the most that a YAML file may have");
  EXPECT_EQ(message_of<UserError>([&] { load_yaml(folder.path()); }),
            folder.path() + ": is a folder, not a file");
}

}  // namespace
}  // namespace tessera

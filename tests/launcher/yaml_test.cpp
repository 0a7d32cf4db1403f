#include "launcher/yaml.h"

#include <gtest/gtest.h>

TEST(Yaml, ReadsAMap) {
  const auto root = tessera::parse_yaml("a: 1\nb: [x, y]\n", "t.yaml");
  EXPECT_EQ(root.at("a").as_int(0, 9), 1);
  EXPECT_EQ(root.at("b").items()[1].as_string(), "y");
}

#include "launcher/event_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launcher/metrics_log.h"
#include "launcher/subprocess.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

// What an independent reader finds in a file of events; nothing without python3.
std::vector<nlohmann::json> events_of(const std::string& file) {
  std::string text;
  Subprocess reader({{"python3", TESSERA_SOURCE_DIR "/tests/launcher/read_events.py", file},
                     {},
                     [&](OutputStream stream, std::string_view more) {
                       if (stream == OutputStream::out) text += more;
                     },
                     {}});
  EXPECT_EQ(reader.wait()->code(), 0) << text;
  std::vector<nlohmann::json> events;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) events.push_back(nlohmann::json::parse(line));
  return events;
}

bool has_python() {
  Subprocess python({{"python3", "-c", "pass"}, {}, [](OutputStream, std::string_view) {}, {}});
  return python.wait()->code() == 0;
}

TEST(EventFile, HasTheChecksumsOfRfc3720) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(EventFile, IsReadByAnotherReader) {
  if (!has_python()) GTEST_SKIP() << "python3 is not there";
  const TempFolder folder;
  EventFile file(folder.path());
  file.add(1, {{"train/loss", 2.5}});
  file.add(300000000000, {{"train/loss", -0.125}, {"test/accuracy", 0.875}});
  const std::vector<nlohmann::json> events = events_of(file.path());
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["version"], "brain.Event:2");
  EXPECT_EQ(events[1]["step"], 1);
  EXPECT_EQ(events[1]["train/loss"], 2.5);
  EXPECT_EQ(events[2]["step"], 300000000000);
  EXPECT_EQ(events[2]["train/loss"], -0.125);
  EXPECT_EQ(events[2]["test/accuracy"], 0.875);
  EXPECT_GT(events[2]["time"], 1.7e9);
  EXPECT_NE(file.path().find("/events.out.tfevents."), std::string::npos);
}

TEST(EventFile, SaysWhereItCannotBeMade) {
  EXPECT_NE(message_of<DeviceError>([] {
              EventFile("/nowhere");
            }).find(": cannot be made: No such file or directory"),
            std::string::npos);
}

TEST(MetricsLog, WritesLinesAndEvents) {
  if (!has_python()) GTEST_SKIP() << "python3 is not there";
  const TempFolder folder;
  RunFolder run = RunFolder::create(folder / "run");
  MetricsLog log(run, true);
  log.step(1, {{"loss", 0.5}, {"hits", 3}}, 0.25);
  log.step(2, {{"loss", nullptr}, {"hits", 4}}, 0.125);
  log.test(2, 1, {{"accuracy", 0.75}});
  std::istringstream stream(read_text(run.file("metrics.jsonl")));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_GT(lines[0]["memory_bytes"], 1 << 20);
  lines[0].erase("memory_bytes");
  lines[1].erase("memory_bytes");  // where a tenth of a second went by
  EXPECT_EQ(lines[0].dump(), R"({"hits":3,"loss":0.5,"seconds":0.25,"step":1})");
  EXPECT_EQ(lines[1].dump(), R"({"hits":4,"loss":null,"seconds":0.125,"step":2})");
  EXPECT_EQ(lines[2].dump(), R"({"epoch":1,"step":2,"test":{"accuracy":0.75}})");
  std::string events;
  for (const auto& entry : std::filesystem::directory_iterator(run.path()))
    if (entry.path().filename().string().starts_with("events.")) events = entry.path();
  const std::vector<nlohmann::json> found = events_of(events);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[1]["train/loss"], 0.5);
  EXPECT_EQ(found[1]["train/hits"], 3);
  EXPECT_GT(found[1]["train/memory_bytes"], 1 << 20);
  EXPECT_EQ(found[3]["test/accuracy"], 0.75);
}

}  // namespace
}  // namespace tessera

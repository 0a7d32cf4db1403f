// The rules of the house, read off the tree itself.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kTop = TESSERA_SOURCE_DIR;

// Folder -> the folders it may include, itself aside.
const std::map<std::string, std::set<std::string>> kLayers = {
    {"base", {}},
    {"ir", {"base"}},
    {"storage", {"base", "ir"}},
    {"partition", {"base", "ir"}},
    {"placement", {"base", "ir", "partition"}},
    {"codegen", {"base", "ir"}},
    {"comm", {"base"}},
    {"runtime", {"base", "ir", "storage", "partition", "codegen", "comm"}},
    {"models", {"base", "ir"}},
    {"bench", {}},  // peers, which are programs of their own
    {"launcher",
     {"base", "ir", "storage", "partition", "placement", "codegen", "comm", "runtime", "models"}},
};

// Headers of a third party -> the places that may include them.
struct Fence {
  std::string headers;  // a regular expression
  std::vector<std::string> allowed;
};
const std::vector<Fence> kFences = {
    {R"(mpi\.h)", {"comm/mpi/"}},
    {R"((llvm|llvm-c)/.*)", {"codegen/llvm/"}},
    {R"((cuda|nccl|cublas).*)", {"comm/nccl/", "codegen/cuda/", "runtime/cuda/"}},
    {R"(yaml-cpp/.*)", {"launcher/"}},
    {R"(CLI/.*)", {"launcher/"}},
    {R"(spdlog/.*)", {"base/"}},
    {R"(tbb/.*)", {"runtime/", "codegen/", "launcher/versions.cpp"}},
    {R"(zlib\.h)", {"storage/", "launcher/"}},
    {R"(hwloc\.h)", {"runtime/"}},
    {R"(xxhash\.h)", {"base/"}},
    {R"((cblas\.h|oneapi/dnnl/.*|omp\.h))", {"bench/peers/"}},
};

struct SourceFile {
  std::string name;  // relative to the top
  std::vector<std::string> lines;
};

std::vector<SourceFile> source_files() {
  std::vector<SourceFile> files;
  for (const auto& [folder, allowed] : kLayers) {
    for (const auto& entry : fs::recursive_directory_iterator(kTop / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp") continue;
      SourceFile file{fs::relative(entry.path(), kTop).string(), {}};
      std::ifstream stream(entry.path());
      for (std::string line; std::getline(stream, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  }
  return files;
}

void each_include(const SourceFile& file,
                  const std::function<void(const std::string& header, size_t line)>& visit) {
  static const std::regex pattern(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::smatch match;
  for (size_t i = 0; i < file.lines.size(); ++i)
    if (std::regex_search(file.lines[i], match, pattern)) visit(match[1], i + 1);
}

TEST(House, FoldersIncludeOnlyWhatLiesBelow) {
  const std::vector<SourceFile> files = source_files();
  ASSERT_GT(files.size(), 50u);
  for (const SourceFile& file : files) {
    const std::string folder = file.name.substr(0, file.name.find('/'));
    each_include(file, [&](const std::string& header, size_t line) {
      const std::string other = header.substr(0, header.find('/'));
      if (kLayers.count(other) == 0 || other == folder || header.find('/') == std::string::npos)
        return;
      EXPECT_TRUE(kLayers.at(folder).count(other) != 0)
          << file.name << ":" << line << " includes " << header << "; " << folder
          << "/ may not include " << other << "/";
    });
  }
}

TEST(House, ThirdPartyHeadersStayBehindTheirFences) {
  for (const SourceFile& file : source_files()) {
    each_include(file, [&](const std::string& header, size_t line) {
      for (const Fence& fence : kFences) {
        if (!std::regex_match(header, std::regex(fence.headers))) continue;
        bool allowed = false;
        for (const std::string& place : fence.allowed)
          allowed = allowed || file.name.rfind(place, 0) == 0;
        EXPECT_TRUE(allowed) << file.name << ":" << line << " includes " << header;
      }
    });
  }
}

TEST(House, FilesAreSmallAndLinesShort) {
  for (const SourceFile& file : source_files()) {
    EXPECT_LE(file.lines.size(), 500u) << file.name;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      size_t columns = 0;  // code points, not bytes
      for (char c : file.lines[i]) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      EXPECT_LE(columns, 100u) << file.name << ":" << i + 1;
    }
  }
}

TEST(House, HeadersHaveAGuardAndNoUsingNamespace) {
  for (const SourceFile& file : source_files()) {
    if (file.name.substr(file.name.size() - 2) != ".h") continue;
    bool guard = false;
    for (const std::string& line : file.lines) {
      guard = guard || line == "#pragma once";
      EXPECT_EQ(line.rfind("using namespace", 0), std::string::npos) << file.name;
    }
    EXPECT_TRUE(guard) << file.name;
  }
}

// One namespace holds everything, and the linker merges two types of one name without a word.
TEST(House, NoTwoHeadersDefineTypesOfOneName) {
  static const std::regex pattern(R"(^(struct|class|enum class) (\w+)( final)?( :.*| \{.*)?$)");
  std::map<std::string, std::string> known;
  for (const SourceFile& file : source_files()) {
    if (file.name.substr(file.name.size() - 2) != ".h") continue;
    std::smatch match;
    for (const std::string& line : file.lines) {
      if (!std::regex_match(line, match, pattern) || line.back() == ';') continue;
      const auto [it, added] = known.emplace(match[2], file.name);
      EXPECT_TRUE(added || it->second == file.name)
          << "`" << match[2] << "` is defined in " << it->second << " and in " << file.name;
    }
  }
  EXPECT_GT(known.size(), 100u);
}

TEST(House, TheInterpreterStaysReadable) {
  for (const SourceFile& file : source_files())
    if (file.name == "ir/interpret.cpp") EXPECT_LT(file.lines.size(), 600u);
}

}  // namespace

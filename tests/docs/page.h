#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace tessera {

// A fenced block of a Markdown page. CONTRIBUTING.md lists what the words after the fence mean.
struct Block {
  std::vector<std::string> words;  // after the fence: {"sh", "run"}
  std::string text;
  int line = 0;      // of the opening fence, from 1
  size_t begin = 0;  // where `text` starts in the page

  std::string word(size_t i) const { return i < words.size() ? words[i] : ""; }
  bool is(const std::string& first, const std::string& second) const {
    return word(0) == first && word(1) == second;
  }
};

struct Page {
  std::string name;  // relative to the top of the tree
  std::string text;
  std::vector<Block> blocks;
};

inline Page read_page(const std::string& top, const std::string& name) {
  std::ifstream file(top + "/" + name);
  std::ostringstream all;
  all << file.rdbuf();
  Page page{name, all.str(), {}};
  bool inside = false;
  int number = 0;
  size_t next = 0;
  for (size_t at = 0; at < page.text.size(); at = next) {
    const size_t end = page.text.find('\n', at);
    next = end == std::string::npos ? page.text.size() : end + 1;
    const std::string line = page.text.substr(at, next - at);
    ++number;
    if (line.rfind("```", 0) == 0) {
      inside = !inside;
      if (!inside) continue;
      Block block;
      std::istringstream words(line.substr(3));
      for (std::string word; words >> word;) block.words.push_back(word);
      block.line = number;
      block.begin = next;
      page.blocks.push_back(block);
    } else if (inside) {
      page.blocks.back().text += line;
    }
  }
  return page;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace tessera

#pragma once

#include <string>

namespace tessera {

// Parts that pages of reports share. Texts are not HTML yet, contents are.

// The document up to and with <body>, in the looks of page_style.h.
std::string page_head(const std::string& title);

// A heading and what stands below it; nothing where there is nothing.
std::string section(const std::string& title, const std::string& content);

// A text that is shown when it is asked for.
std::string folded(const std::string& summary, const std::string& text);

// One of the large numbers at the top:  add_figure(page, "12.5 ms", "a step, in the median")
void add_figure(std::string& page, const std::string& value, const std::string& name);

// "fit.tess:5" of "/home/me/fit.tess:5"; a pointer that rests on it shows all.
std::string line_cell(const std::string& where);

}  // namespace tessera

#include "launcher/report/page_parts.h"

#include "launcher/report/html.h"
#include "launcher/report/page_style.h"

namespace tessera {

std::string page_head(const std::string& title) {
  return "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
         "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<title>" +
         html(title) + "</title>\n<style>" + kPageStyle + "</style></head>\n<body>\n";
}

std::string section(const std::string& title, const std::string& content) {
  return content.empty() ? "" : "<h2>" + html(title) + "</h2>\n" + content;
}

std::string folded(const std::string& summary, const std::string& text) {
  return text.empty() ? ""
                      : "<details><summary>" + html(summary) + "</summary><pre>" + html(text) +
                            "</pre></details>\n";
}

void add_figure(std::string& page, const std::string& value, const std::string& name) {
  page += "<div><b>" + html(value) + "</b><span>" + html(name) + "</span></div>\n";
}

std::string line_cell(const std::string& where) {
  const std::string name = where.substr(where.rfind('/') + 1);
  return "<span title=\"" + html(where) + "\">" + html(name) + "</span>";
}

}  // namespace tessera

#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tessera {

// A line of a chart. NaN and infinities are gaps.
struct ChartLine {
  std::string name;
  std::vector<double> x;  // not falling
  std::vector<double> y;
  bool dots = false;  // a dot at each point: for few
};

struct Chart {
  std::string x_name;
  std::string y_name;
  std::vector<ChartLine> lines;
  bool from_zero = false;                          // the y axis begins at 0
  std::function<std::string(double)> y_text = {};  // of a value; nothing: as a number
  double y_unit = 1;  // of which the numbers at the y axis are to be round: 1024 of bytes
};

// An SVG drawing for the page of a report, or a sentence where there is nothing to draw. Of many
// points, each line shows the mean of some neighbours, and behind it from their least to their
// greatest.
std::string svg(const Chart& chart);

// Round numbers that divide a range into about `count` parts:  0 to 7.3, 4 -> 0, 2, 4, 6
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace tessera

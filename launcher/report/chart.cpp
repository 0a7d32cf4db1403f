#include "launcher/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "launcher/report/html.h"

namespace tessera {
namespace {

constexpr double kWidth = 900;
constexpr double kHeight = 260;
constexpr double kLeft = 78;
constexpr double kRight = 14;
constexpr double kTop = 26;
constexpr double kBottom = 42;
constexpr size_t kMostPoints = 450;

struct Point {
  double x = 0;
  double y = 0;
  double low = 0;
  double high = 0;
};

// At most kMostPoints, each for as many neighbours; none for those without a number.
std::vector<Point> points_of(const ChartLine& line) {
  const size_t each = (line.x.size() + kMostPoints - 1) / std::max<size_t>(1, kMostPoints);
  std::vector<Point> points;
  for (size_t begin = 0; begin < line.x.size(); begin += std::max<size_t>(1, each)) {
    Point point{0, 0, std::numeric_limits<double>::infinity(),
                -std::numeric_limits<double>::infinity()};
    int count = 0;
    for (size_t i = begin; i < std::min(begin + each, line.x.size()); ++i) {
      if (!std::isfinite(line.y[i])) continue;
      ++count;
      point.x += line.x[i];
      point.y += line.y[i];
      point.low = std::min(point.low, line.y[i]);
      point.high = std::max(point.high, line.y[i]);
    }
    if (count == 0) {
      if (!points.empty() && std::isfinite(points.back().y))
        points.push_back({0, std::numeric_limits<double>::quiet_NaN(), 0, 0});
      continue;
    }
    point.x /= count;
    point.y /= count;
    points.push_back(point);
  }
  return points;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
  void widen(double share) {
    const double by = high > low ? share * (high - low) : std::max(1e-12, 0.05 * std::abs(high));
    low -= by;
    high += by;
  }
};

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {
    for (const ChartLine& line : chart.lines) {
      points_.push_back(points_of(line));
      for (const Point& point : points_.back()) {
        if (!std::isfinite(point.y)) continue;
        x_.add(point.x);
        y_.add(point.low);
        y_.add(point.high);
      }
    }
  }

  std::string text() {
    if (x_.empty()) return "<p>No numbers to draw.</p>\n";
    const bool zero = chart_.from_zero && y_.low >= 0;
    y_.widen(0.04);
    if (zero) y_.low = 0;
    if (x_.low == x_.high) x_.widen(0);
    std::string text = fmt::format("<svg viewBox=\"0 0 {} {}\" role=img>\n", kWidth, kHeight);
    text += axes();
    for (size_t i = 0; i < points_.size(); ++i) text += line(i);
    return text + legend() + "</svg>\n";
  }

 private:
  double at_x(double value) const {
    return kLeft + (value - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight);
  }
  double at_y(double value) const {
    return kHeight - kBottom - (value - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom);
  }

  std::string y_text(double value) const {
    return chart_.y_text ? chart_.y_text(value) : fmt::format("{:.4g}", value);
  }

  std::string axes() const {
    std::string text;
    const double unit = chart_.y_unit;
    for (double tick : round_ticks(y_.low / unit, y_.high / unit, 4)) {
      tick *= unit;
      text += fmt::format(
          "<line class=grid x1={:.1f} x2={:.1f} y1={:.1f} y2={:.1f} />"
          "<text x={:.1f} y={:.1f} text-anchor=end>{}</text>\n",
          kLeft, kWidth - kRight, at_y(tick), at_y(tick), kLeft - 8, at_y(tick) + 4,
          html(y_text(tick)));
    }
    for (const double tick : round_ticks(x_.low, x_.high, 8))
      text += fmt::format("<text x={:.1f} y={:.1f} text-anchor=middle>{}</text>\n", at_x(tick),
                          kHeight - kBottom + 18, fmt::format("{:.6g}", tick));
    text += fmt::format("<text class=name x={:.1f} y={:.1f} text-anchor=end>{}</text>\n",
                        kWidth - kRight, kHeight - 6, html(chart_.x_name));
    return text + fmt::format("<text class=name x=4 y=14>{}</text>\n", html(chart_.y_name));
  }

  std::string line(size_t number) const {
    const std::vector<Point>& points = points_[number];
    std::string band;
    std::string back;
    std::string path;
    std::string dots;
    bool pen = false;
    bool spread = false;
    for (const Point& point : points) {
      if (!std::isfinite(point.y)) {
        pen = false;
        continue;
      }
      spread = spread || point.high > point.low;
      path += fmt::format("{}{:.1f} {:.1f}", pen ? " L" : " M", at_x(point.x), at_y(point.y));
      band += fmt::format("{}{:.1f} {:.1f}", band.empty() ? "M" : " L", at_x(point.x),
                          at_y(point.high));
      back = fmt::format(" L{:.1f} {:.1f}", at_x(point.x), at_y(point.low)) + back;
      if (chart_.lines[number].dots || points.size() == 1)
        dots += fmt::format(
            "<circle cx={:.1f} cy={:.1f} r=3.5><title>{} {:.6g}: {}</title></circle>",
            at_x(point.x), at_y(point.y), html(chart_.x_name), point.x, html(y_text(point.y)));
      pen = true;
    }
    std::string text = fmt::format("<g class=line{}>", number % 4);
    if (spread) text += fmt::format("<path class=band d=\"{}{} Z\" />", band, back);
    return text + fmt::format("<path d=\"{}\" />{}</g>\n", path, dots);
  }

  std::string legend() const {
    if (chart_.lines.size() < 2) return "";
    std::string text;
    double x = kLeft + 130;
    for (size_t i = 0; i < chart_.lines.size(); ++i) {
      const std::string& name = chart_.lines[i].name;
      text += fmt::format(
          "<g class=line{}><path d=\"M{:.1f} 10 h22\" /></g><text x={:.1f} y=14>{}</text>\n", i % 4,
          x, x + 28, html(name));
      x += 52 + 7.5 * static_cast<double>(name.size());
    }
    return text;
  }

  const Chart& chart_;
  std::vector<std::vector<Point>> points_;
  Range x_;
  Range y_;
};

}  // namespace

std::string svg(const Chart& chart) {
  return Drawing(chart).text();
}

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / count;
  if (!(rough > 0) || !std::isfinite(rough)) return {low};
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough * 0.75) {
      step = factor * power;
      break;
    }
  std::vector<double> ticks;
  for (double i = std::ceil(low / step); i * step <= high; ++i)
    ticks.push_back(i == 0 ? 0 : i * step);
  return ticks;
}

}  // namespace tessera

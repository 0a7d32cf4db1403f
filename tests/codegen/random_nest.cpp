#include "tests/codegen/random_nest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "tests/ir/random_program.h"

namespace tessera {
namespace {

constexpr int64_t kMostPoints = 3000;

// 1, primes, and the numbers of lanes from 128-bit f64 to 512-bit f32 with their neighbours.
constexpr int64_t kExtents[] = {1,  2,  3,  4,  5,  7,  8,  9,  10, 11, 13, 15, 16,
                                17, 19, 23, 25, 31, 32, 33, 47, 49, 57, 63, 65, 121};

struct NamedExtent {
  std::string name;
  int64_t extent;
};

class NestWriter {
 public:
  explicit NestWriter(uint64_t seed) : random_(seed * 7919 + 5) {}

  RandomNest write() {
    type_ = pick({"f32", "f32", "f64", "bf16", "i32"});
    pad_ = pick({" pad 0", " pad 0", " pad 7", " pad -2"});
    const int dims = 1 + random_.below(3);
    for (int d = 0; d < dims; ++d) read_along(d, dims);
    // A dim that is not indexed: channels.
    if (random_.chance(0.4)) {
      plain_ = "c";
      declare("c", fitting());
      results_.push_back("c");
    }
    return {text(), points_};
  }

 private:
  template <typename T>
  T pick(std::initializer_list<T> list) {
    return *(list.begin() + random_.below(static_cast<int>(list.size())));
  }
  std::string pick(std::initializer_list<const char*> list) {
    return *(list.begin() + random_.below(static_cast<int>(list.size())));
  }

  // An extent with which the nest stays small.
  int64_t fitting() {
    std::vector<int64_t> fit;
    for (const int64_t extent : kExtents)
      if (extent * points_ <= kMostPoints) fit.push_back(extent);
    return fit[static_cast<size_t>(random_.below(static_cast<int>(fit.size())))];
  }

  void declare(const std::string& name, int64_t extent, bool counts = true) {
    dims_.push_back({name, extent});
    if (counts) points_ *= extent;
  }

  std::string offset() {
    const int64_t by = random_.between(-3, 3);
    return by == 0 ? "" : fmt::format(" {} {}", by < 0 ? "-" : "+", std::abs(by));
  }

  // How dim number d of x is read; adds what it needs.
  void read_along(int d, int dims) {
    const std::string from(1, "hij"[d]);  // the dim of x
    const std::string to = "o" + from;    // of the result, where it is another
    source_.push_back(from);
    const int64_t small = dims == 3 ? 9 : 1000;
    int64_t extent = std::min(fitting(), small);
    const int kind = random_.below(8);
    if (kind <= 1) {  // shifted
      declare(from, extent);
      results_.push_back(from);
      indices_.push_back(fmt::format("{}: {}{}{}", from, from, offset(), pad_));
    } else if (kind == 2) {  // strided
      const int64_t stride = random_.between(2, 3);
      declare(to, extent);
      declare(from, std::max<int64_t>(1, stride * extent - random_.between(0, 2)), false);
      results_.push_back(to);
      indices_.push_back(fmt::format("{}: {}*{}{}{}", from, stride, to, offset(), pad_));
    } else if (kind <= 4) {  // a window
      const std::string tap = "k" + from;
      const int64_t taps = random_.between(1, 4), stride = random_.between(1, 2);
      extent = std::min(extent, std::max<int64_t>(1, kMostPoints / points_ / taps));
      declare(to, extent);
      declare(tap, taps);
      windows_.push_back(tap);
      results_.push_back(to);
      const std::string step = stride == 1 ? to : fmt::format("{}*{}", stride, to);
      const bool padded = random_.chance(0.7);
      declare(from,
              padded ? std::max<int64_t>(1, stride * extent + random_.between(-1, 2))
                     : stride * (extent - 1) + taps,
              false);
      indices_.push_back(fmt::format("{}: {} {} {}{}", from, step, pick({"+", "-"}), tap, pad_));
      if (!padded) indices_.back() = fmt::format("{}: {} + {}", from, step, tap);
    } else if (kind == 5) {  // backwards
      declare(from, extent);
      results_.push_back(from);
      indices_.push_back(
          fmt::format("{}: {} - {}{}", from, extent - 1 + random_.between(-2, 2), from, pad_));
    } else if (kind == 6) {  // through data
      declare(to, extent);
      declare(from, random_.between(1, 20), false);
      results_.push_back(to);
      gathers_.push_back(fmt::format("input at_{}[{}] : {}\n", from, to, pick({"i32", "i64"})));
      indices_.push_back(fmt::format("{}: at_{}", from, from));
    } else {  // as it is, or every element twice
      const bool twice = random_.chance(0.5);
      declare(twice ? to : from, extent);
      if (twice) declare(from, (extent + 1) / 2, false);
      results_.push_back(twice ? to : from);
      if (twice) indices_.push_back(fmt::format("{}: {} // 2", from, to));
    }
  }

  std::string list(const std::vector<std::string>& names) {
    return fmt::format("{}", fmt::join(names, ", "));
  }

  std::vector<std::string> shuffled(std::vector<std::string> names) {
    for (size_t i = names.size(); i > 1; --i)
      std::swap(names[i - 1], names[static_cast<size_t>(random_.below(static_cast<int>(i)))]);
    return names;
  }

  // The formula of d; declares the inputs that it needs beside x.
  std::string formula(std::string& inputs) {
    std::string body = indices_.empty() ? "x" : "x[" + list(indices_) + "]";
    if (random_.chance(0.3) && !indices_.empty()) body += pick({" * ", " + ", " - "}) + body;
    if (!windows_.empty()) {
      std::vector<std::string> over = windows_;
      if (random_.chance(0.7)) {
        if (!plain_.empty() && random_.chance(0.7)) over.push_back(plain_);
        inputs += fmt::format("input w[{}] : {}\n", list(shuffled(over)), type_);
        body += " * w";
        weights_ = true;
      }
      const std::string op = type_ == "bf16" ? "sum" : pick({"sum", "sum", "max", "min"});
      return fmt::format("{}[{}]({})", op, list(windows_), body);
    }
    if (random_.chance(0.4)) {
      inputs += fmt::format("input w[{}] : {}\n", results_.back(), type_);
      weights_ = true;
      body = random_.chance(0.5) ? fmt::format("{} * w", body) : fmt::format("max({}, w)", body);
    }
    if (random_.chance(0.3))
      body = fmt::format("where({} < {}, {}, -({}))", results_.front(), random_.between(0, 9), body,
                         body);
    return body;
  }

  std::string text() {
    std::string inputs;
    std::vector<std::string> of_x = source_;
    if (!plain_.empty())
      of_x.insert(of_x.begin() + random_.below(static_cast<int>(of_x.size()) + 1), plain_);
    const std::string right = formula(inputs);
    std::string dims;
    for (const NamedExtent& dim : dims_)
      dims += fmt::format("{}{} = {}", dims.empty() ? "dim " : ", ", dim.name, dim.extent);
    std::string text = fmt::format("program nest\n{}\ninput x[{}] : {}\n", dims, list(of_x), type_);
    for (const std::string& gather : gathers_) text += gather;
    text += inputs + fmt::format("d = {}\noutput d[{}]\n", right, list(shuffled(results_)));
    if (type_ == "i32" || random_.chance(0.4)) return text;
    const std::string real = type_ == "bf16" ? "f32" : type_;
    text +=
        fmt::format("input r[{}] : {}\nloss = sum[{}]({}(d) * r)\ngx = grad(loss, x)\noutput gx\n",
                    list(shuffled(results_)), real, list(results_), real);
    if (weights_) text += "gw = grad(loss, w)\noutput gw\n";
    return text;
  }

  RandomSource random_;
  std::string type_, pad_, plain_;
  std::vector<NamedExtent> dims_;
  std::vector<std::string> source_;   // dims of x that are indexed
  std::vector<std::string> results_;  // dims of d
  std::vector<std::string> windows_;  // dims that are reduced
  std::vector<std::string> indices_;  // of the read, as text
  std::vector<std::string> gathers_;  // inputs that index
  bool weights_ = false;
  int64_t points_ = 1;
};

}  // namespace

RandomNest random_nest(uint64_t seed) {
  return NestWriter(seed).write();
}

}  // namespace tessera

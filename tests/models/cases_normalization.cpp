#include "models/normalization.h"
#include "tests/models/case.h"

namespace tessera {

std::vector<Case> normalization_cases() {
  const Dim row("row", 4), feature("feature", 7), channel("channel", 6), y("y", 3), x("x", 2);
  const Argument image{"x", {row, channel, y, x}, -2, 3};
  const Argument scale{"scale", {channel}, 0.5, 2};
  const Argument shift{"shift", {channel}};
  return {
      {"moments",
       {"moments"},
       {image},
       {{channel}, {channel}},
       [=](const auto& a) {
         const Moments found = moments({row, y, x}, a[0]);
         return std::vector<Expr>{found.mean, found.variance};
       }},
      {"layer_norm",
       {"layer_norm"},
       {{"x", {row, feature}, -2, 3}, {"scale", {feature}, 0.5, 2}, {"shift", {feature}}},
       {{row, feature}},
       [=](const auto& a) {
         return std::vector<Expr>{layer_norm({feature}, a[0], a[1], a[2], 1e-3)};
       }},
      {"rms_norm",
       {"rms_norm"},
       {{"x", {row, feature}, -2, 3}, {"scale", {feature}, 0.5, 2}},
       {{row, feature}},
       [=](const auto& a) { return std::vector<Expr>{rms_norm({feature}, a[0], a[1])}; }},
      {"group_norm",
       {"group_norm"},
       {image, scale, shift},
       {{row, channel, y, x}},
       [=](const auto& a) {
         return std::vector<Expr>{group_norm(channel, {y, x}, a[0], a[1], a[2], {3, 1e-5})};
       }},
      {"batch_norm",
       {"batch_norm"},
       {image, {"mean", {channel}}, {"variance", {channel}, 0.5, 2}, scale, shift},
       {{row, channel, y, x}},
       [=](const auto& a) {
         return std::vector<Expr>{batch_norm(a[0], {a[1], a[2]}, {a[3], a[4]})};
       }},
  };
}

}  // namespace tessera

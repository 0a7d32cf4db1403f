#include "models/convolution.h"
#include "models/pooling.h"
#include "tests/models/case.h"

namespace tessera {
namespace {

Window window(const std::string& name, int64_t in, int64_t kernel, int64_t stride = 1,
              int64_t dilation = 1, int64_t before = 0, int64_t after = 0) {
  const int64_t room = in + before + after - dilation * (kernel - 1) - 1;
  return {Dim(name, in),
          Dim("k" + name, kernel),
          Dim("o" + name, room / stride + 1),
          stride,
          dilation,
          before,
          after};
}

Dims ins(const std::vector<Window>& windows, Dims dims = {}) {
  for (const Window& w : windows) dims.push_back(w.in);
  return dims;
}
Dims kernels(const std::vector<Window>& windows) {
  Dims dims;
  for (const Window& w : windows) dims.push_back(w.kernel);
  return dims;
}
Dims outs(const std::vector<Window>& windows, Dims dims = {}) {
  for (const Window& w : windows) dims.push_back(w.out);
  return dims;
}
Dims plus(Dims dims, const Dims& more) {
  dims.insert(dims.end(), more.begin(), more.end());
  return dims;
}

// image[cin, ins], filter[cout, cin, kernels] -> [cout, outs], as JAX wants them.
Case plain(const std::string& name, const std::vector<Window>& windows, int64_t channels = 3) {
  const Dim cin("cin", channels), cout("cout", 2);
  return {
      name,
      {"convolution", "window_index", "read_windows", "output_extent"},
      {{"image", ins(windows, {cin})}, {"filter", plus({cout, cin}, kernels(windows))}},
      {outs(windows, {cout})},
      [=](const auto& a) { return std::vector<Expr>{convolution(windows, {cin}, a[0], a[1])}; }};
}

Case transposed(const std::string& name, const std::vector<Window>& windows) {
  const Dim cin("cin", 3), cout("cout", 2);
  return {name,
          {"transposed_convolution"},
          {{"x", outs(windows, {cout})}, {"filter", plus({cout, cin}, kernels(windows))}},
          {ins(windows, {cin})},
          [=](const auto& a) {
            return std::vector<Expr>{transposed_convolution(windows, {cout}, a[0], a[1])};
          }};
}

Case pooled(const std::string& name, const std::string& function,
            Expr (*pool)(const std::vector<Window>&, const Expr&),
            const std::vector<Window>& windows) {
  const Dim channel("channel", 2);
  return {name,
          {function},
          {{"x", ins(windows, {channel})}},
          {outs(windows, {channel})},
          [=](const auto& a) { return std::vector<Expr>{pool(windows, a[0])}; }};
}

}  // namespace

std::vector<Case> convolution_cases() {
  const std::vector<Window> same = {window("y", 7, 3, 1, 1, 1, 1), window("x", 5, 3, 1, 1, 1, 1)};
  const std::vector<Window> strided = {window("y", 9, 3, 2), window("x", 8, 3, 2, 1, 1, 0)};
  const Dim group("group", 2), inside("inside", 2), outside("outside", 3), channel("channel", 3);
  const Dim y("y", 4), x("x", 5);
  return {
      plain("conv1d", {window("x", 11, 3)}),
      plain("conv1d_dilated", {window("x", 13, 3, 2, 3, 2, 2)}),
      plain("conv1d_one", {window("x", 1, 1)}, 1),
      plain("conv2d", {window("y", 6, 3), window("x", 7, 2)}),
      plain("conv2d_same", same),
      plain("conv2d_strided", strided),
      plain("conv2d_dilated", {window("y", 7, 2, 1, 3), window("x", 7, 3, 3, 2, 1, 2)}),
      plain("conv3d", {window("z", 3, 2, 1, 1, 1, 0), window("y", 5, 3, 2), window("x", 4, 2)}, 2),
      {"conv2d_grouped",
       {"convolution"},
       {{"image", ins(same, {group, inside})},
        {"filter", plus({group, outside, inside}, kernels(same))}},
       {outs(same, {group, outside})},
       [=](const auto& a) { return std::vector<Expr>{convolution(same, {inside}, a[0], a[1])}; }},
      {"conv2d_depthwise",
       {"convolution"},
       {{"image", ins(strided, {channel})}, {"filter", plus({channel}, kernels(strided))}},
       {outs(strided, {channel})},
       [=](const auto& a) { return std::vector<Expr>{convolution(strided, {}, a[0], a[1])}; }},
      transposed("transposed_conv1d", {window("x", 11, 3)}),
      transposed("transposed_conv1d_dilated", {window("x", 13, 3, 2, 3, 2, 2)}),
      transposed("transposed_conv2d_strided", strided),
      pooled("max_pool2d", "max_pool", max_pool, {window("y", 6, 2, 2), window("x", 7, 3, 2)}),
      pooled("max_pool2d_padded", "max_pool", max_pool,
             {window("y", 7, 3, 2, 1, 1, 1), window("x", 5, 3, 1, 1, 1, 1)}),
      pooled("average_pool2d", "average_pool", average_pool,
             {window("y", 6, 2, 2), window("x", 7, 3, 2)}),
      pooled("average_pool1d_padded", "average_pool", average_pool,
             {window("x", 7, 3, 2, 1, 1, 1)}),
      {"global_average_pool",
       {"global_average_pool"},
       {{"x", {channel, y, x}}},
       {{channel}},
       [=](const auto& a) {
         return std::vector<Expr>{global_average_pool({y, x}, a[0])};
       }},
  };
}

}  // namespace tessera

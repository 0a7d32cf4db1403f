#include "bench/peers/peer.h"

#ifdef TESSERA_HAS_ONEDNN
#include <omp.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

namespace tessera_peers {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

memory::data_type type_of(const Request& request, const std::string& name) {
  const std::string type = request.type(name);
  if (type == "f32") return memory::data_type::f32;
  if (type == "bf16") return memory::data_type::bf16;
  if (type == "i8") return memory::data_type::s8;
  if (type == "u8") return memory::data_type::u8;
  if (type == "i32") return memory::data_type::s32;
  throw std::invalid_argument("oneDNN is not asked for " + type);
}

// Numbers of all sizes that the type has; what results overwrite is left as it is.
void fill(memory& place) {
  const memory::desc desc = place.get_desc();
  const size_t bytes = desc.get_size();
  void* data = place.get_data_handle();
  const auto write = [&](auto* to, const auto& convert) {
    const std::vector<float> values = numbers(static_cast<int64_t>(bytes / sizeof(*to)));
    std::transform(values.begin(), values.end(), to, convert);
  };
  switch (desc.data_type()) {
    case memory::data_type::f32:
      return write(static_cast<float*>(data), [](float v) { return v; });
    case memory::data_type::bf16:
      return write(static_cast<uint16_t*>(data),
                   [](float v) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16); });
    case memory::data_type::s8:
      return write(static_cast<int8_t*>(data),
                   [](float v) { return static_cast<int8_t>(127 * v); });
    case memory::data_type::u8:
      return write(static_cast<uint8_t*>(data),
                   [](float v) { return static_cast<uint8_t>(127 + 127 * v); });
    default:
      std::memset(data, 0, bytes);
  }
}

// A primitive with memory of its own.
struct Work {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::primitive primitive;
  std::unordered_map<int, memory> arguments;

  void add(int role, const memory::desc& desc) {
    memory place(desc, engine);
    fill(place);
    arguments.emplace(role, place);
  }
  void run() {
    primitive.execute(stream, arguments);
    stream.wait();
  }
};

memory::desc plain(const memory::dims& extents, memory::data_type type, bool transposed) {
  memory::dims strides(extents.size(), 1);
  for (size_t i = extents.size() - 1; i-- > 0;) strides[i] = strides[i + 1] * extents[i + 1];
  if (transposed) {
    strides[extents.size() - 2] = 1;
    strides[extents.size() - 1] = extents[extents.size() - 2];
  }
  return {extents, type, strides};
}

void make_matmul(Work& work, const Request& request) {
  const int64_t m = request.dim("m"), n = request.dim("n"), k = request.dim("k");
  memory::dims a = {m, k}, b = {k, n}, c = {m, n};
  if (request.dims.count("batch") != 0)
    for (memory::dims* dims : {&a, &b, &c}) dims->insert(dims->begin(), request.dim("batch"));
  const bool ta = request.program.find("_ta") != std::string::npos;
  const bool tb = request.program.find("_tb") != std::string::npos;
  const dnnl::matmul::primitive_desc desc(
      dnnl::matmul::desc(plain(a, type_of(request, "a"), ta), plain(b, type_of(request, "b"), tb),
                         plain(c, type_of(request, "c"), false)),
      work.engine);
  work.primitive = dnnl::matmul(desc);
  work.add(DNNL_ARG_SRC, desc.src_desc());
  work.add(DNNL_ARG_WEIGHTS, desc.weights_desc());
  work.add(DNNL_ARG_DST, desc.dst_desc());
}

// Every array in the layout that oneDNN likes best; copies into it are not part of what is timed.
void make_convolution(Work& work, const Request& request) {
  using dnnl::algorithm, dnnl::prop_kind;
  const auto any = [&](const char* name, memory::dims dims) {
    return memory::desc(std::move(dims), type_of(request, name), Tag::any);
  };
  const bool inference = request.type("image") == "i8" || request.type("image") == "u8";
  const int64_t batch = request.dim("batch"), cin = request.dim("cin"), cout = request.dim("cout");
  const int64_t y = request.dim("y"), x = request.dim("x"), ky = request.dim("ky"),
                kx = request.dim("kx"), oy = request.dim("oy"), ox = request.dim("ox");
  const int64_t stride = (y + oy - 1) / oy;  // the suite's windows cover the whole image
  const memory::dims strides = {stride, stride}, before = {ky / 2, kx / 2};
  const memory::dims after = {(oy - 1) * stride + ky - y - ky / 2,
                              (ox - 1) * stride + kx - x - kx / 2};
  const memory::desc image = any("image", {batch, cin, y, x}),
                     filter = any("filter", {cout, cin, ky, kx}),
                     out = any("out", {batch, cout, oy, ox});
  const dnnl::convolution_forward::primitive_desc forward(
      {inference ? prop_kind::forward_inference : prop_kind::forward_training,
       algorithm::convolution_auto, image, filter, out, strides, before, after},
      work.engine);
  const std::string output = request.outputs.at(0);
  if (output == "out") {
    work.primitive = dnnl::convolution_forward(forward);
    work.add(DNNL_ARG_SRC, forward.src_desc());
    work.add(DNNL_ARG_WEIGHTS, forward.weights_desc());
    work.add(DNNL_ARG_DST, forward.dst_desc());
  } else if (output == "d_image") {
    const dnnl::convolution_backward_data::primitive_desc desc(
        {algorithm::convolution_direct, image, filter, out, strides, before, after}, work.engine,
        forward);
    work.primitive = dnnl::convolution_backward_data(desc);
    work.add(DNNL_ARG_DIFF_SRC, desc.diff_src_desc());
    work.add(DNNL_ARG_WEIGHTS, desc.weights_desc());
    work.add(DNNL_ARG_DIFF_DST, desc.diff_dst_desc());
  } else {
    const dnnl::convolution_backward_weights::primitive_desc desc(
        {algorithm::convolution_direct, image, filter, out, strides, before, after}, work.engine,
        forward);
    work.primitive = dnnl::convolution_backward_weights(desc);
    work.add(DNNL_ARG_SRC, desc.src_desc());
    work.add(DNNL_ARG_DIFF_WEIGHTS, desc.diff_weights_desc());
    work.add(DNNL_ARG_DIFF_DST, desc.diff_dst_desc());
  }
}

}  // namespace

Operation onednn(const Request& request) {
  omp_set_num_threads(request.threads);
  auto work = std::make_shared<Work>();
  if (request.program.rfind("matmul", 0) == 0)
    make_matmul(*work, request);
  else if (request.program.rfind("conv", 0) == 0)
    make_convolution(*work, request);
  else
    throw std::invalid_argument("oneDNN is not asked for " + request.program);
  const dnnl_version_t& version = *dnnl::version();
  return {"oneDNN " + std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
              std::to_string(version.patch),
          [work] { work->run(); }};
}

}  // namespace tessera_peers
#else
namespace tessera_peers {

Operation onednn(const Request&) {
  throw Missing(
      "oneDNN was not there when this was built: apt-get install libdnnl-dev, remove "
      "build/*/CMakeCache.txt and build again");
}

}  // namespace tessera_peers
#endif

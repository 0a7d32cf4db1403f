// Contractions against OpenBLAS, one thread, in one run: for each case both sides alternate and the
// medians of processor time are compared. Floors, written before measuring: 85 % of OpenBLAS on
// square products from 64 to 2048 and on the products of a 784-512-10 network; 80 % of the rate of
// the 1024 product on the capsule convolution, which OpenBLAS has no call for.
//
//   env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE bench_contraction [filter]
#include <cblas.h>
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "codegen/compile.h"
#include "codegen/kernel_model.h"
#include "ir/normalize.h"
#include "ir/parse.h"

namespace tessera {
namespace {

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

using Bytes = std::unique_ptr<std::byte, void (*)(void*)>;
Bytes allocate(size_t bytes) {
  const size_t padded = (bytes / 64 + 2) * 64;
  Bytes memory(static_cast<std::byte*>(std::aligned_alloc(64, padded)), &std::free);
  float* values = reinterpret_cast<float*>(memory.get());
  for (size_t i = 0; i < padded / 4; ++i) values[i] = static_cast<float>(i * 7 % 13) * 0.1f - 0.5f;
  return memory;
}

struct Case {
  std::string name;
  std::string program;
  int m = 0, n = 0, k = 0;  // of the peer; 0: no peer
  bool a_transposed = false, b_transposed = false;
};

Case product(int m, int n, int k, bool ta = false, bool tb = false) {
  return {.name = fmt::format("{}x{}x{}{}{}", m, n, k, ta ? " a^T" : "", tb ? " b^T" : ""),
          .program = fmt::format("program p\ndim m = {}, n = {}, k = {}\ninput a[{}]\ninput b[{}]\n"
                                 "c = sum[k](a * b)\noutput c[m, n]\n",
                                 m, n, k, ta ? "k, m" : "m, k", tb ? "n, k" : "k, n"),
          .m = m,
          .n = n,
          .k = k,
          .a_transposed = ta,
          .b_transposed = tb};
}

const char* const kCapsules = R"(
program conv_capsules
dim batch = 64, y = 15, x = 15, oy = 7, ox = 7, ky = 3, kx = 3
dim cin = 32, cout = 32, row = 4, mid = 4, col = 4
input pose[batch, y, x, cin, row, mid]
input w[ky, kx, cin, cout, mid, col]
caps = sum[ky, kx, cin, mid](pose[y: 2*oy + ky, x: 2*ox + kx] * w)
output caps[batch, oy, ox, cout, row, col]
)";

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const int n : {64, 96, 100, 128, 256, 384, 512, 768, 1024, 2048})
    all.push_back(product(n, n, n));
  all.push_back(product(256, 512, 784));
  all.push_back(product(784, 512, 256, true));
  all.push_back(product(256, 784, 512, false, true));
  all.push_back(product(256, 10, 512));
  all.push_back(product(512, 10, 256, true));
  all.push_back(product(256, 512, 10, false, true));
  all.push_back(product(8, 4096, 1024));
  all.push_back(product(8, 4096, 1024, false, true));
  all.push_back(product(4096, 8, 1024));
  all.push_back(product(1024, 1024, 8));
  all.push_back({.name = "conv capsules", .program = kCapsules});
  return all;
}

// Seconds of each side, alternating for about half a second in all.
struct Times {
  std::vector<double> ours, peer;
};
Times measure(double flops, const std::function<void()>& ours, const std::function<void()>& peer) {
  Times times;
  ours();
  if (peer) peer();
  const int rounds = std::clamp(static_cast<int>(2e10 / flops), 5, 1000);
  for (int i = 0; i < rounds; ++i) {
    for (const bool first : {true, false}) {
      const std::function<void()>& run = first ? ours : peer;
      if (!run) continue;
      const double start = processor_seconds();
      run();
      (first ? times.ours : times.peer).push_back(processor_seconds() - start);
    }
  }
  return times;
}

struct Totals {
  double log_ratio = 0;
  int count = 0;
};

void run_case(const Case& c, const Machine& machine, Totals& totals) {
  const Program program = normalize(parse(c.program));
  const std::vector<Nest> nests = nests_of(program);
  const KernelGroup group = make_group(nests, {program.outputs()[0].value});
  CompilerOptions options;
  options.use_cache = false;
  Compiler compiler(options);
  const double before = processor_seconds();
  const Kernel kernel = compiler.compile(group);
  const double compile = processor_seconds() - before;

  std::vector<Bytes> buffers;
  std::vector<void*> arguments;
  for (const Tensor& tensor : kernel.arguments) {
    buffers.push_back(allocate(static_cast<size_t>(volume(tensor.dims())) * 4));
    arguments.push_back(buffers.back().get());
  }
  const Bytes scratch = allocate(kernel.scratch_bytes);
  const Bytes result = allocate(static_cast<size_t>(volume(nests[0].out.dims())) * 4);
  int64_t fault = 0;
  const auto ours = [&] {
    kernel.entry(arguments.data(), scratch.get(), 0, kernel.chunks, &fault);
  };
  const auto peer = [&] {
    cblas_sgemm(CblasRowMajor, c.a_transposed ? CblasTrans : CblasNoTrans,
                c.b_transposed ? CblasTrans : CblasNoTrans, c.m, c.n, c.k, 1,
                static_cast<float*>(arguments[0]), c.a_transposed ? c.m : c.k,
                static_cast<float*>(arguments[1]), c.b_transposed ? c.k : c.n, 0,
                reinterpret_cast<float*>(result.get()), c.n);
  };
  const double flops = flops_of(nests[0]);
  const Times times = measure(flops, ours, c.m > 0 ? std::function<void()>(peer) : nullptr);
  const double ours_s = median(times.ours), peer_s = median(times.peer);
  fmt::print("{:24} {:8.1f} {:8.1f} {:7.2f} {:7.0f}% {:9.1f} {:10.2f}\n", c.name,
             flops / ours_s * 1e-9, peer_s > 0 ? flops / peer_s * 1e-9 : 0,
             peer_s > 0 ? peer_s / ours_s : 0, 100e-9 * flops / ours_s / machine.peak_gflops,
             compile * 1e3, predict_seconds(nests[0], machine, 1) / ours_s);
  std::fflush(stdout);
  if (peer_s <= 0) return;
  totals.log_ratio += std::log(peer_s / ours_s);
  ++totals.count;
}

int run(const std::string& filter) {
  openblas_set_num_threads(1);
  const Machine machine = measure_machine(CpuLevel::host);
  fmt::print("peak {:.1f} GFLOP/s, triad {:.1f} GB/s from memory, {:.1f} GB/s in cache\n",
             machine.peak_gflops, machine.bandwidth, machine.cache_bandwidth);
  fmt::print("{:24} {:>8} {:>8} {:>7} {:>8} {:>9} {:>10}\n", "GFLOP/s", "ours", "openblas", "ratio",
             "of peak", "compile ms", "model/time");
  Totals totals;
  for (const Case& c : cases())
    if (c.name.find(filter) != std::string::npos) run_case(c, machine, totals);
  if (totals.count > 0)
    fmt::print("geometric mean of the ratios {:.2f}\n", std::exp(totals.log_ratio / totals.count));
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  try {
    return tessera::run(argc > 1 ? argv[1] : "");
  } catch (const tessera::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

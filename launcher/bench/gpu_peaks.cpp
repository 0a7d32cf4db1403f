#include "launcher/bench/gpu_peaks.h"

#include <fmt/format.h>

#include <algorithm>

namespace tessera {
namespace {

constexpr int kThreads = 256;
constexpr int kRepeats = 2048;    // of the loop
constexpr int kChains = 8;        // of instructions that do not wait for each other
constexpr int kInstructions = 8;  // of each, in the loop
constexpr int kRuns = 5;

// Instructions over f32 registers %f0 … of which the sum is stored where it is a number that it
// never is, so that none is left out.
struct PeakLoop {
  std::string registers;  // others, with their values
  std::string body;
  int results = 0;
};

std::string ptx_of(const PeakLoop& loop) {
  std::string text =
      ".version 7.1\n.target sm_80\n.address_size 64\n.visible .entry peak(.param .u64 to)\n{\n"
      ".reg .pred %p<2>;\n.reg .b32 %i;\n.reg .b64 %l;\n" +
      fmt::format(".reg .f32 %f<{}>;\n", loop.results);
  for (int i = 0; i < loop.results; ++i) text += fmt::format("mov.f32 %f{}, 0f3F800000;\n", i);
  text += loop.registers + "mov.u32 %i, 0;\nloop:\n" + loop.body;
  text += fmt::format("add.u32 %i, %i, 1;\nsetp.lt.u32 %p0, %i, {};\n@%p0 bra loop;\n", kRepeats);
  for (int i = 1; i < loop.results; ++i) text += fmt::format("add.f32 %f0, %f0, %f{};\n", i);
  return text +
         "setp.eq.f32 %p1, %f0, 0f4B3C614E;\nld.param.u64 %l, [to];\n"
         "@%p1 st.global.f32 [%l], %f0;\nret;\n}\n";
}

PeakLoop multiply_adds() {
  PeakLoop loop{
      ".reg .f32 %x, %y;\nmov.f32 %x, 0f3F7FFFFF;\nmov.f32 %y, 0f33D6BF95;\n", {}, kChains};
  for (int i = 0; i < kInstructions; ++i)
    for (int c = 0; c < kChains; ++c)
      loop.body += fmt::format("fma.rn.f32 %f{0}, %f{0}, %x, %y;\n", c);
  return loop;
}

PeakLoop matrix_products() {
  PeakLoop loop{".reg .b32 %a<4>, %b<2>;\n", {}, 4 * kChains};
  for (const char* name : {"%a0", "%a1", "%a2", "%a3", "%b0", "%b1"})
    loop.registers += fmt::format("mov.b32 {}, 0;\n", name);
  for (int i = 0; i < kInstructions; ++i)
    for (int c = 0; c < kChains; ++c) {
      const std::string sums =
          fmt::format("{{%f{}, %f{}, %f{}, %f{}}}", 4 * c, 4 * c + 1, 4 * c + 2, 4 * c + 3);
      loop.body += fmt::format(
          "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {0}, {{%a0, %a1, %a2, %a3}}, "
          "{{%b0, %b1}}, {0};\n",
          sums);
    }
  return loop;
}

double best_rate(const GpuDevice& device, double each, const std::function<void()>& launch) {
  launch();
  const std::vector<double> seconds = device.time(kRuns, launch);
  return each / *std::min_element(seconds.begin(), seconds.end());
}

// Of the loop on all multiprocessors, when an instruction does `flops` in each thread.
double rate_of(const GpuDevice& device, const PeakLoop& loop, double flops) {
  const GpuModule module(ptx_of(loop));
  const GpuMemory memory(64);
  const int64_t blocks = int64_t{8} * device.multiprocessors();
  const double all = flops * kInstructions * kChains * kRepeats * kThreads * double(blocks);
  return best_rate(device, all, [&] { module.launch("peak", blocks, kThreads, {memory.place()}); });
}

}  // namespace

GpuPeaks measure_gpu_peaks(const GpuDevice& device) {
  GpuPeaks peaks;
  peaks.f32_flops = rate_of(device, multiply_adds(), 2);
  peaks.bf16_flops = rate_of(device, matrix_products(), 2.0 * 16 * 8 * 16 / 32);
  const auto bytes = static_cast<size_t>(std::max<int64_t>(8 * device.cache_bytes(), 1 << 30));
  const GpuMemory from(bytes), to(bytes);
  const CudaDriver& driver = cuda_driver();
  peaks.copy_bytes = best_rate(device, 2.0 * static_cast<double>(bytes), [&] {
    driver.check(driver.copy(to.place(), from.place(), bytes), "copying");
  });
  return peaks;
}

}  // namespace tessera

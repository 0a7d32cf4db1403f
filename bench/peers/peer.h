#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera_peers {

// What a row of a suite asks of a library: the operation of a program of bench/kernels, known by
// the program's name, with the extents of the program's dims and the types of its inputs and
// outputs, for one of its outputs.
//
//   {"matmul_ta", {{"m", 64}, {"n", 32}, {"k", 16}}, {{"a", "f32"}, …}, {"c"}}
struct Request {
  std::string program;
  std::map<std::string, int64_t> dims;
  std::map<std::string, std::string> types;
  std::vector<std::string> outputs;
  int threads = 1;

  int64_t dim(const std::string& name) const { return dims.at(name); }
  // f32 where nothing is said.
  std::string type(const std::string& name) const {
    const auto found = types.find(name);
    return found == types.end() ? "f32" : found->second;
  }
};

// An operation with arrays of its own; each call does it once.
struct Operation {
  std::string version;  // "OpenBLAS 0.3.21"
  std::function<void()> run;
};

// The library is not there; the text says how to get it.
struct Missing : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Operation openblas(const Request& request);
Operation onednn(const Request& request);
// a[i] = b[i] + s * c[i] for `n` elements: the bandwidth of memory.
Operation stream_triad(const Request& request);

// Numbers in [-1, 1), the same for every array of a size.
inline std::vector<float> numbers(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  uint32_t state = 12345;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / (1 << 23) - 1.0f;
  }
  return values;
}

}  // namespace tessera_peers

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

// The processor that kernels are made for. `host` is this one with all that it has; the others are
// the levels of x86-64, each exactly what every processor of that level has, whatever the host
// adds. Code of a lower level runs on a host of a higher one, so one host makes and tests the code
// of all that it contains.
//
//   parse_cpu_level("x86-64-v3", "--cpu")     on an AVX-512 host: code for AVX2 hosts
enum class CpuLevel : uint8_t { host, v2, v3, v4 };

std::string name_of(CpuLevel level);  // "host", "x86-64-v3"

// The level by which kernels for `level` are known: its name, of `host` that of the highest level
// in it ("x86-64-v4"), or "generic" where processors have no levels.
std::string processor_of(CpuLevel level);

// "host" and the levels that this host contains, lowest first.
const std::vector<CpuLevel>& cpu_levels_here();

// The level of that name. Throws UserError for another text, and for a level that this host lacks;
// it begins with `what` and says what the host has.
CpuLevel parse_cpu_level(const std::string& text, const std::string& what);
// The same for a host that has `here`.
CpuLevel parse_cpu_level(const std::string& text, const std::string& what,
                         const std::vector<CpuLevel>& here);

}  // namespace tessera

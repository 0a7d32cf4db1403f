#pragma once

#include <cstdint>
#include <string>

namespace tessera {

// On what the ranks of a job compute.
enum class DeviceKind : uint8_t { cpu, gpu, simulated };

std::string name_of(DeviceKind kind);  // "cpu"

// Throws UserError for another text; it begins with `what` and says what is allowed.
DeviceKind parse_device_kind(const std::string& text, const std::string& what);

// How what lies on GPUs gets from rank to rank: over memory of the host and the ranks' own
// transport, or by NCCL. `automatic`: by NCCL where every rank has it and a GPU of its own.
enum class CollectivesKind : uint8_t { automatic, staged, nccl };

std::string name_of(CollectivesKind kind);  // "auto", "staged", "nccl"
CollectivesKind parse_collectives_kind(const std::string& text, const std::string& what);

}  // namespace tessera

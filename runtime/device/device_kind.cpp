#include "runtime/device/device_kind.h"

#include <array>
#include <vector>

#include "base/error.h"

namespace tessera {
namespace {

constexpr std::array kDevices = {DeviceKind::cpu, DeviceKind::gpu, DeviceKind::simulated};
constexpr std::array kCollectives = {CollectivesKind::automatic, CollectivesKind::staged,
                                     CollectivesKind::nccl};

template <typename Kinds>
auto parse(const Kinds& kinds, const std::string& text, const std::string& what) {
  std::vector<std::string> names;
  for (const auto kind : kinds) {
    if (name_of(kind) == text) return kind;
    names.push_back(name_of(kind));
  }
  throw UserError(what + " is `" + text + "`; allowed: " + join(names) + did_you_mean(text, names));
}

}  // namespace

std::string name_of(DeviceKind kind) {
  return kind == DeviceKind::cpu ? "cpu" : kind == DeviceKind::gpu ? "gpu" : "simulated";
}

std::string name_of(CollectivesKind kind) {
  return kind == CollectivesKind::automatic ? "auto"
         : kind == CollectivesKind::staged  ? "staged"
                                            : "nccl";
}

DeviceKind parse_device_kind(const std::string& text, const std::string& what) {
  return parse(kDevices, text, what);
}

CollectivesKind parse_collectives_kind(const std::string& text, const std::string& what) {
  return parse(kCollectives, text, what);
}

}  // namespace tessera

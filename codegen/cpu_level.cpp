#include "codegen/cpu_level.h"

#include <algorithm>

#include "base/error.h"

namespace tessera {
namespace {

constexpr CpuLevel kAll[] = {CpuLevel::host, CpuLevel::v2, CpuLevel::v3, CpuLevel::v4};

std::vector<std::string> names_of(const std::vector<CpuLevel>& levels) {
  std::vector<std::string> names;
  for (const CpuLevel level : levels) names.push_back(name_of(level));
  return names;
}

}  // namespace

std::string name_of(CpuLevel level) {
  switch (level) {
    case CpuLevel::host:
      return "host";
    case CpuLevel::v2:
      return "x86-64-v2";
    case CpuLevel::v3:
      return "x86-64-v3";
    case CpuLevel::v4:
      return "x86-64-v4";
  }
  return "";
}

CpuLevel parse_cpu_level(const std::string& text, const std::string& what) {
  return parse_cpu_level(text, what, cpu_levels_here());
}

CpuLevel parse_cpu_level(const std::string& text, const std::string& what,
                         const std::vector<CpuLevel>& here) {
  const std::vector<std::string> usable = names_of(here);
  for (const CpuLevel level : kAll) {
    if (name_of(level) != text) continue;
    if (std::find(here.begin(), here.end(), level) != here.end()) return level;
    throw UserError(what + " " + text +
                    ": this host's processor lacks instructions of that level; " +
                    "here it can be " + join(usable));
  }
  const std::vector<std::string> names = names_of({std::begin(kAll), std::end(kAll)});
  throw UserError(what + " takes a level of processors, " + join(names) + ", not `" + text + "`" +
                  did_you_mean(text, names));
}

}  // namespace tessera

#include "placement/mesh_shapes.h"

#include <algorithm>

namespace tessera {
namespace {

// Ordered factorisations into exactly `parts` factors above 1.
void factor(int rest, int parts, std::vector<int>& sizes, std::vector<std::vector<int>>& found) {
  if (parts == 1) {
    if (rest < 2) return;
    sizes.push_back(rest);
    found.push_back(sizes);
    sizes.pop_back();
    return;
  }
  for (int size = rest / 2; size >= 2; --size) {
    if (rest % size != 0) continue;
    sizes.push_back(size);
    factor(rest / size, parts - 1, sizes, found);
    sizes.pop_back();
  }
}

// The names that a mesh of `count` axes uses: the wanted ones, then the first others, in order.
std::vector<std::string> names_for(size_t count, const std::vector<std::string>& wanted) {
  std::vector<std::string> chosen;
  for (const std::string& name : axis_names())
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) chosen.push_back(name);
  for (const std::string& name : axis_names())
    if (chosen.size() < count && std::find(chosen.begin(), chosen.end(), name) == chosen.end())
      chosen.push_back(name);
  std::vector<std::string> ordered;
  for (const std::string& name : axis_names())
    if (std::find(chosen.begin(), chosen.end(), name) != chosen.end()) ordered.push_back(name);
  return ordered;
}

}  // namespace

const std::vector<std::string>& axis_names() {
  static const std::vector<std::string> names = {"data", "model", "depth"};
  return names;
}

std::vector<Mesh> mesh_shapes(int devices, int most_axes, const std::vector<std::string>& wanted) {
  std::vector<Mesh> meshes;
  size_t most = std::min<size_t>(static_cast<size_t>(most_axes), axis_names().size());
  for (size_t count = std::max<size_t>(1, wanted.size()); count <= most; ++count) {
    std::vector<std::vector<int>> found;
    std::vector<int> sizes;
    factor(devices, static_cast<int>(count), sizes, found);
    std::vector<std::string> names = names_for(count, wanted);
    for (const std::vector<int>& factors : found) {
      Mesh mesh;
      for (size_t i = 0; i < count; ++i) mesh.axes.push_back({names[i], factors[i]});
      meshes.push_back(std::move(mesh));
    }
  }
  if (!meshes.empty()) return meshes;
  // Too few devices for that many axes: all on one of them, the others of one rank.
  std::vector<std::string> names = names_for(wanted.size(), wanted);
  for (size_t full = 0; full < names.size(); ++full) {
    Mesh mesh;
    for (size_t i = 0; i < names.size(); ++i)
      mesh.axes.push_back({names[i], i == full ? devices : 1});
    meshes.push_back(std::move(mesh));
  }
  if (meshes.empty()) meshes.emplace_back();
  return meshes;
}

}  // namespace tessera

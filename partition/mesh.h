#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// A list of mesh axes by position. Where the order has a meaning, the first is the outermost.
using Axes = std::vector<int>;

struct Axis {
  std::string name;
  int size = 1;

  bool operator==(const Axis&) const = default;
};

// The ranks of a job as a grid with named axes. Ranks count row-major: the first axis is the
// outermost, so neighbours along the last axis have neighbouring ranks.
//
//   data=2,model=3 :  rank 4 has coordinates {1, 1}
//   group(4, {0}) == {1, 4}     the ranks that differ from 4 only along data
//   group(4, {1}) == {3, 4, 5}
struct Mesh {
  std::vector<Axis> axes;

  bool operator==(const Mesh&) const = default;

  int size(int axis) const { return axes[static_cast<size_t>(axis)].size; }
  const std::string& name(int axis) const { return axes[static_cast<size_t>(axis)].name; }
  int count() const { return static_cast<int>(axes.size()); }
  int ranks() const;  // the product of the sizes; 1 for no axes
  // Position of the axis called `name`, or -1.
  int find(std::string_view name) const;
  std::vector<int> coordinates(int rank) const;
  int rank(const std::vector<int>& coordinates) const;
  // The ranks that differ from `rank` only along `along`, row-major in the order of `along`, which
  // need not be the order of the mesh.
  std::vector<int> group(int rank, const Axes& along) const;
  int group_size(const Axes& along) const;
  // Where `rank` stands in group(rank, along).
  int position_in_group(int rank, const Axes& along) const;
  std::vector<std::string> names(const Axes& which) const;
  std::vector<std::string> names() const;
};

// Reads "data=2,model=2"; "" is the mesh of one rank. Throws UserError.
Mesh parse_mesh(const std::string& text);
// "data=2,model=2"
std::string print(const Mesh& mesh);

}  // namespace tessera

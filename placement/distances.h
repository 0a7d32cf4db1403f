#pragma once

#include <map>
#include <memory>
#include <vector>

#include "partition/reshard.h"

namespace tessera {

// `reshard(...).seconds` for very many pairs: per tensor shape, the graph of shardings and moves is
// priced once, and each pair is one search over small integers. Same numbers as Resharder.
class Distances {
 public:
  // References are kept. Not thread-safe.
  Distances(const Mesh& mesh, const CommCost& cost) : mesh_(mesh), cost_(cost) {}

  double between(const TensorShape& shape, const Sharding& from, const Sharding& to);
  const Mesh& mesh() const { return mesh_; }
  const CommCost& cost() const { return cost_; }

 private:
  struct Move {
    int32_t to;
    CommKind kind;
    unsigned axes;  // bits
    double seconds;
  };
  // What decides whether a move may be part of a path (see moves_from).
  struct Traits {
    unsigned split_axes = 0;  // bits
    unsigned partial = 0;
  };
  struct Graph {
    TensorShape shape;
    std::vector<Sharding> states;
    std::vector<Traits> traits;
    std::vector<std::vector<Move>> moves;
    std::vector<char> expanded;
    std::map<Sharding, int32_t> index;
    std::map<std::pair<int32_t, int32_t>, double> known;
  };

  Graph& graph_of(const TensorShape& shape);
  int32_t state_of(Graph& graph, const Sharding& sharding);
  void expand(Graph& graph, int32_t state);
  double search(Graph& graph, int32_t from, int32_t to);

  const Mesh& mesh_;
  const CommCost& cost_;
  std::map<TensorShape, std::unique_ptr<Graph>> graphs_;
};

}  // namespace tessera

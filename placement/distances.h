#pragma once

#include <map>
#include <memory>
#include <vector>

#include "partition/reshard.h"
#include "placement/forms.h"

namespace tessera {

// `reshard(...).seconds` for very many pairs: per tensor shape, the graph of shardings and moves is
// priced once, and one search backwards from a target answers for all that it can be reached from.
// Same numbers as Resharder.
class Distances {
 public:
  // References are kept. Not thread-safe.
  Distances(const Mesh& mesh, const CommCost& cost) : mesh_(mesh), cost_(cost) {}

  double between(const TensorShape& shape, const Sharding& from, const Sharding& to);
  // From every form of the shape, by number (forms.h), whatever op partial ones are of. The
  // reference holds until the next call.
  const std::vector<double>& to(const TensorShape& shape, const Sharding& to);
  const Mesh& mesh() const { return mesh_; }
  const CommCost& cost() const { return cost_; }

 private:
  struct Move {
    int32_t other;  // where it comes from
    ReshardStep step;
    unsigned axes;  // bits
    size_t price;   // into Priced::seconds
  };
  // What decides whether a move may be part of a path to this state (see moves_from).
  struct Traits {
    unsigned split_axes = 0;  // bits
    unsigned partial = 0;
  };
  // Of all tensors with as many dims.
  struct Graph {
    std::vector<Sharding> states;
    std::vector<Traits> traits;
    std::vector<std::vector<Move>> into;
    std::map<Sharding, int32_t> index;
    std::vector<int32_t> of_form;
    size_t moves = 0;
  };
  struct Priced {
    const Graph* graph;
    std::vector<double> seconds;                 // by move
    std::vector<std::vector<double>> by_target;  // by state, from every state; empty: not known yet
    std::vector<std::vector<double>> by_form;    // the same, from every form
  };

  const Graph& graph_of(size_t dims);
  int32_t state_of(Graph& graph, const Sharding& sharding) const;
  Priced& priced(const TensorShape& shape);
  static int32_t find(const Graph& graph, const Sharding& sharding);
  const std::vector<double>& from_all(Priced& priced, int32_t target);

  const Mesh& mesh_;
  const CommCost& cost_;
  std::map<size_t, std::unique_ptr<Graph>> graphs_;
  std::map<TensorShape, std::unique_ptr<Priced>> priced_;
};

}  // namespace tessera

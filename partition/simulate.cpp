#include "partition/simulate.h"

#include <cstring>
#include <functional>

#include "base/error.h"
#include "ir/random.h"
#include "partition/exchange.h"

namespace tessera {
namespace {

using Held = std::map<Tensor, Array>;

class Simulation {
 public:
  Simulation(const std::vector<ShardedProgram>& ranks, const Arrays& inputs, Arrays& state)
      : ranks_(ranks), inputs_(inputs), state_(state), held_(ranks.size()) {}

  Arrays run() {
    for (size_t r = 0; r < ranks_.size(); ++r) {
      check_same_structure(ranks_[0], ranks_[r]);
      feed(ranks_[r].inputs, inputs_, r);
      feed(ranks_[r].stored, state_, r);
    }
    for (size_t s = 0; s < ranks_[0].steps.size(); ++s) {
      if (std::holds_alternative<CommStep>(ranks_[0].steps[s]))
        communicate(s);
      else
        compute(s);
    }
    Arrays outputs;
    for (size_t k = 0; k < ranks_[0].outputs.size(); ++k)
      outputs[ranks_[0].outputs[k].name] = collect_output(k);
    update();
    return outputs;
  }

 private:
  void feed(const std::vector<Border>& list, const Arrays& arrays, size_t rank) {
    for (const Border& border : list) {
      const auto it = arrays.find(border.name);
      if (it == arrays.end() || it->second.type != border.global.type() ||
          it->second.shape != extents(border.global.dims()))
        throw UserError(
            border.global.where(),
            "`" + border.name + "` takes " +
                describe(Array{border.global.type(), extents(border.global.dims()), {}}) +
                " and was given " + (it == arrays.end() ? "no array" : describe(it->second)));
      held_[rank].emplace(border.local, cut(it->second, border.box));
    }
  }

  void compute(size_t s) {
    for (size_t r = 0; r < ranks_.size(); ++r) {
      const Tensor& out = std::get<ComputeStep>(ranks_[r].steps[s]).nest.out;
      held_[r].emplace(
          out, evaluate(out.value(), out.dims(), [this, r](const Tensor& read) -> const Array& {
            return held_[r].at(read);
          }));
    }
  }

  void communicate(size_t s) {
    for (size_t r = 0; r < ranks_.size(); ++r) {
      const CommStep& step = std::get<CommStep>(ranks_[r].steps[s]);
      std::vector<Contribution> members;
      for (const int member : step.group) {
        const auto m = static_cast<size_t>(member);
        const CommStep& theirs = std::get<CommStep>(ranks_[m].steps[s]);
        members.push_back({&theirs, &held_[m].at(theirs.input)});
      }
      held_[r].emplace(step.output, exchange(step, members));
    }
  }

  // Pastes the parts of all ranks together; ranks that hold the same must agree.
  Array collect(const std::function<const Border&(size_t rank)>& border_of,
                const std::function<const Array&(size_t rank)>& part_of) {
    const Border& first = border_of(0);
    Array whole = make_array(first.global.type(), extents(first.global.dims()));
    for (size_t r = 0; r < ranks_.size(); ++r)
      if (border_of(r).first_copy) paste(part_of(r), border_of(r).box, whole);
    for (size_t r = 0; r < ranks_.size(); ++r)
      TESSERA_CHECK(cut(whole, border_of(r).box).data == part_of(r).data)
          << "rank " << r << " holds another `" << first.name << "` than its peers";
    return whole;
  }

  Array collect_output(size_t k) {
    const Array whole =
        collect([&](size_t r) -> const Border& { return ranks_[r].outputs[k]; },
                [&](size_t r) -> const Array& { return held_[r].at(ranks_[r].outputs[k].local); });
    const Border& border = ranks_[0].outputs[k];
    const Tensor named = make_tensor("", border.global.dims(), whole.type, Role::input);
    return evaluate(make_read(named), border.order,
                    [&](const Tensor&) -> const Array& { return whole; });
  }

  void update() {
    std::map<std::string, Array> changed;
    for (size_t u = 0; u < ranks_[0].updates.size(); ++u) {
      const auto border_of = [&](size_t r) -> const Border& {
        for (const Border& border : ranks_[r].stored)
          if (border.local == ranks_[r].updates[u].target) return border;
        throw InternalError("an update of what is not stored");
      };
      changed[border_of(0).name] = collect(border_of, [&](size_t r) -> const Array& {
        return held_[r].at(ranks_[r].updates[u].value);
      });
    }
    for (auto& [name, array] : changed) state_[name] = std::move(array);
  }

  const std::vector<ShardedProgram>& ranks_;
  const Arrays& inputs_;
  Arrays& state_;
  std::vector<Held> held_;
};

}  // namespace

Arrays simulate(const std::vector<ShardedProgram>& ranks, const Arrays& inputs, Arrays& state) {
  return Simulation(ranks, inputs, state).run();
}

Arrays simulate(const Program& program, const Plan& plan, const Arrays& inputs, Arrays& state,
                const LowerOptions& options) {
  return simulate(lower_all(program, plan, options), inputs, state);
}

}  // namespace tessera

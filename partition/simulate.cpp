#include "partition/simulate.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "ir/array_box.h"
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
    std::vector<const std::vector<Step>*> steps;
    for (const ShardedProgram& rank : ranks_) steps.push_back(&rank.steps);
    run_steps(steps);
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

  // `steps` by rank; they correspond.
  void run_steps(const std::vector<const std::vector<Step>*>& steps) {
    for (size_t s = 0; s < steps[0]->size(); ++s) {
      std::vector<const Step*> step;
      for (const std::vector<Step>* list : steps) step.push_back(&(*list)[s]);
      if (std::holds_alternative<CommStep>(*step[0])) {
        communicate(step);
      } else if (std::holds_alternative<ComputeStep>(*step[0])) {
        compute(step);
      } else {
        iterate(step);
      }
    }
  }

  void iterate(const std::vector<const Step*>& step) {
    const LoopStep& loop = std::get<LoopStep>(*step[0]);
    std::vector<const std::vector<Step>*> body;
    for (const Step* each : step) body.push_back(&std::get<LoopStep>(*each).body);
    const int64_t count = loop.over.extent();
    for (size_t r = 0; r < ranks_.size() && count == 0; ++r)
      for (const Tensor& tensor : outputs_of(*step[r])) array_of(tensor, r);  // empty
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = loop.descending ? count - 1 - i : i;
      const int64_t before = loop.descending ? at + 1 : at - 1;
      iteration_.emplace_back(loop.over, at);
      for (size_t r = 0; r < ranks_.size(); ++r)
        for (const Carry& carry : std::get<LoopStep>(*step[r]).carries)
          evaluate_part(i == 0 ? make_read(carry.initial) : left_in(carry.next, before),
                        carry.carried, r);
      run_steps(body);
      iteration_.pop_back();
    }
  }

  // What the iteration at `before` of the innermost loop left in `next`.
  Expr left_in(const Tensor& next, int64_t before) const {
    std::vector<Index> indices;
    for (const Dim& dim : next.dims())
      indices.push_back({dim == iteration_.back().first
                             ? make_constant(Scalar::of_int(DType::i32, before))
                             : make_index(dim),
                         false});
    return make_read(next, std::move(indices), std::nullopt);
  }

  void evaluate_part(const Expr& value, const Tensor& tensor, size_t r) {
    Array& result = array_of(tensor, r);
    if (volume(tensor.dims()) == 0) return;
    evaluate_iteration(
        value, tensor.dims(), {iteration_.begin(), iteration_.end()},
        [this, r](const Tensor& read) -> const Array& { return held_[r].at(read); }, result);
  }

  // The elements of `tensor` that belong to the iteration.
  Box part_of(const Tensor& tensor) const {
    Box box = whole(tensor.dims());
    for (size_t i = 0; i < iteration_.size(); ++i) {
      box.begin[i] = iteration_[i].second;
      box.end[i] = std::min(box.end[i], box.begin[i] + 1);
    }
    return box;
  }

  Array& array_of(const Tensor& tensor, size_t r) {
    const auto [it, fresh] = held_[r].try_emplace(tensor);
    if (fresh) it->second = make_array(tensor.type(), extents(tensor.dims()));
    return it->second;
  }

  void compute(const std::vector<const Step*>& step) {
    for (size_t r = 0; r < ranks_.size(); ++r) {
      const Tensor& out = std::get<ComputeStep>(*step[r]).nest.out;
      evaluate_part(out.value(), out, r);
    }
  }

  void communicate(const std::vector<const Step*>& step) {
    for (size_t r = 0; r < ranks_.size(); ++r) {
      const CommStep& mine = std::get<CommStep>(*step[r]);
      std::vector<Array> parts;
      std::vector<Contribution> members;
      for (const int member : mine.group) {
        const auto m = static_cast<size_t>(member);
        const CommStep& theirs = std::get<CommStep>(*step[m]);
        parts.push_back(cut(held_[m].at(theirs.input), part_of(theirs.input)));
        members.push_back({&theirs, nullptr});
      }
      for (size_t m = 0; m < members.size(); ++m) members[m].input = &parts[m];
      paste(exchange(mine, members, iteration_.size()), part_of(mine.output),
            array_of(mine.output, r));
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
  std::vector<std::pair<Dim, int64_t>> iteration_;  // of the loops that run, outermost first
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

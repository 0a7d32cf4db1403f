#include "partition/sharded_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "ir/structure.h"

namespace tessera {
namespace {

class Verifier {
 public:
  explicit Verifier(const ShardedProgram& program) : program_(program) {}

  void run() {
    for (const Border& border : program_.inputs) check_border(border, true);
    for (const Border& border : program_.stored) check_border(border, true);
    check_steps(program_.steps, {});
    for (const LocalUpdate& update : program_.updates) {
      use(update.target);
      use(update.value);
      TESSERA_CHECK(update.target.dims() == update.value.dims())
          << "update of `" << update.target.name() << "`";
    }
    for (const Border& border : program_.outputs) check_border(border, false);
  }

 private:
  // `loops` are the dims that the loops around iterate.
  void check_steps(const std::vector<Step>& steps, const Dims& loops) {
    for (const Step& step : steps) {
      if (const LoopStep* loop = std::get_if<LoopStep>(&step)) {
        check_loop(*loop, loops);
        continue;
      }
      for (const Tensor& input : inputs_of(step)) use(input);
      if (const CommStep* comm = std::get_if<CommStep>(&step)) check_comm(*comm);
      for (const Tensor& output : outputs_of(step)) {
        check_iterated(output, loops);
        define(output);
      }
    }
  }

  void check_loop(const LoopStep& loop, Dims loops) {
    loops.push_back(loop.over);
    for (const Carry& carry : loop.carries) {
      use(carry.initial);
      check_iterated(carry.carried, loops);
      TESSERA_CHECK(carry.carried.dims() == carry.next.dims()) << carry.carried.name();
      for (const Dim& dim : carry.initial.dims())
        TESSERA_CHECK(!(dim == loop.over) && contains(carry.carried.dims(), dim))
            << carry.initial.name();
      define(carry.carried);
    }
    check_steps(loop.body, loops);
    if (loop.while_holds) {
      use(*loop.while_holds);
      TESSERA_CHECK(loop.while_holds->dims() == loops) << loop.while_holds->name();
    }
    std::set<Tensor> computed;
    for (const Step& step : loop.body)
      for (const Tensor& tensor : outputs_of(step)) computed.insert(tensor);
    for (const Carry& carry : loop.carries)
      TESSERA_CHECK(computed.erase(carry.next) == 1)
          << "`" << carry.next.name() << "` is not computed in the loop, or carried twice";
  }

  static void check_iterated(const Tensor& tensor, const Dims& loops) {
    for (size_t i = 0; i < loops.size(); ++i)
      TESSERA_CHECK(i < tensor.dims().size() && tensor.dims()[i] == loops[i])
          << "`" << tensor.name() << "` does not begin with the dims of its loops";
  }

  void define(const Tensor& tensor) {
    TESSERA_CHECK(known_.insert(tensor).second) << "`" << tensor.name() << "` is defined twice";
    TESSERA_CHECK(names_.insert(tensor.name()).second)
        << "two tensors are called `" << tensor.name() << "`";
  }

  void use(const Tensor& tensor) const {
    TESSERA_CHECK(known_.count(tensor) == 1)
        << "`" << tensor.name() << "` is used before it is defined";
  }

  void check_border(const Border& border, bool defines) {
    if (defines) define(border.local);
    use(border.local);
    TESSERA_CHECK(shape(border.box) == extents(border.local.dims()))
        << "`" << border.name << "` holds another box than its dims say";
    TESSERA_CHECK(border.sharding.partial.empty()) << "`" << border.name << "` is partial";
    TESSERA_CHECK(same_set(border.order, border.global.dims())) << "`" << border.name << "`";
  }

  static void check_tiling(const std::vector<Interval>& blocks, int64_t extent) {
    int64_t at = 0;
    for (const Interval& range : blocks) {
      TESSERA_CHECK(range.begin == at && range.end >= range.begin) << "blocks leave a gap";
      at = range.end;
    }
    TESSERA_CHECK(at == extent) << "blocks end at " << at << " of " << extent;
  }

  static int64_t extent(const Tensor& tensor, int dim) {
    return tensor.dims()[static_cast<size_t>(dim)].extent();
  }

  static void check_comm(const CommStep& step) {
    const auto me = static_cast<size_t>(step.me);
    TESSERA_CHECK(communicates(step.kind) && me < step.group.size()) << name_of(step.kind);
    TESSERA_CHECK(step.input.type() == step.output.type()) << step.input.name();
    TESSERA_CHECK(step.input.dims().size() == step.output.dims().size()) << step.input.name();
    const auto count = static_cast<int>(step.input.dims().size());
    for (int dim = 0; dim < count; ++dim) {
      if (dim == step.gather_dim || dim == step.scatter_dim) continue;
      TESSERA_CHECK(extent(step.input, dim) == extent(step.output, dim)) << step.input.name();
    }
    if (has_pieces(step.kind)) {
      check_pieces(step);
      return;
    }
    if (step.gather_dim >= 0) {
      TESSERA_CHECK(step.gather_blocks.size() == step.group.size()) << step.input.name();
      check_tiling(step.gather_blocks, extent(step.output, step.gather_dim));
      TESSERA_CHECK(step.gather_blocks[me].size() == extent(step.input, step.gather_dim))
          << step.input.name();
    }
    if (step.scatter_dim >= 0) {
      TESSERA_CHECK(step.scatter_blocks.size() == step.group.size()) << step.input.name();
      check_tiling(step.scatter_blocks, extent(step.input, step.scatter_dim));
      TESSERA_CHECK(step.scatter_blocks[me].size() == extent(step.output, step.scatter_dim))
          << step.input.name();
    }
  }

  static void check_pieces(const CommStep& step) {
    TESSERA_CHECK(step.scatter_dim == step.gather_dim) << step.input.name();
    const int64_t whole = extent(step.input, step.scatter_dim);
    std::vector<Interval> received;
    int64_t own = 0;
    for (const std::vector<Piece>* pieces : {&step.sends, &step.receives}) {
      TESSERA_CHECK(
          std::is_sorted(pieces->begin(), pieces->end(),
                         [](const Piece& a, const Piece& b) { return a.member < b.member; }))
          << step.input.name();
      for (const Piece& piece : *pieces) {
        TESSERA_CHECK(piece.member >= 0 && piece.range.size() > 0 &&
                      piece.member < static_cast<int>(step.group.size()))
            << step.input.name();
        if (piece.member == step.me) own += (pieces == &step.sends ? 1 : -1) * piece.range.size();
      }
    }
    TESSERA_CHECK(own == 0) << step.input.name() << " keeps other pieces than it has";
    for (const Piece& piece : step.sends)
      TESSERA_CHECK(piece.range.begin >= 0 && piece.range.end <= whole) << step.input.name();
    for (const Piece& piece : step.receives) received.push_back(piece.range);
    std::sort(received.begin(), received.end(),
              [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
    check_tiling(received, extent(step.output, step.gather_dim));
  }

  const ShardedProgram& program_;
  std::set<Tensor> known_;
  std::set<std::string> names_;
};

std::string outline(const Tensor& tensor) {
  return fmt::format("{}[{}]:{}", tensor.name(), join(names(tensor.dims())),
                     name_of(tensor.type()));
}

// A line per step without extents, offsets and blocks.
class Skeleton {
 public:
  explicit Skeleton(const ShardedProgram& program) : program_(program) {
    lines_.push_back(program.name + " " + print(program.mesh));
    add_borders("input", program.inputs);
    add_borders("stored", program.stored);
    add_steps(program.steps);
    for (const LocalUpdate& update : program.updates)
      lines_.push_back(outline(update.target) + " becomes " + outline(update.value));
    add_borders("output", program.outputs);
  }

  std::vector<std::string> take() { return std::move(lines_); }

 private:
  void add_borders(const char* what, const std::vector<Border>& list) {
    for (const Border& border : list)
      lines_.push_back(fmt::format("{} {} {}", what, border.name, outline(border.local)));
  }

  void add_steps(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      if (const LoopStep* loop = std::get_if<LoopStep>(&step)) {
        lines_.push_back(fmt::format("loop {} times {} {}", loop->over.extent(), loop->over.name(),
                                     loop->descending ? "down" : "up"));
        for (const Carry& carry : loop->carries)
          lines_.push_back(outline(carry.carried) + " from " + outline(carry.initial) + " by " +
                           outline(carry.next));
        add_steps(loop->body);
        lines_.push_back("end of loop" +
                         (loop->while_holds ? ", while " + outline(*loop->while_holds) : ""));
        continue;
      }
      std::vector<std::string> inputs;
      for (const Tensor& input : inputs_of(step)) inputs.push_back(outline(input));
      std::string line = outline(outputs_of(step)[0]) + " from " + join(inputs);
      if (const CommStep* comm = std::get_if<CommStep>(&step))
        line +=
            fmt::format(" {} {} over {} dims {} {}", name_of(comm->kind), name_of(comm->op),
                        join(program_.mesh.names(comm->axes)), comm->gather_dim, comm->scatter_dim);
      lines_.push_back(line);
    }
  }

  const ShardedProgram& program_;
  std::vector<std::string> lines_;
};

std::vector<std::string> skeleton(const ShardedProgram& program) {
  return Skeleton(program).take();
}

std::vector<Tensor> inputs_of(const LoopStep& loop) {
  std::vector<Tensor> found;
  std::set<Tensor> known;
  for (const Carry& carry : loop.carries) known.insert(carry.carried);
  const auto add = [&](const Tensor& tensor) {
    if (known.insert(tensor).second) found.push_back(tensor);
  };
  for (const Step& step : loop.body) {
    for (const Tensor& input : inputs_of(step)) add(input);
    for (const Tensor& output : outputs_of(step)) known.insert(output);
  }
  for (const Carry& carry : loop.carries) add(carry.initial);
  return found;
}

void each_step(const std::vector<Step>& steps, int64_t times,
               const std::function<void(const Step& step, int64_t times)>& body) {
  for (const Step& step : steps) {
    if (const LoopStep* loop = std::get_if<LoopStep>(&step)) {
      each_step(loop->body, times * loop->over.extent(), body);
    } else {
      body(step, times);
    }
  }
}

}  // namespace

std::vector<Tensor> outputs_of(const Step& step) {
  if (const ComputeStep* compute = std::get_if<ComputeStep>(&step)) return {compute->nest.out};
  if (const CommStep* comm = std::get_if<CommStep>(&step)) return {comm->output};
  const LoopStep& loop = std::get<LoopStep>(step);
  std::vector<Tensor> found;
  for (const Carry& carry : loop.carries) found.push_back(carry.carried);
  for (const Step& inner : loop.body)
    for (const Tensor& tensor : outputs_of(inner)) found.push_back(tensor);
  return found;
}

std::vector<Tensor> inputs_of(const Step& step) {
  if (const LoopStep* loop = std::get_if<LoopStep>(&step)) return inputs_of(*loop);
  if (const CommStep* comm = std::get_if<CommStep>(&step)) return {comm->input};
  return tensors_read(std::get<ComputeStep>(step).nest.body);
}

void each_step(const std::vector<Step>& steps,
               const std::function<void(const Step& step, int64_t times)>& body) {
  each_step(steps, 1, body);
}

void verify(const ShardedProgram& program) {
  Verifier(program).run();
}

void check_same_structure(const ShardedProgram& a, const ShardedProgram& b) {
  const std::vector<std::string> left = skeleton(a);
  const std::vector<std::string> right = skeleton(b);
  for (size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const std::string ours = i < left.size() ? left[i] : "nothing";
    const std::string theirs = i < right.size() ? right[i] : "nothing";
    TESSERA_CHECK(ours == theirs) << "rank " << a.rank << " has " << ours << ", rank " << b.rank
                                  << " has " << theirs;
  }
}

std::string structure_hash(const ShardedProgram& program) {
  return hex(hash_bytes(join(skeleton(program), "\n")));
}

std::map<std::string, Traffic> bytes_by_collective(const ShardedProgram& program) {
  std::map<std::string, Traffic> total;
  each_step(program.steps, [&total](const Step& step, int64_t times) {
    const CommStep* comm = std::get_if<CommStep>(&step);
    if (comm == nullptr) return;
    Traffic& traffic = total[name_of(comm->kind)];
    traffic.count += times;
    traffic.bytes += times * comm->bytes;
  });
  return total;
}

}  // namespace tessera

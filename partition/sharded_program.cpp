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
    for (const Step& step : program_.steps) {
      for (const Tensor& input : inputs_of(step)) use(input);
      if (const CommStep* comm = std::get_if<CommStep>(&step)) check_comm(*comm);
      define(output_of(step));
    }
    for (const LocalUpdate& update : program_.updates) {
      use(update.target);
      use(update.value);
      TESSERA_CHECK(update.target.dims() == update.value.dims())
          << "update of `" << update.target.name() << "`";
    }
    for (const Border& border : program_.outputs) check_border(border, false);
  }

 private:
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
    if (step.gather_dim >= 0) {
      TESSERA_CHECK(step.gather_blocks.size() == step.group.size()) << step.input.name();
      check_tiling(step.gather_blocks, extent(step.output, step.gather_dim));
      TESSERA_CHECK(step.kind == CommKind::halo ||
                    step.gather_blocks[me].size() == extent(step.input, step.gather_dim))
          << step.input.name();
    }
    if (step.kind == CommKind::halo) {
      check_halo(step);
      return;
    }
    if (step.scatter_dim >= 0) {
      TESSERA_CHECK(step.scatter_blocks.size() == step.group.size()) << step.input.name();
      check_tiling(step.scatter_blocks, extent(step.input, step.scatter_dim));
      TESSERA_CHECK(step.scatter_blocks[me].size() == extent(step.output, step.scatter_dim))
          << step.input.name();
    }
  }

  static void check_halo(const CommStep& step) {
    const auto me = static_cast<size_t>(step.me);
    TESSERA_CHECK(step.scatter_dim == step.gather_dim &&
                  step.scatter_blocks.size() == step.group.size())
        << step.input.name();
    TESSERA_CHECK(step.scatter_blocks[me].size() == step.gather_blocks[me].size())
        << step.input.name();
    for (const Interval& range : step.scatter_blocks)
      TESSERA_CHECK(range.begin >= 0 && range.end >= range.begin &&
                    range.end <= extent(step.input, step.scatter_dim))
          << step.input.name();
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
std::vector<std::string> skeleton(const ShardedProgram& program) {
  std::vector<std::string> lines{program.name + " " + print(program.mesh)};
  const auto add_borders = [&](const char* what, const std::vector<Border>& list) {
    for (const Border& border : list)
      lines.push_back(fmt::format("{} {} {}", what, border.name, outline(border.local)));
  };
  add_borders("input", program.inputs);
  add_borders("stored", program.stored);
  for (const Step& step : program.steps) {
    std::vector<std::string> inputs;
    for (const Tensor& input : inputs_of(step)) inputs.push_back(outline(input));
    std::string line = outline(output_of(step)) + " from " + join(inputs);
    if (const CommStep* comm = std::get_if<CommStep>(&step))
      line +=
          fmt::format(" {} {} over {} dims {} {}", name_of(comm->kind), name_of(comm->op),
                      join(program.mesh.names(comm->axes)), comm->gather_dim, comm->scatter_dim);
    lines.push_back(line);
  }
  for (const LocalUpdate& update : program.updates)
    lines.push_back(outline(update.target) + " becomes " + outline(update.value));
  add_borders("output", program.outputs);
  return lines;
}

}  // namespace

const std::string& origin_of(const Step& step) {
  return std::visit([](const auto& one) -> const std::string& { return one.origin; }, step);
}

const Tensor& output_of(const Step& step) {
  if (const CommStep* comm = std::get_if<CommStep>(&step)) return comm->output;
  return std::get<ComputeStep>(step).nest.out;
}

std::vector<Tensor> inputs_of(const Step& step) {
  if (const CommStep* comm = std::get_if<CommStep>(&step)) return {comm->input};
  return tensors_read(std::get<ComputeStep>(step).nest.body);
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
  for (const Step& step : program.steps) {
    const CommStep* comm = std::get_if<CommStep>(&step);
    if (comm == nullptr) continue;
    Traffic& traffic = total[name_of(comm->kind)];
    ++traffic.count;
    traffic.bytes += comm->bytes;
  }
  return total;
}

}  // namespace tessera

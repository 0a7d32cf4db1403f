#include "codegen/blocked_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "codegen/fuse.h"
#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// The nests of a group over one block: walked dims become dims of the block's size, tensors views
// from the block's first indices on.
class BlockMaker {
 public:
  BlockMaker(const KernelGroup& group, const std::vector<BlockWalk>& walks, bool rest)
      : group_(group), walks_(walks) {
    for (size_t w = 0; w < walks.size(); ++w) {
      const BlockWalk& walk = walks[w];
      const bool last = rest && w + 1 == walks.size();
      const Dim block(walk.dim.name(), last ? walk.rest() : walk.block, walk.dim.where());
      blocks_.push_back(block);
      const Tensor before = make_tensor(walk.dim.name(), {}, DType::i32, Role::input);
      from_.emplace(before, BlockArgument{BlockArgument::Kind::index, static_cast<int>(w), {}});
      within_.emplace(walk.dim, make_index(block));
      values_.push_back(make_apply(Fn::add, {make_read(before), make_index(block)}));
    }
    for (const Nest& nest : group.nests) written_.insert(nest.out);
  }

  BlockVariant make(std::vector<int64_t>& scratch) {
    for (const Nest& nest : group_.nests) add(nest);
    std::vector<KernelGroup> groups = fuse_parts(nests_, outputs_);
    place_scratch(groups, scratch);
    BlockVariant variant;
    for (const auto& [group, start] : starts_) variant.parts.push_back(part(group, start));
    for (const KernelGroup& group : groups) variant.parts.push_back(part(group, {}));
    return variant;
  }

 private:
  int walk_of(const Dim& dim) const {
    for (size_t w = 0; w < walks_.size(); ++w)
      if (walks_[w].dim == dim) return static_cast<int>(w);
    return -1;
  }

  // The walk of an index that is nothing but a walked dim; or -1.
  int walk_of(const Expr& index) const {
    const IndexOf* plain = as<IndexOf>(index);
    return plain == nullptr ? -1 : walk_of(plain->dim);
  }

  Dims blocks_of(const Dims& dims) const {
    Dims result;
    for (const Dim& dim : dims) {
      const int walk = walk_of(dim);
      result.push_back(walk < 0 ? dim : blocks_[static_cast<size_t>(walk)]);
    }
    return result;
  }

  int argument_of(const Tensor& tensor) const {
    const std::vector<Tensor>& ins = group_.inputs;
    const std::vector<Tensor>& outs = group_.outputs;
    const auto out = std::find(outs.begin(), outs.end(), tensor);
    if (out != outs.end())
      return static_cast<int>(ins.size() + static_cast<size_t>(out - outs.begin()));
    const auto in = std::find(ins.begin(), ins.end(), tensor);
    TESSERA_CHECK(in != ins.end()) << tensor.name() << " is no argument";
    return static_cast<int>(in - ins.begin());
  }

  // How one dim of an argument is read: along a walk as it stands, or by an affine index that moves
  // by so many for an index of each walk.
  struct Along {
    int walk = -1;
    std::vector<int64_t> moves;  // by walk; empty: by none

    auto operator<=>(const Along&) const = default;
  };

  Along along(const Expr& index) const {
    if (const int walk = walk_of(index); walk >= 0) return {walk, {}};
    const std::optional<Affine> form = affine_form(index);
    if (!form) return {};
    Along result{-1, std::vector<int64_t>(walks_.size(), 0)};
    for (const auto& [dim, coefficient] : form->terms)
      if (const int walk = walk_of(dim); walk >= 0)
        result.moves[static_cast<size_t>(walk)] = coefficient;
    const bool still = std::all_of(result.moves.begin(), result.moves.end(),
                                   [](int64_t move) { return move == 0; });
    return still ? Along{} : result;
  }

  // An argument of the group as a block reads or writes it.
  Tensor view_of(const Tensor& tensor, const std::vector<Along>& along) {
    const auto known = views_.find({tensor, along});
    if (known != views_.end()) return known->second;
    Dims dims;
    const std::vector<int64_t> strides = tensor.strides();
    BlockArgument argument{BlockArgument::Kind::argument, argument_of(tensor), {}};
    argument.steps.assign(walks_.size(), 0);
    for (size_t i = 0; i < along.size(); ++i) {
      const Dim& dim = tensor.dims()[i];
      for (size_t w = 0; w < along[i].moves.size(); ++w)
        argument.steps[w] += strides[i] * along[i].moves[w];
      if (along[i].walk < 0) {
        dims.push_back(dim);
        continue;
      }
      const auto w = static_cast<size_t>(along[i].walk);
      argument.steps[w] += strides[i];
      const Dim& block = blocks_[w];
      const bool own = walks_[w].dim == dim;
      dims.push_back(own ? block : Dim(dim.name(), block.extent(), dim.where()));
    }
    const Tensor view = make_view(tensor.name(), dims, tensor.type(), strides);
    from_.emplace(view, argument);
    views_.emplace(std::pair(tensor, along), view);
    return view;
  }

  // What a nest of the group writes.
  Tensor view_of_result(const Tensor& tensor) {
    const bool output =
        std::find(group_.outputs.begin(), group_.outputs.end(), tensor) != group_.outputs.end();
    if (output) {
      std::vector<Along> along;
      for (const Dim& dim : tensor.dims()) along.push_back({walk_of(dim), {}});
      const Tensor view = view_of(tensor, along);
      outputs_.insert(view);
      return view;
    }
    const auto known = passed_.find(tensor);
    if (known != passed_.end()) return known->second;
    const Tensor part = private_tensor(tensor);
    passed_.emplace(tensor, part);
    return part;
  }

  Tensor private_tensor(const Tensor& like) const {
    return make_tensor(like.name(), blocks_of(like.dims()), like.type(), Role::input);
  }

  Expr rewrite(const Expr& expr) {
    const auto known = rewritten_.find(&expr.node());
    if (known != rewritten_.end()) return known->second;
    const Expr result = rewrite_node(expr);
    rewritten_.emplace(&expr.node(), result);
    return result;
  }

  Expr rewrite_node(const Expr& expr) {
    if (const int walk = walk_of(expr); walk >= 0) return values_[static_cast<size_t>(walk)];
    if (const Read* read = as<Read>(expr)) return rewrite_read(expr, *read);
    std::vector<Expr> replaced;
    for (const Expr& child : children(expr)) replaced.push_back(rewrite(child));
    return replaced.empty() ? expr : with_children(expr, replaced);
  }

  Expr rewrite_read(const Expr& expr, const Read& read) {
    std::vector<Along> ways;
    std::vector<Index> indices;
    for (const Index& index : read.indices) ways.push_back(along(index.value));
    const Tensor view =
        written_.count(read.tensor) != 0 ? view_of_result(read.tensor) : view_of(read.tensor, ways);
    for (size_t i = 0; i < read.indices.size(); ++i) {
      const bool moved = !ways[i].moves.empty() || ways[i].walk >= 0;
      const Expr& value = read.indices[i].value;
      indices.push_back({moved ? substitute(value, within_) : rewrite(value),
                         read.indices[i].padded && !stays_inside(read, i)});
    }
    return make_read(view, indices, read.pad, expr.where());
  }

  void add(const Nest& nest) {
    Dims reduced;
    std::vector<int> serial;
    for (const Dim& dim : nest.reduced) {
      const int walk = walk_of(dim);
      if (walk >= 0) serial.push_back(walk);
      reduced.push_back(walk < 0 ? dim : blocks_[static_cast<size_t>(walk)]);
    }
    reduced = sorted(reduced);
    const Tensor out = view_of_result(nest.out);
    if (serial.empty()) {
      nests_.push_back({out, nest.op, reduced, rewrite(nest.body)});
      return;
    }
    // What this block adds, and where it goes.
    const Tensor added = private_tensor(nest.out);
    nests_.push_back({added, nest.op, reduced, rewrite(nest.body)});
    const Fn fn = function_of(*nest.op);
    const Expr sum = make_apply(fn, {make_read(same_place(out)), make_read(added)});
    nests_.push_back({out, {}, {}, sum});
    const Tensor first = same_place(out);
    const Expr nothing = make_constant(identity(*nest.op, out.type()));
    starts_.emplace_back(make_group({{first, {}, {}, nothing}}, {first}), serial);
  }

  // What lies there before a part writes it, or what another part writes there.
  Tensor same_place(const Tensor& out) {
    const Tensor other = make_view(out.name(), out.dims(), out.type(), out.strides());
    from_.emplace(other, from_.at(out));
    return other;
  }

  // Gives what parts pass to each other places in scratch: that of a tensor which is not read any
  // more, best of one that the same part replaces element by element, or a new one.
  void place_scratch(const std::vector<KernelGroup>& groups, std::vector<int64_t>& scratch) {
    std::map<Tensor, size_t> last;  // the part that reads it last
    for (size_t g = 0; g < groups.size(); ++g)
      for (const Tensor& tensor : groups[g].inputs) last[tensor] = g;
    std::set<int> free;
    for (size_t i = 0; i < scratch.size(); ++i) free.insert(static_cast<int>(i));
    for (size_t g = 0; g < groups.size(); ++g) {
      std::set<int> ended;
      for (const Tensor& tensor : groups[g].inputs)
        if (scratch_.count(tensor) != 0 && last.at(tensor) == g) ended.insert(scratch_.at(tensor));
      for (const Tensor& tensor : groups[g].outputs) {
        if (from_.count(tensor) != 0) continue;
        int place = replaced(groups[g], tensor, ended);
        if (place >= 0) {
          ended.erase(place);
        } else if (!free.empty()) {
          place = *free.begin();
          free.erase(free.begin());
        } else {
          place = static_cast<int>(scratch.size());
          scratch.push_back(0);
        }
        scratch_.emplace(tensor, place);
        const int64_t bytes = volume(tensor.dims()) * static_cast<int64_t>(size_of(tensor.type()));
        int64_t& size = scratch[static_cast<size_t>(place)];
        size = std::max(size, bytes);
      }
      free.insert(ended.begin(), ended.end());
    }
  }

  // The place, among `ended`, of an input that `output` may lie upon; or -1.
  int replaced(const KernelGroup& group, const Tensor& output, const std::set<int>& ended) const {
    for (const Tensor& input : group.inputs) {
      const auto it = scratch_.find(input);
      if (it != scratch_.end() && ended.count(it->second) != 0 &&
          can_run_in_place(group, output, input))
        return it->second;
    }
    return -1;
  }

  BlockPart part(const KernelGroup& group, const std::vector<int>& start) const {
    BlockPart result{group, {}, start};
    for (const std::vector<Tensor>* tensors : {&group.inputs, &group.outputs}) {
      for (const Tensor& tensor : *tensors) {
        const auto known = from_.find(tensor);
        if (known != from_.end())
          result.arguments.push_back(known->second);
        else
          result.arguments.push_back({BlockArgument::Kind::scratch, scratch_.at(tensor), {}});
      }
    }
    return result;
  }

  const KernelGroup& group_;
  const std::vector<BlockWalk>& walks_;
  std::vector<Dim> blocks_;     // by walk
  std::vector<Expr> values_;    // by walk: the index, as a value
  std::map<Dim, Expr> within_;  // the index within the block
  std::set<Tensor> written_;    // by the group
  std::map<Tensor, BlockArgument> from_;
  std::map<std::pair<Tensor, std::vector<Along>>, Tensor> views_;
  std::map<Tensor, Tensor> passed_;
  std::map<Tensor, int> scratch_;
  std::set<Tensor> outputs_;
  std::vector<Nest> nests_;
  std::vector<std::pair<KernelGroup, std::vector<int>>> starts_;
  std::unordered_map<const ExprNode*, Expr> rewritten_;
};

}  // namespace

int64_t BlockedGroup::points() const {
  int64_t product = 1;
  for (const BlockWalk& walk : walks)
    if (!walk.serial) product *= walk.trips();
  return product;
}

BlockedGroup make_blocks(const KernelGroup& group, const std::vector<BlockWalk>& walks) {
  BlockedGroup result{walks, {}, {}, static_cast<int>(group.inputs.size())};
  result.variants.push_back(BlockMaker(group, walks, false).make(result.scratch));
  if (walks.back().rest() != 0) {
    result.variants.push_back(BlockMaker(group, walks, true).make(result.scratch));
    result.variants.back().rest = true;
  }
  return result;
}

int last_walk_of(const BlockPart& part, const Expr& operand, const BlockedGroup& group) {
  const int innermost = static_cast<int>(group.walks.size()) - 1;
  int last = -1;
  for (const Tensor& tensor : tensors_read(operand)) {
    const std::vector<Tensor>& inputs = part.group.inputs;
    const auto at = std::find(inputs.begin(), inputs.end(), tensor);
    if (at == inputs.end()) return innermost;
    const BlockArgument& argument = part.arguments[static_cast<size_t>(at - inputs.begin())];
    if (argument.kind == BlockArgument::Kind::scratch) return innermost;
    if (argument.kind == BlockArgument::Kind::index) last = std::max(last, argument.number);
    for (size_t w = 0; w < argument.steps.size(); ++w)
      if (argument.steps[w] != 0) last = std::max(last, static_cast<int>(w));
    // What an earlier part wrote there.
    if (argument.kind == BlockArgument::Kind::argument && argument.number >= group.inputs)
      return innermost;
  }
  return last;
}

void set_stays(ContractionGroup& contraction, const BlockedGroup& group, const BlockPart& part,
               bool repeats) {
  const int innermost = static_cast<int>(group.walks.size()) - 1;
  contraction.in_block = true;
  contraction.stays_a = repeats && last_walk_of(part, contraction.contraction.a, group) < innermost;
  contraction.stays_b = repeats && last_walk_of(part, contraction.contraction.b, group) < innermost;
}

std::string describe(const std::vector<BlockWalk>& walks) {
  std::string text;
  for (const BlockWalk& walk : walks)
    text += fmt::format("{}{} by {}", text.empty() ? "" : ", ", walk.dim.name(), walk.block);
  return text;
}

}  // namespace tessera

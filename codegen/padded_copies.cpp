#include "codegen/padded_copies.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "codegen/contraction.h"
#include "codegen/contraction_layout.h"
#include "ir/index_range.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr int kRows = 8;            // of a panel, about
constexpr int64_t kColumns = 32;    // and of one on the other side
constexpr double kLiveShare = 0.8;  // less than that of all steps: most of the rest is left out
constexpr int64_t kLeastRun = 16;   // steps of k that are left out where all is pad
constexpr double kCopied = 3;       // packed elements that cost as much as a copied one
constexpr double kMostGrowth = 2;   // of the copy over what is read
constexpr double kMostBytes = 64 << 20;  // of a copy

// What a copy is: a tensor, and for each of its dims from where to where it reaches.
struct Frame {
  Tensor tensor;
  std::vector<IndexRange> ranges;
  Scalar pad;

  std::vector<int64_t> key() const {
    std::vector<int64_t> bounds;
    for (const IndexRange& range : ranges) bounds.insert(bounds.end(), {range.low, range.high});
    return bounds;
  }
  double elements() const {
    double product = 1;
    for (const IndexRange& range : ranges)
      product *= static_cast<double>(range.high - range.low + 1);
    return product;
  }
};

// The frame of a read whose padded indices have known ranges.
std::optional<Frame> frame_of(const Read& read) {
  Frame frame{read.tensor, {}, *read.pad};
  for (size_t d = 0; d < read.indices.size(); ++d) {
    const int64_t extent = read.tensor.dims()[d].extent();
    IndexRange range{0, extent - 1};
    if (read.indices[d].padded) {
      const std::optional<IndexRange> reach = index_range(read.indices[d].value);
      if (!reach) return std::nullopt;
      if (reach->low < 0 || reach->high >= extent) range = *reach;
    }
    frame.ranges.push_back(range);
  }
  return frame;
}

const Read* padded_read(const Expr& operand) {
  const Apply* apply = as<Apply>(operand);
  const Read* read = as<Read>(apply != nullptr && apply->fn == Fn::cast ? apply->args[0] : operand);
  return read != nullptr && read->pad && address_of(*read) && !edges_of(*read).empty() ? read
                                                                                       : nullptr;
}

// Elements of a that would be packed because their panels meet a pad.
double packed_elements(const Contraction& c, const Read& a) {
  const ContractionLayout layout =
      layout_of({.contraction = c, .epilogue = {}, .inputs = {}, .outputs = {}});
  return edge_share(a, layout, kRows) * static_cast<double>(volume(layout.batch)) *
         static_cast<double>(volume(layout.m) * volume(layout.k));
}

class Copier {
 public:
  std::vector<Nest> run(const std::vector<Nest>& nests) {
    for (const Nest& nest : nests) look_at(nest);
    for (const Nest& nest : nests) rewrite(nest);
    return std::move(result_);
  }

 private:
  struct Copy {
    double packed = 0;
    std::optional<Tensor> made;
  };

  // The operands of a contraction that could be copied, each with what it costs to pack.
  template <typename Visit>
  void each_padded(const Nest& nest, const Visit& visit) {
    const std::optional<Contraction> found = find_contraction(nest);
    if (!found || !worth_tiling(*found)) return;
    for (const Contraction& c : {*found, swapped(*found)}) {
      const Read* read = padded_read(c.a);
      if (read == nullptr || leaves_runs_out(c)) continue;
      if (const std::optional<Frame> frame = frame_of(*read)) visit(c, *read, *frame);
    }
  }
  // Where runs of k are pad, what is outside is better known than stored.
  static bool leaves_runs_out(const Contraction& c) {
    const Contraction other = swapped(c);
    const ContractionLayout layout =
        layout_of({.contraction = other, .epilogue = {}, .inputs = {}, .outputs = {}});
    return pad_runs(*padded_read(other.b), layout, kLeastRun).live_share(kColumns) < kLiveShare;
  }

  Copy& copy_of(const Frame& frame) {
    std::vector<std::pair<Frame, Copy>>& copies = copies_[frame.tensor];
    for (auto& [known, copy] : copies)
      if (known.key() == frame.key() && known.pad == frame.pad) return copy;
    copies.emplace_back(frame, Copy{});
    return copies.back().second;
  }

  void look_at(const Nest& nest) {
    each_padded(nest, [&](const Contraction& c, const Read& read, const Frame& frame) {
      copy_of(frame).packed += packed_elements(c, read);
    });
  }

  bool pays(const Frame& frame, const Copy& copy) const {
    const double elements = frame.elements();
    return copy.packed > kCopied * elements &&
           elements <= kMostGrowth * static_cast<double>(volume(frame.tensor.dims())) &&
           elements * static_cast<double>(size_of(frame.tensor.type())) <= kMostBytes;
  }

  void rewrite(const Nest& nest) {
    each_padded(nest, [&](const Contraction&, const Read& read, const Frame& frame) {
      Copy& copy = copy_of(frame);
      if (!pays(frame, copy)) return;
      if (!copy.made) copy.made = make_copy(frame);
      std::vector<Index> indices;
      for (size_t d = 0; d < read.indices.size(); ++d) {
        Affine form = *affine_form(read.indices[d].value);
        form.constant -= frame.ranges[d].low;
        indices.push_back({to_expr(form), false});
      }
      replaced_.emplace_back(&read, make_read(*copy.made, indices, std::nullopt));
    });
    Nest changed = nest;
    if (!replaced_.empty())
      changed.body = transform(nest.body, [&](const Expr& node) {
        for (const auto& [read, instead] : replaced_)
          if (as<Read>(node) == read) return instead;
        return node;
      });
    replaced_.clear();
    result_.push_back(std::move(changed));
  }

  Tensor make_copy(const Frame& frame) {
    Dims dims;
    std::vector<Index> indices;
    for (size_t d = 0; d < frame.ranges.size(); ++d) {
      const Dim& dim = frame.tensor.dims()[d];
      const IndexRange& range = frame.ranges[d];
      const int64_t extent = range.high - range.low + 1;
      const bool whole = range.low == 0 && extent == dim.extent();
      dims.push_back(whole ? dim : Dim(dim.name() + "_padded", extent, dim.where()));
      indices.push_back({to_expr(Affine{{{dims.back(), 1}}, range.low}), !whole});
    }
    const int number = ++made_[frame.tensor];
    const std::string name =
        frame.tensor.name() + "_padded" + (number > 1 ? std::to_string(number) : "");
    const Tensor out =
        make_tensor(name, dims, frame.tensor.type(), Role::definition, {}, frame.tensor.where());
    result_.push_back({out, std::nullopt, {}, make_read(frame.tensor, indices, frame.pad)});
    return out;
  }

  std::map<Tensor, std::vector<std::pair<Frame, Copy>>> copies_;
  std::map<Tensor, int> made_;
  std::vector<std::pair<const Read*, Expr>> replaced_;  // in one nest
  std::vector<Nest> result_;
};

}  // namespace

std::vector<Nest> with_padded_copies(const std::vector<Nest>& nests) {
  return Copier().run(nests);
}

}  // namespace tessera

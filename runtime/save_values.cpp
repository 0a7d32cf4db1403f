#include "runtime/save_values.h"

#include <algorithm>
#include <optional>

#include "ir/array_box.h"
#include "ir/slabs.h"
#include "storage/safetensors.h"

namespace tessera {
namespace {

constexpr int64_t kSlabBytes = 8 << 20;
constexpr int kTag = 0;

// The part of a box that lies in another one; nothing where they do not meet.
std::optional<Box> common(Box box, const Box& other) {
  for (size_t d = 0; d < box.begin.size(); ++d) {
    box.begin[d] = std::max(box.begin[d], other.begin[d]);
    box.end[d] = std::min(box.end[d], other.end[d]);
    if (box.begin[d] >= box.end[d]) return std::nullopt;
  }
  return box;
}

// As it is seen from the first element of `origin`.
Box within(Box box, const Box& origin) {
  for (size_t d = 0; d < box.begin.size(); ++d) {
    box.begin[d] -= origin.begin[d];
    box.end[d] -= origin.begin[d];
  }
  return box;
}

// One parameter or state on its way to rank 0. Every rank goes through the same slabs, and in each
// through the same boxes: those that ranks hold, each by the first that holds it.
class Collection {
 public:
  Collection(Executable& executable, Communicator& world, const Border& stored)
      : executable_(executable), world_(world), stored_(stored) {
    const ShardedProgram& sharded = executable.sharded();
    const std::vector<int64_t> whole = extents(stored.global.dims());
    for (int rank = 0; rank < world.size(); ++rank) {
      Box box = local_box(whole, stored.sharding, sharded.mesh, rank);
      if (std::find(boxes_.begin(), boxes_.end(), box) != boxes_.end()) box = {};  // held before
      boxes_.push_back(std::move(box));
    }
  }

  void give(const TensorToWrite::Write& write) const { run(&write); }
  void send() const { run(nullptr); }

 private:
  void run(const TensorToWrite::Write* write) const {
    world_.set_context("saving `" + stored_.name + "`");
    const DType type = stored_.global.type();
    const auto me = static_cast<size_t>(world_.rank());
    Array own;
    if (holds(me)) {
      own = make_array(type, shape(boxes_[me]));
      executable_.executor().read(stored_.local, own.data);
    }
    const int64_t most = kSlabBytes / static_cast<int64_t>(size_of(type));
    each_slab(extents(stored_.global.dims()), most, [&](const Box& slab) {
      Array all = make_array(type, write == nullptr ? std::vector<int64_t>{0} : shape(slab));
      for (size_t rank = 0; rank < boxes_.size(); ++rank) {
        if (!holds(rank) || (write == nullptr && rank != me)) continue;
        const std::optional<Box> part = common(boxes_[rank], slab);
        if (!part) continue;
        Array piece =
            rank == me ? cut(own, within(*part, boxes_[rank])) : make_array(type, shape(*part));
        if (write == nullptr) {
          world_.send(piece.data.data(), piece.data.size(), 0, kTag);
          continue;
        }
        if (rank != me)
          world_.recv(piece.data.data(), piece.data.size(), static_cast<int>(rank), kTag);
        paste(piece, within(*part, slab), all);
      }
      if (write != nullptr) (*write)(all.data);
    });
  }

  // A tensor without dims has a box of one element, without numbers.
  bool holds(size_t rank) const {
    return rank == 0 || boxes_[rank].begin.size() + boxes_[rank].end.size() > 0;
  }

  Executable& executable_;
  Communicator& world_;
  const Border& stored_;
  std::vector<Box> boxes_;  // by rank
};

}  // namespace

void save_values(Executable& executable, Communicator& world, const std::string& path,
                 const std::function<bool(const Tensor&)>& wanted) {
  std::vector<TensorToWrite> tensors;
  for (const Border& stored : executable.sharded().stored) {
    if (!wanted(stored.global)) continue;
    tensors.push_back({stored.name,
                       stored.global.type(),
                       extents(stored.global.dims()),
                       {},
                       [&executable, &world, &stored](const TensorToWrite::Write& write) {
                         const Collection collection(executable, world, stored);
                         if (world.rank() == 0)
                           collection.give(write);
                         else
                           collection.send();
                       }});
  }
  if (world.rank() == 0)
    return replace_safetensors(FileSystem(), path, std::move(tensors), {{"written_by", "tessera"}});
  std::sort(tensors.begin(), tensors.end(), lies_before);
  for (const TensorToWrite& tensor : tensors) tensor.give({});
}

}  // namespace tessera

// A checkpoint as one file of tensors.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "ir/array_box.h"
#include "storage/checkpoint.h"

namespace tessera {
namespace {

Box intersection(const Box& a, const Box& b) {
  Box result = a;
  for (size_t d = 0; d < a.begin.size(); ++d) {
    result.begin[d] = std::max(a.begin[d], b.begin[d]);
    result.end[d] = std::max(result.begin[d], std::min(a.end[d], b.end[d]));
  }
  return result;
}

// `box`, counted from where `origin` begins.
Box within(Box box, const Box& origin) {
  for (size_t d = 0; d < box.begin.size(); ++d) {
    box.begin[d] -= origin.begin[d];
    box.end[d] -= origin.begin[d];
  }
  return box;
}

class CheckpointTensors : public TensorFile {
 public:
  CheckpointTensors(const std::string& folder, Manifest manifest)
      : TensorFile(folder), manifest_(std::move(manifest)) {
    for (const ManifestTensor& tensor : manifest_.tensors)
      tensors_.push_back({tensor.name, name_of(tensor.type), tensor.type, tensor.shape});
  }

  std::string fingerprint() const override {
    return "checkpoint " + hex(hash_bytes(to_json(manifest_)));
  }

 private:
  Array do_read(size_t index, const Box& box) const override {
    const ManifestTensor& tensor = manifest_.tensors[index];
    Array result = make_array(tensor.type, shape(box));
    for (const ManifestPiece& piece : tensor.pieces) {
      const Box part = intersection(piece.box, box);
      if (volume(part) == 0) continue;
      const Array read = from_shard(tensor, piece, within(part, piece.box));
      if (part == box) return read;
      paste(read, within(part, box), result);
    }
    return result;
  }

  Array from_shard(const ManifestTensor& tensor, const ManifestPiece& piece,
                   const Box& part) const {
    const TensorFile& file = shard(piece.shard);
    const std::optional<size_t> found = file.find(tensor.name);
    if (!found || file.tensors()[*found].type != tensor.type ||
        file.tensors()[*found].shape != shape(piece.box))
      throw UserError(file.path() + ": does not have " +
                      describe(Array{tensor.type, shape(piece.box), {}}) + " of `" + tensor.name +
                      "`, as the manifest says; the checkpoint is damaged");
    return file.read(*found, part);
  }

  // Opened when it is needed; so many at once that no limit of open files is near.
  const TensorFile& shard(size_t number) const {
    constexpr size_t kMostOpen = 128;
    const auto it = shards_.find(number);
    if (it != shards_.end()) return *it->second;
    if (shards_.size() >= kMostOpen) shards_.clear();
    FileReader file(path_ + "/" + manifest_.shards[number].file);
    return *(shards_[number] = open_safetensors(std::move(file)));
  }

  Manifest manifest_;
  mutable std::map<size_t, std::unique_ptr<TensorFile>> shards_;
};

}  // namespace

std::unique_ptr<TensorFile> open_checkpoint(const std::string& folder, Manifest manifest) {
  return std::make_unique<CheckpointTensors>(folder, std::move(manifest));
}

}  // namespace tessera

#include "storage/tensor_file.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/hash.h"
#include "storage/checkpoint.h"
#include "storage/file_reader.h"
#include "storage/npz.h"
#include "storage/safetensors.h"

namespace tessera {

std::string describe(const StoredTensor& tensor) {
  const std::string shape = describe(Array{DType::f32, tensor.shape, {}});
  return (tensor.type ? name_of(*tensor.type) : tensor.type_name) + shape.substr(shape.find('['));
}

std::string TensorFile::fingerprint() const {
  std::string text;
  for (const StoredTensor& tensor : tensors_) text += tensor.name + " " + describe(tensor) + "\n";
  return "file " + hex(hash_bytes(text));
}

std::optional<size_t> TensorFile::find(const std::string& name) const {
  const auto it = std::find_if(tensors_.begin(), tensors_.end(),
                               [&](const StoredTensor& tensor) { return tensor.name == name; });
  if (it == tensors_.end()) return std::nullopt;
  return static_cast<size_t>(it - tensors_.begin());
}

Array TensorFile::read(size_t index, const Box& box) const {
  const StoredTensor& tensor = tensors_.at(index);
  if (!tensor.type)
    throw UserError(path_ + ": `" + tensor.name + "` is " + describe(tensor) +
                    "; the types that are read are " + dtype_names() + ": convert it");
  return do_read(index, box);
}

Array TensorFile::read(size_t index) const {
  const std::vector<int64_t>& shape = tensors_.at(index).shape;
  return read(index, Box{std::vector<int64_t>(shape.size(), 0), shape});
}

namespace {

// A checkpoint, or the newest in a folder of them; its hashes are compared.
std::unique_ptr<TensorFile> open_folder(std::string path) {
  if (!std::filesystem::exists(path + "/manifest.json")) {
    const std::vector<CheckpointPlace> places = list_checkpoints(path);
    if (places.empty()) throw UserError(path + ": is a folder without a checkpoint");
    path = places.front().folder;
  }
  Manifest manifest = read_manifest(path);
  verify_checkpoint(path, manifest);
  return open_checkpoint(path, std::move(manifest));
}

}  // namespace

std::unique_ptr<TensorFile> open_tensors(const std::string& path) {
  if (std::filesystem::is_directory(path)) return open_folder(path);
  FileReader file(path);
  const std::string start = file.text(0, static_cast<size_t>(std::min<uint64_t>(file.size(), 6)));
  if (start.rfind("PK\x03\x04", 0) == 0 || start.rfind("PK\x05\x06", 0) == 0)
    return open_npz(std::move(file));
  if (start == "\x93NUMPY")
    throw UserError(path + ": is a .npy file, an array without a name; give it with --in NAME=" +
                    path + ", or several in one .npz or .safetensors file");
  return open_safetensors(std::move(file));
}

}  // namespace tessera

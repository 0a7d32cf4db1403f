#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/array.h"
#include "ir/box.h"

namespace tessera {

// A tensor that lies in a file.
struct StoredTensor {
  std::string name;
  std::string type_name;      // as the file says: "F32", "f32", "U16"
  std::optional<DType> type;  // ours; nothing for types that Tessera does not have
  std::vector<int64_t> shape;
};

// "f32[3, 4]", or "U16[3, 4]" for a type that we do not have.
std::string describe(const StoredTensor& tensor);

// Named tensors in a file: a .safetensors or .npz file, or a checkpoint's folder. What is wrong
// with the file is a UserError that begins with its path; sizes and ranges are checked before
// anything is allocated, so hostile files cost little.
//
//   const std::unique_ptr<TensorFile> file = open_tensors("model.safetensors");
//   for (size_t i = 0; i < file->tensors().size(); ++i)
//     use(file->tensors()[i].name, file->read(i));
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  const std::string& path() const { return path_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  // Equal for equal files, however they are called: a hash of what the file says about its tensors,
  // for ranks to compare.
  virtual std::string fingerprint() const;

  // Which one is called that; nothing when none is.
  std::optional<size_t> find(const std::string& name) const;

  // The box of a tensor, or all of it. Reads little more than that where the file allows it.
  Array read(size_t index, const Box& box) const;
  Array read(size_t index) const;

 protected:
  explicit TensorFile(std::string path) : path_(std::move(path)) {}

  // The type is one of ours, and the box lies within the tensor.
  virtual Array do_read(size_t index, const Box& box) const = 0;

  std::string path_;
  std::vector<StoredTensor> tensors_;
};

// By what the file holds, not by its name. Of a folder of checkpoints, the newest; the hashes of a
// checkpoint are compared.
std::unique_ptr<TensorFile> open_tensors(const std::string& path);

}  // namespace tessera

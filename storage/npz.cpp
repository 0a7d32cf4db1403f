#include "storage/npz.h"

#include <set>
#include <utility>

#include "base/error.h"
#include "ir/array_box.h"
#include "storage/npy.h"
#include "storage/zip.h"

namespace tessera {
namespace {

class Npz : public TensorFile {
 public:
  explicit Npz(FileReader file) : TensorFile(file.path()), file_(std::move(file)) {
    constexpr std::string_view kEnding = ".npy";
    std::set<std::string> names;
    for (ZipMember& member : read_zip(file_)) {
      if (!member.name.ends_with(kEnding))
        throw UserError(path_ + ": holds `" + member.name +
                        "`, which is no .npy file, so it is no .npz archive (PyTorch's .pt files "
                        "are zip archives, too: save the state_dict as safetensors)");
      const std::string name = member.name.substr(0, member.name.size() - kEnding.size());
      if (!names.insert(name).second) throw UserError(path_ + ": holds `" + name + "` twice");
      NpyHeader header = read_npy_header(
          path_ + ": " + member.name, member.size,
          [&](uint64_t offset, size_t bytes) {
            std::string start = zip_member_start(file_, member, offset + bytes);
            return start.substr(std::min<size_t>(offset, start.size()));
          },
          true);
      const bool ours = header.other_type.empty();
      tensors_.push_back({name, ours ? name_of(header.type) : header.other_type,
                          ours ? std::optional(header.type) : std::nullopt, header.shape});
      members_.push_back(std::move(member));
      headers_.push_back(std::move(header));
    }
  }

 private:
  Array do_read(size_t index, const Box& box) const override {
    const NpyHeader& header = headers_[index];
    std::vector<std::byte> data = read_zip_member(file_, members_[index]);
    data.erase(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(header.data_offset));
    Array all = npy_array(header, std::move(data));
    return shape(box) == all.shape ? all : cut(all, box);
  }

  FileReader file_;
  std::vector<ZipMember> members_;
  std::vector<NpyHeader> headers_;
};

}  // namespace

std::unique_ptr<TensorFile> open_npz(FileReader file) {
  return std::make_unique<Npz>(std::move(file));
}

}  // namespace tessera

#include "storage/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "storage/npy.h"

namespace tessera::internal {
namespace {

constexpr size_t kMostDims = 32;

struct TypeName {
  const char* name;
  int bytes;
  std::optional<DType> type;
};
const std::array<TypeName, 17> kTypes = {{{"F32", 4, DType::f32},
                                          {"F64", 8, DType::f64},
                                          {"F16", 2, DType::f16},
                                          {"BF16", 2, DType::bf16},
                                          {"I64", 8, DType::i64},
                                          {"I32", 4, DType::i32},
                                          {"I8", 1, DType::i8},
                                          {"U8", 1, DType::u8},
                                          {"BOOL", 1, DType::b8},
                                          {"I16", 2, {}},
                                          {"U16", 2, {}},
                                          {"U32", 4, {}},
                                          {"U64", 8, {}},
                                          {"F8_E4M3", 1, {}},
                                          {"F8_E5M2", 1, {}},
                                          {"F8_E8M0", 1, {}},
                                          {"C64", 8, {}}}};

// Takes the events of the JSON parser and refuses what is not the one form that the format allows,
// so that a header costs no more memory than what it says.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(const std::string& file, SafetensorsHeader& header) : file_(file), header_(header) {}

  std::vector<uint64_t> ends;  // of the data of each tensor

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("true or false"); }
  bool number_integer(number_integer_t value) override {
    return refuse(fmt::format("the number {}", value));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return refuse("the number " + text);
  }
  bool binary(binary_t&) override { return refuse("bytes"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (!in_list_) return refuse(fmt::format("the number {}", value));
    if (list_.size() == kMostDims) fail(place() + " has a list of more than 32 numbers");
    list_.push_back(value);
    return true;
  }

  bool string(string_t& text) override {
    if (in_metadata_ && depth_ == 2) {
      header_.metadata[key_] = text;
    } else if (depth_ == 2 && !in_list_ && key_ == "dtype") {
      header_.tensors.back().type_name = text;
    } else {
      return refuse("the text `" + text + "`");
    }
    return true;
  }

  bool start_object(size_t) override {
    if (depth_ == 2 || in_list_) return refuse("an object");
    if (++depth_ == 2) keys_.clear();
    return true;
  }

  bool key(string_t& text) override {
    if (depth_ == 1) {
      if (!names_.insert(text).second) fail("names `" + text + "` twice");
      in_metadata_ = text == "__metadata__";
      if (!in_metadata_) header_.tensors.push_back({text, "", {}, {}});
    } else if (!keys_.insert(text).second) {
      fail(place() + " has `" + text + "` twice");
    }
    key_ = text;
    return true;
  }

  bool end_object() override {
    if (depth_-- == 2 && !in_metadata_) finish_tensor();
    return true;
  }

  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || in_list_ || (key_ != "shape" && key_ != "data_offsets"))
      return refuse("a list");
    in_list_ = true;
    list_.clear();
    return true;
  }

  bool end_array() override {
    in_list_ = false;
    if (key_ == "shape") {
      for (const uint64_t extent : list_) {
        if (extent > static_cast<uint64_t>(INT64_MAX))
          fail(place() + fmt::format(" has an extent of {}", extent));
        header_.tensors.back().shape.push_back(static_cast<int64_t>(extent));
      }
    } else {
      if (list_.size() != 2) fail(place() + " needs two data_offsets");
      begin_ = list_[0];
      end_ = list_[1];
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail(fmt::format("is no JSON from byte {} on", position));
  }

  [[noreturn]] void fail(const std::string& text) const {
    throw UserError(file_ + ": the safetensors header " + text + "; the file is damaged");
  }

 private:
  std::string place() const { return names_.empty() ? "it" : "`" + name() + "`"; }
  std::string name() const { return in_metadata_ ? "__metadata__" : header_.tensors.back().name; }

  bool refuse(const std::string& found) const {
    fail(depth_ == 0 ? "is " + found + " where an object was expected"
                     : fmt::format("has {} at `{}`, where {} was expected", found, key_,
                                   depth_ == 1    ? "an object"
                                   : in_metadata_ ? "a text"
                                                  : "dtype, shape or data_offsets"));
  }

  void finish_tensor() {
    StoredTensor& tensor = header_.tensors.back();
    if (keys_ != std::set<std::string>{"dtype", "shape", "data_offsets"})
      fail("must give `" + tensor.name + "` dtype, shape and data_offsets, and nothing else");
    const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& known) {
      return tensor.type_name == known.name;
    });
    if (type == kTypes.end())
      fail("gives `" + tensor.name + "` the type " + tensor.type_name + ", which does not exist");
    tensor.type = type->type;
    const auto bytes = static_cast<uint64_t>(count_elements(file_, tensor.shape)) *
                       static_cast<uint64_t>(type->bytes);
    if (end_ < begin_ || end_ - begin_ != bytes)
      fail(fmt::format("gives `{}` the bytes {} to {}; {} needs {} bytes", tensor.name, begin_,
                       end_, describe(tensor), bytes));
    header_.offsets.push_back(begin_);
    ends.push_back(end_);
  }

  const std::string& file_;
  SafetensorsHeader& header_;
  std::set<std::string> names_;
  std::set<std::string> keys_;  // of the object at hand
  std::string key_;
  std::vector<uint64_t> list_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  int depth_ = 0;
  bool in_list_ = false;
  bool in_metadata_ = false;
};

// Every byte of the data belongs to one tensor.
void check_coverage(const HeaderReader& reader, const SafetensorsHeader& header,
                    const std::vector<uint64_t>& ends, uint64_t data_bytes) {
  std::vector<size_t> order(ends.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(header.offsets[a], ends[a]) < std::pair(header.offsets[b], ends[b]);
  });
  uint64_t covered = 0;
  for (const size_t i : order) {
    if (header.offsets[i] != covered)
      reader.fail(
          fmt::format("has tensors that {}: `{}` begins at byte {} of the data, and the one "
                      "before ends at {}",
                      header.offsets[i] < covered ? "overlap" : "leave a gap",
                      header.tensors[i].name, header.offsets[i], covered));
    covered = ends[i];
  }
  if (covered != data_bytes)
    reader.fail(fmt::format("describes {} bytes of data, and {} are there: the file is {}", covered,
                            data_bytes, covered > data_bytes ? "cut short" : "too long"));
}

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::string& file, std::string_view text,
                                           uint64_t data_bytes) {
  SafetensorsHeader header;
  HeaderReader reader(file, header);
  if (text.empty() || text[0] != '{') reader.fail("does not begin with {");
  nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
  check_coverage(reader, header, reader.ends, data_bytes);
  return header;
}

std::string safetensors_header_text(const std::vector<TensorToWrite>& tensors,
                                    const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& known) {
      return known.type == tensor.type;
    });
    if (tensor.name == "__metadata__" || first_not_utf8(tensor.name) != std::string::npos)
      throw UserError("a tensor called `" + tensor.name +
                      "` cannot be written to safetensors: names are UTF-8, and __metadata__ is "
                      "taken; rename it");
    const uint64_t end = offset + static_cast<uint64_t>(count_elements(tensor.name, tensor.shape)) *
                                      size_of(tensor.type);
    json[tensor.name] = {
        {"dtype", type->name}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = json.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace tessera::internal

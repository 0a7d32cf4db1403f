#pragma once

#include <string>
#include <vector>

namespace tessera {

// Maps names in a file to names in a program, as files of other systems need it. In `from`, `*`
// stands for one or more characters without a dot, and `**` for any, as few as fit; the stars of
// `to` stand for the same texts, in order:
//
//   layer.*.weight=w*        layer.0.weight -> w0,  layer.12.weight -> w12
//   model.**=**              model.layer.0.weight -> layer.0.weight
struct RenameRule {
  std::string from;
  std::string to;
  bool operator==(const RenameRule&) const = default;
};

// Throws UserError unless the text is FROM=TO, and TO has no more stars than FROM.
RenameRule parse_rename(const std::string& text);

// By the first rule that fits; a name that none fits stays.
std::string renamed(const std::string& name, const std::vector<RenameRule>& rules);

}  // namespace tessera

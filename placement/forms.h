#pragma once

#include <cstdint>
#include <vector>

#include "partition/sharding.h"

namespace tessera {

// The ways in which a tensor of `dims` dims can lie on a mesh, as numbers: each axis is on one dim,
// on none, or partial; several on one dim are in the order of the mesh. Digit `axis` of a number,
// in base dims + 2, is 0 for none, 1 + d for dim d, and dims + 1 for partial.
//
//   on data=2,model=2, of [batch, hidden]:  [batch: data, hidden] is 1, [batch: data, hidden:
//   model] is 1 + 2 * 4, partial over model 3 * 4
class Forms {
 public:
  Forms(size_t dims, int axes) : base_(static_cast<int>(dims) + 2), axes_(axes) {
    for (int axis = 0; axis < axes; ++axis) count_ *= base_;
  }
  int count() const { return count_; }
  int axes() const { return axes_; }
  int partial() const { return base_ - 1; }  // the digit
  int digit(int form, int axis) const {
    for (int i = 0; i < axis; ++i) form /= base_;
    return form % base_;
  }
  int of(const std::vector<int>& digits) const {
    int form = 0;
    for (size_t i = digits.size(); i-- > 0;) form = form * base_ + digits[i];
    return form;
  }
  // -1 for a sharding whose axes are in another order.
  int of(const Sharding& sharding) const;
  Sharding sharding(int form, ReduceOp op = ReduceOp::sum) const;
  bool is_partial(int form) const;

 private:
  int base_;
  int axes_;
  int count_ = 1;
};

}  // namespace tessera

#include "ir/limits.h"

#include "base/error.h"
#include "ir/nest.h"

namespace tessera {
namespace {

bool beyond(const Dims& dims, int64_t limit) {
  int64_t count = 1;
  for (const Dim& dim : dims)
    if (__builtin_mul_overflow(count, dim.extent(), &count) || count > limit) return true;
  return false;
}

}  // namespace

void check_volume(const Dims& dims, const std::string& what, const SourceLocation& where) {
  if (beyond(dims, kMaxElements))
    throw UserError(where, what + " would have more than 2^53 elements over " + describe(dims) +
                               "; make its dims smaller or fewer");
}

void check_points(const Dims& dims, const std::string& what, const SourceLocation& where) {
  if (beyond(dims, kMaxPoints))
    throw UserError(where, what + " would run over more than 2^62 points of " + describe(dims) +
                               "; make the dims smaller");
}

void check_sizes(const Program& program) {
  int64_t bytes = 0;
  for (const Tensor& tensor : program.tensors()) {
    check_volume(tensor.dims(), "`" + tensor.name() + "`", tensor.where());
    bytes += volume(tensor.dims()) * static_cast<int64_t>(size_of(tensor.type()));
    if (bytes > kMaxProgramBytes)
      throw UserError(program.where(), "the tensors of program `" + program.name() +
                                           "` would have more than 2^60 bytes together; make "
                                           "dims smaller");
  }
  if (is_normal(program))
    for (const Nest& nest : nests_of(program))
      check_points(nest.loops(), "`" + nest.out.name() + "`", nest.out.where());
}

}  // namespace tessera

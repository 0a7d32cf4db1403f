#pragma once

#include <memory>
#include <string>

#include "base/dtype.h"

namespace tessera {

// MPI's own collectives among all ranks, as they are: nothing is compared before, waits have no
// limit, the order of a reduction is MPI's. To measure beside a Communicator, not to compute with.
//
// Every rank of the job makes one, and makes the same calls. Counts are elements of each rank, at
// most 2^31 - 1; blocks of all ranks are equally long.
class PlainMpi {
 public:
  PlainMpi();  // MPI runs
  ~PlainMpi();
  PlainMpi(const PlainMpi&) = delete;
  PlainMpi& operator=(const PlainMpi&) = delete;

  void broadcast(void* data, size_t count, DType type, int root);
  void all_gather(const void* send, void* recv, size_t count, DType type);
  void all_reduce(const void* send, void* recv, size_t count, DType type);  // sums
  void reduce_scatter(const void* send, void* recv, size_t count, DType type);
  void all_to_all(const void* send, void* recv, size_t count, DType type);

  static std::string version();  // "Open MPI v4.1.4"

 private:
  struct Group;
  std::unique_ptr<Group> group_;
};

}  // namespace tessera

#pragma once

#include <memory>

#include "comm/mpi/collectives.h"
#include "comm/mpi/direct_collectives.h"
#include "comm/mpi/posts.h"
#include "comm/mpi/shared_region.h"

namespace tessera {

// Collectives between processes of one machine, through memory that they share. Long vectors that
// lie in windows stay where they are (direct_collectives.h), and short broadcasts are posted
// (posts.h). Other data passes in chunks: each rank stages what the others need of its chunk, the
// board steps, each takes its part. One step per chunk suffices because staging areas alternate
// (see Board).
//
// All-reduce of chunk k, slice r of it being rank r's:
//   stage the slices of the others | step | reduce own slice, keep it in recv and in `result`
//   (stage chunk k + 1)            | step | copy the others' slices from their `result`
class SharedCollectives : public Collectives {
 public:
  SharedCollectives(std::unique_ptr<SharedRegion> region, std::shared_ptr<Windows> windows,
                    const BoardMember& member, FailureRecord& failure);

  void agree(const CallInfo& info) override;
  void broadcast(const CallInfo& info, void* data) override;
  void all_gather(const CallInfo& info, const void* send, void* recv) override;
  void all_reduce(const CallInfo& info, const void* send, void* recv) override;
  void reduce_scatter(const CallInfo& info, const void* send, void* recv) override;
  void all_to_all(const CallInfo& info, const void* send, void* recv) override;

 private:
  struct Reduction;
  // The step after chunk `index` was staged; the first one compares the calls. Returns where what
  // was just published lies.
  size_t meet(const CallInfo& info, size_t index);
  void reduce_small(const CallInfo& info, const void* send, void* recv);
  void stage_slices(const Reduction& work, size_t chunk);
  void reduce_slice(const Reduction& work, size_t chunk, size_t place);
  void collect_slices(const Reduction& work, size_t chunk, size_t place);
  void publish_pairs(const CallInfo& info);
  void stage_pairs(const CallInfo& info, const void* send, size_t each, size_t index);
  std::string check_pairs(size_t place) const;
  size_t largest_pair(size_t place) const;

  const std::unique_ptr<SharedRegion> region_;
  const int rank_;
  const int size_;
  const std::vector<int> world_ranks_;
  Board board_;
  Posts posts_;
  DirectCollectives direct_;
};

}  // namespace tessera

#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "launcher/config.h"
#include "launcher/data.h"
#include "launcher/prefetch.h"
#include "runtime/executable.h"

namespace tessera {

// Load what `data` names, for training and for testing. `test` is called after `train` has
// returned, and gives nullptr where nothing is for testing: made-up data, and files of which
// `data.test` says nothing.
struct DataLoaders {
  std::function<DatasetPtr()> train;
  std::function<DatasetPtr()> test;
};
DataLoaders data_loaders(const Config& config);

// The extent of the dim that counts examples: `batch`, or the first dim of the first input.
int64_t batch_of(const Program& program);

// Feeds an executable from a data set: each rank reads the part that it computes with. Where that
// is more than a little, a thread reads some steps ahead.
class Feeds {
 public:
  // Throws UserError when an input has no field, or does not fit it.
  Feeds(const Program& program, const Config& config, DatasetPtr data, Order order);

  int64_t steps_per_epoch() const { return source_->steps_per_epoch(); }
  int64_t batch() const { return source_->batch(); }
  int64_t full_batches() const;  // whose rows are all different examples
  // No step from `end` on will be asked for: reading ahead may begin.
  void end_at(int64_t end) { end_ = end; }
  void feed(Executable& executable, int64_t step);

 private:
  bool worth_a_thread(const Executable& executable) const;
  void start(const Executable& executable, int64_t step);

  DatasetPtr data_;
  std::shared_ptr<BatchSource> source_;
  int64_t end_ = 0;
  std::unique_ptr<Prefetcher> ahead_;
};

}  // namespace tessera

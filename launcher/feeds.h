#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "launcher/config.h"
#include "launcher/data.h"
#include "runtime/executable.h"

namespace tessera {

// Loads what `data` names. Sets and texts have a test split; .npy files and made-up data have none,
// and the loader of their test split gives nullptr.
std::function<DatasetPtr()> data_loader(const Config& config, Split split);

// The extent of the dim that counts examples: `batch`, or the first dim of the first input.
int64_t batch_of(const Program& program);

// Feeds an executable from a data set: each rank reads the part that it computes with.
class Feeds {
 public:
  // Throws UserError when an input has no field, or does not fit it.
  Feeds(const Program& program, const Config& config, DatasetPtr data, Order order);

  int64_t steps_per_epoch() const { return source_->steps_per_epoch(); }
  int64_t full_batches() const;  // whose rows are all different examples
  void feed(Executable& executable, int64_t step);

 private:
  std::shared_ptr<BatchSource> source_;
  int64_t examples_ = 0;
};

}  // namespace tessera

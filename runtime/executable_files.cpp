// How an executable writes and reads files.
#include "base/error.h"
#include "runtime/checkpoint_writer.h"
#include "runtime/load_values.h"
#include "runtime/save_values.h"

namespace tessera {

void Executable::save(const std::string& file) {
  for (const Border& stored : sharded_.stored) given_.require(stored.name);
  save_values(*this, *world_, file, [](const Tensor&) { return true; });
}

void Executable::save(const std::string& dir, int64_t step) {
  for (const CheckpointPlace& place : list_checkpoints(dir))
    if (place.step == step)
      throw UserError(dir + ": has a checkpoint of step " + std::to_string(step) +
                      " already; choose another folder, or remove it");
  constexpr size_t kAll = 1000000;
  for (const Border& stored : sharded_.stored) given_.require(stored.name);
  CheckpointWriter writer(*this, *world_, dir, kAll);
  writer.start({step, given_.seed().value_or(0), {}, ""});
  writer.finish();
}

void Executable::load(const std::string& path) {
  load_values(*this, *open_tensors(path), {});
}

}  // namespace tessera

#include "runtime/save_values.h"

#include "storage/safetensors.h"

namespace tessera {

void save_values(Executable& executable, const std::string& path,
                 const std::function<bool(const Tensor&)>& wanted) {
  const bool writes = executable.sharded().rank == 0;
  Arrays values;
  for (const Border& stored : executable.sharded().stored) {
    if (!wanted(stored.global)) continue;
    Array value = executable.value(stored.name);
    if (writes) values[stored.name] = std::move(value);
  }
  if (!writes) return;
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, value] : values)
    tensors.push_back({name, value.type, value.shape, value.data});
  replace_safetensors(FileSystem(), path, std::move(tensors), {{"written_by", "tessera"}});
}

}  // namespace tessera

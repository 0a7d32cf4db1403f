#include "comm/work_together.h"

#include <algorithm>
#include <future>
#include <vector>

namespace tessera {

void work_together(Communicator& world, const std::string& what, const std::function<void()>& work,
                   std::chrono::milliseconds sign) {
  if (world.size() == 1) {
    work();
    return;
  }
  world.set_context(what);
  const std::vector<size_t> one_each(static_cast<size_t>(world.size()), 1);
  std::vector<int32_t> busy(one_each.size(), 1);
  std::future<void> done = std::async(std::launch::async, work);
  while (std::find(busy.begin(), busy.end(), 1) != busy.end()) {
    int32_t mine = 0;
    if (done.valid()) {
      mine = done.wait_for(sign) == std::future_status::ready ? 0 : 1;
      if (mine == 0) done.get();
    }
    world.all_gather(&mine, busy.data(), one_each, DType::i32);
  }
}

}  // namespace tessera

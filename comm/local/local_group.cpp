#include "comm/local/local_group.h"

#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "comm/local/local_communicator.h"

namespace tessera {

std::vector<std::unique_ptr<Communicator>> make_local_group(int ranks, CommOptions options) {
  TESSERA_CHECK(ranks > 0) << ranks << " ranks";
  std::vector<int> world_ranks(ranks);
  std::iota(world_ranks.begin(), world_ranks.end(), 0);
  auto group = std::make_shared<LocalGroup>(std::move(world_ranks), options,
                                            std::make_shared<FailureRecord>());
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (int r = 0; r < ranks; ++r)
    communicators.push_back(std::make_unique<LocalCommunicator>(r, group));
  return communicators;
}

void run_local_ranks(int ranks, const CommOptions& options,
                     const std::function<void(Communicator&)>& work) {
  auto communicators = make_local_group(ranks, options);
  std::mutex mutex;
  std::exception_ptr first;
  auto run = [&](Communicator& comm) {
    try {
      work(comm);
    } catch (const std::exception& error) {
      {
        std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
      }
      comm.fail(error.what());
    }
  };
  std::vector<std::thread> threads;
  for (auto& comm : communicators) threads.emplace_back(run, std::ref(*comm));
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace tessera

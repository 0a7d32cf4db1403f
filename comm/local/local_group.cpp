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
  std::exception_ptr cause;  // the first error that is not only about a peer, else the first
  bool about_peer = false;
  auto run = [&](Communicator& comm) {
    const auto keep = [&](const std::exception& error, bool peer) {
      {
        const std::lock_guard lock(mutex);
        if (!cause || (about_peer && !peer)) {
          cause = std::current_exception();
          about_peer = peer;
        }
      }
      comm.fail(error.what());
    };
    try {
      work(comm);
    } catch (const CommError& error) {
      keep(error, true);
    } catch (const std::exception& error) {
      keep(error, false);
    }
  };
  std::vector<std::thread> threads;
  for (auto& comm : communicators) threads.emplace_back(run, std::ref(*comm));
  for (std::thread& thread : threads) thread.join();
  if (cause) std::rethrow_exception(cause);
}

}  // namespace tessera

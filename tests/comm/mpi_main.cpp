// Plays the conformance suite between MPI ranks. Every rank runs every test; the verdict on each
// is shared, so all ranks agree on it and only rank 0 needs to speak.
#include <gtest/gtest.h>

#include "comm/mpi/launch_info.h"
#include "comm/mpi/mpi_world.h"
#include "tests/comm/conformance.h"

namespace tessera {
namespace {

// Every rank's text, on every rank.
std::vector<std::string> share(Communicator& verdicts, const std::string& mine) {
  const size_t ranks = static_cast<size_t>(verdicts.size());
  const int64_t size = static_cast<int64_t>(mine.size());
  std::vector<int64_t> sizes(ranks);
  verdicts.all_gather(&size, sizes.data(), std::vector<size_t>(ranks, 1), DType::i64);
  const std::vector<size_t> counts(sizes.begin(), sizes.end());
  size_t total = 0;
  for (const size_t count : counts) total += count;
  std::string all(total, ' ');
  verdicts.all_gather(mine.data(), all.data(), counts, DType::b8);
  std::vector<std::string> texts;
  size_t begin = 0;
  for (const size_t count : counts) {
    texts.push_back(all.substr(begin, count));
    begin += count;
  }
  return texts;
}

std::vector<std::string> run_processes(const CommOptions& options, const RankBody& body) {
  CommOptions patient;
  patient.timeout = std::chrono::seconds(60);
  auto verdicts = make_mpi_world(patient);
  std::string error_text;
  auto world = make_mpi_world(options);
  verdicts->barrier();  // no rank fails while another still makes its world
  try {
    body(*world);
  } catch (const std::exception& error) {
    error_text = error.what();
    world->fail(error_text);
  }
  return share(*verdicts, error_text);
}

}  // namespace

std::vector<Harness> harnesses() {
  std::vector<Harness> all;
  struct Way {
    const char* name;
    bool shared;
    int ranks_per_host;
  };
  // Mixed: hosts of two ranks; of five ranks, the last has a host of its own.
  for (const Way& way : {Way{"SharedMemory", true, 0}, {"Messages", false, 0}, {"Mixed", true, 2}})
    all.push_back({way.name, detect_mpi_launch().size,
                   [way](const CommOptions& options, const RankBody& body) {
                     CommOptions chosen = options;
                     chosen.shared_memory = way.shared;
                     chosen.ranks_per_host = way.ranks_per_host;
                     return run_processes(chosen, body);
                   }});
  return all;
}

}  // namespace tessera

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  tessera::MpiRuntime runtime;
  if (tessera::detect_mpi_launch().rank != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
  }
  return RUN_ALL_TESTS();
}

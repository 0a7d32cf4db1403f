#include <sys/mman.h>

#include <memory>
#include <thread>

#include "bench/peers/peer.h"

namespace tessera_peers {
namespace {

// An array in large pages, where the system gives them, as Tessera's are.
class Pages {
 public:
  explicit Pages(int64_t count) : bytes_(static_cast<size_t>(count) * sizeof(float)) {
    place_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place_ == MAP_FAILED) throw std::runtime_error("no memory for a triad");
    madvise(place_, bytes_, MADV_HUGEPAGE);
    for (int64_t i = 0; i < count; ++i) data()[i] = static_cast<float>(i % 1000);
  }
  ~Pages() { munmap(place_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  float* data() { return static_cast<float*>(place_); }

 private:
  size_t bytes_;
  void* place_;
};

void triad(float* a, const float* b, const float* c, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) a[i] = b[i] + 0.5f * c[i];
}

}  // namespace

Operation stream_triad(const Request& request) {
  const int64_t n = request.dim("n");
  struct Arrays {
    explicit Arrays(int64_t count) : a(count), b(count), c(count) {}
    Pages a, b, c;
  };
  auto arrays = std::make_shared<Arrays>(n);
  const int threads = request.threads;
  return {"", [=] {
            std::vector<std::thread> others;
            for (int t = 1; t < threads; ++t)
              others.emplace_back(triad, arrays->a.data(), arrays->b.data(), arrays->c.data(),
                                  n * t / threads, n * (t + 1) / threads);
            triad(arrays->a.data(), arrays->b.data(), arrays->c.data(), 0, n / threads);
            for (std::thread& other : others) other.join();
          }};
}

}  // namespace tessera_peers

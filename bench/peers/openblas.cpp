#include "bench/peers/peer.h"

#ifdef TESSERA_HAS_OPENBLAS
#include <cblas.h>

#include <memory>

namespace tessera_peers {
namespace {

// Row-major c[m, n] = a[m, k] * b[k, n], once for each of `batch`; a or b may lie transposed.
struct Gemm {
  int64_t batch, m, n, k;
  bool ta, tb;
  std::vector<float> a, b, c;

  void run() {
    for (int64_t i = 0; i < batch; ++i)
      cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
                  static_cast<blasint>(m), static_cast<blasint>(n), static_cast<blasint>(k), 1.0f,
                  a.data() + i * m * k, static_cast<blasint>(ta ? m : k), b.data() + i * k * n,
                  static_cast<blasint>(tb ? k : n), 0.0f, c.data() + i * m * n,
                  static_cast<blasint>(n));
  }
};

}  // namespace

Operation openblas(const Request& request) {
  if (request.program.rfind("matmul", 0) != 0)
    throw std::invalid_argument("OpenBLAS has no operation for " + request.program);
  openblas_set_num_threads(request.threads);
  const auto batch = request.dims.count("batch") != 0 ? request.dim("batch") : 1;
  const int64_t m = request.dim("m"), n = request.dim("n"), k = request.dim("k");
  const std::string form = request.program.substr(6);
  auto gemm = std::make_shared<Gemm>(Gemm{batch, m, n, k, form.find("_ta") != std::string::npos,
                                          form.find("_tb") != std::string::npos,
                                          numbers(batch * m * k), numbers(batch * k * n),
                                          std::vector<float>(static_cast<size_t>(batch * m * n))});
  std::string version = openblas_get_config();
  version = version.substr(0, version.find(' ', version.find(' ') + 1));
  return {version + " " + openblas_get_corename(), [gemm] { gemm->run(); }};
}

}  // namespace tessera_peers
#else
namespace tessera_peers {

Operation openblas(const Request&) {
  throw Missing(
      "OpenBLAS was not there when this was built: apt-get install libopenblas-dev, "
      "remove build/*/CMakeCache.txt and build again");
}

}  // namespace tessera_peers
#endif

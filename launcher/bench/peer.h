#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tessera {

// A program that does the same work as ours, for comparison: it reads a request a line from its
// standard input, as JSON, and answers each by a line. It is ended with its input, and killed where
// that does not suffice. One caller at a time.
//
//   PeerProcess peer({"build/release/bin/tessera-peers"}, folder + "/log");
//   peer.ask({{"do", "time"}, {"seconds", 0.1}}, 60)        {"seconds": [0.0012, 0.0011]}
class PeerProcess {
 public:
  // Its standard error goes to the file `log`. OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, which make
  // OpenBLAS take this processor for another one, are taken out of its environment. Throws
  // UserError when it cannot be started.
  PeerProcess(const std::vector<std::string>& argv, std::string log);
  ~PeerProcess();
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  // Throws UserError with the last lines of its log when it ends instead of answering, answers no
  // JSON object, or takes longer than `seconds`; it is of no use afterwards.
  nlohmann::json ask(const nlohmann::json& request, double seconds);

 private:
  std::string read_line(double seconds);
  [[noreturn]] void give_up(const std::string& what);

  std::string name_;
  std::string log_;
  std::string pending_;
  pid_t pid_ = -1;
  int in_ = -1;   // its input
  int out_ = -1;  // its output
};

}  // namespace tessera

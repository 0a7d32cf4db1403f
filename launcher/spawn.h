#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace tessera {

struct SpawnOptions {
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH
  std::map<std::string, std::string> environment;  // added to ours, or replacing
  int out = -1;                                    // its standard output and error; -1: ours
  int err = -1;
};

// Starts a program in its own process group, with /dev/null as input, no blocked signals and no
// handlers, and returns when it runs. It is killed when the thread that called this ends, by
// whatever end. Throws UserError when the program is not found or may not be executed, DeviceError
// when the system has no room for another process.
pid_t spawn(const SpawnOptions& options);

// Both ends of a pipe that children do not inherit, closed when this goes or earlier.
struct PipeEnds {
  PipeEnds();  // throws DeviceError
  ~PipeEnds();
  PipeEnds(const PipeEnds&) = delete;
  PipeEnds& operator=(const PipeEnds&) = delete;

  int read = -1;
  int write = -1;
};

void close_descriptor(int& descriptor);  // and sets it to -1

}  // namespace tessera

#pragma once

#include <exception>
#include <string>

namespace tessera {

// What every command returns to the shell.
enum ExitCode : int {
  kDone = 0,
  kJobFailed = 1,   // the machine or tessera itself: no memory, a full disk, a bug
  kInputWrong = 2,  // the program, plan, config, file or command line
  kPeerFailed = 3,  // a rank or the network
};

// The code for an exception, by its kind.
int exit_code_of(const std::exception_ptr& error);
std::string text_of(const std::exception_ptr& error);

}  // namespace tessera

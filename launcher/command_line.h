#pragma once

namespace tessera {

// All of the program but its process: reads the command line, does what the command is for, prints
// what went wrong on standard error, and returns the exit code.
//
//   char* argv[] = {"tessera", "eval", "job.tess", nullptr};
//   run_command_line(3, argv);   // 0, or 2 where job.tess has a mistake
int run_command_line(int argc, char** argv);

}  // namespace tessera

#pragma once

#include <string>
#include <vector>

#include "ir/program.h"
#include "launcher/run_folder.h"
#include "runtime/executable.h"

namespace tessera {

// What `run` does with outputs that have dims, and so are no metrics: it keeps those of the last
// step, each as NAME.npy in the run's folder. Returns the files' names. Every rank calls it; the
// one with the folder writes.
std::vector<std::string> keep_outputs(Executable& executable, const Program& program,
                                      const RunFolder* folder);

// "guess" -> "guess.npy". A name may hold anything; what no file's name should have is written as
// in a URL: "a/b" -> "a%2Fb.npy".
std::string output_file_name(const std::string& output);

}  // namespace tessera

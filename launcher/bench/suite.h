#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/program.h"

namespace tessera {

// What a row's time is measured against.
enum class Measure {
  peers,     // the fastest peer
  peak,      // what its operations take at the measured peak of multiply-adds, or a peer
  bandwidth  // what inputs and outputs, once each, take at the measured bandwidth of a triad
};

// One program of a suite.
struct SuiteRow {
  std::string name;
  std::string file;                     // the program, or a config
  std::map<std::string, int64_t> dims;  // extents to replace
  std::vector<std::string> outputs;     // of the program; empty: all
  std::vector<std::string> work;        // outputs whose operations count; empty: those of `outputs`
  std::vector<std::string> peers;       // openblas, onednn, jax, torch
};

// Rows that are measured and read together, from a YAML file:
//
//   title: products of matrices
//   measure: peers                  # or peak, bandwidth
//   peers: [openblas, onednn]
//   parts: {forward: [c]}           # each row once for each of these, for these outputs of it;
//                                   # nothing: all outputs at once
//   work: [c]                       # what counts as the work of every part, for `peak`
//   tolerance: 1e-4                 # how far the values of peers may be off; default 1e-3
//   rows:
//   - {name: square, program: matmul.tess, dims: {m: 512, n: 512, k: 512}, outputs: [c]}
struct Suite {
  std::string name;  // of the file, without its ending
  std::string title;
  Measure measure = Measure::peers;
  double tolerance = 1e-3;
  std::vector<SuiteRow> rows;
};

// Throws UserError that points into the file.
Suite load_suite(const std::string& file);

// Every *.yaml of a folder that is a suite (has `rows`), in order of names. Throws UserError when
// there is none.
std::vector<Suite> load_suites(const std::string& folder);

// Rows of which "SUITE/NAME" holds `filter`; suites without such rows are left out. UserError when
// nothing is left.
std::vector<Suite> filtered(const std::vector<Suite>& suites, const std::string& filter);

// The row's program, with the outputs that it asks for; and with those whose operations count.
Program program_of(const SuiteRow& row);
Program work_of(const SuiteRow& row);

}  // namespace tessera

#pragma once

#include <string>
#include <vector>

namespace tessera {

// What a JUnit report of CTest says: every test counts once.
struct TestCounts {
  int passed = 0;
  int failed = 0;
  int skipped = 0;  // or disabled, or not run
  double seconds = 0;
  std::vector<std::string> failures;  // names, in the order of the report
};

// Reads the `testsuite` and `testcase` elements of the report. Throws InternalError when the text
// has no testsuite.
TestCounts read_junit(const std::string& text);

}  // namespace tessera

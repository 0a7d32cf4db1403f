#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/source_location.h"

namespace tessera {

// Four kinds of error, one per party that can mend it. Every text says what was found, what was
// allowed and what to change; a known location stands in front, as in
//
//   caps.tess:7:12: `pose` has no dim `z`; it has batch, y, x (did you mean `y`?)
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The program, plan, config or file is wrong: the user mends it. Exit code 2.
class UserError : public Error {
 public:
  explicit UserError(const std::string& text) : Error(text) {}
  UserError(const SourceLocation& where, const std::string& text);
};

// A peer died, disagreed or did not answer in time. Exit code 3.
class CommError : public Error {
 public:
  using Error::Error;
};

// The machine refused: no memory, no such device, a disk that is full. Exit code 1.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// A broken invariant of ours. Exit code 1, with a request to report it.
class InternalError : public Error {
 public:
  using Error::Error;
};

// The entry of `names` nearest to `name` by edit distance, or "" when none is near enough to be
// what was meant (more than a third of the letters differ).
std::string nearest_name(const std::string& name, const std::vector<std::string>& names);

// " (did you mean `x`?)" or "".
std::string did_you_mean(const std::string& name, const std::vector<std::string>& names);

// "a, b, c"
std::string join(const std::vector<std::string>& parts, const std::string& separator = ", ");

namespace internal {

// Collects the text after a failed TESSERA_CHECK and throws when the statement ends.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure() noexcept(false);
  std::ostream& stream() { return text_; }

 private:
  std::ostringstream text_;
};

}  // namespace internal

// TESSERA_CHECK(i < n) << "i is " << i;  throws InternalError; the text is built only on failure.
#define TESSERA_CHECK(condition) \
  if (condition) [[likely]] {    \
  } else                         \
    ::tessera::internal::CheckFailure(__FILE__, __LINE__, #condition).stream()

}  // namespace tessera

#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace tessera {

// Standard output holds what was asked for: when a part of it is lost (a full disk, a reader that
// is gone), the command fails. Standard error holds what is nice to know: nothing fails because of
// it.

// For main, first of all. Gives numbers 0 to 2 to files that do nothing where they are closed, so
// that no other file gets them, and turns broken pipes and files beyond a limit (ulimit -f) from
// signals that kill into errors of the calls that write.
void prepare_standard_streams();

// Throws DeviceError, as `fail_output`, when something that was printed on standard output has not
// got through. For main, last of all.
void flush_output();
[[noreturn]] void fail_output(int error);

// Writes and flushes at once; returns 0 or the errno.
int write_out_now(std::string_view text);

void write_out(std::string_view text);  // throws as flush_output
void write_err(std::string_view text);

template <typename... T>
void print_out(fmt::format_string<T...> format, T&&... values) {
  write_out(fmt::format(format, std::forward<T>(values)...));
}
template <typename... T>
void print_err(fmt::format_string<T...> format, T&&... values) {
  write_err(fmt::format(format, std::forward<T>(values)...));
}

}  // namespace tessera

#pragma once

#include <fmt/format.h>

#include <string>

namespace tessera {

// Log lines go to standard error, one line each: time, rank, folder, level, text.
// Standard output is kept for results.
enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// Says who this process is and what it prints. Rank 0 prints from `level` on; other ranks print
// warnings and errors only. Call once at start-up; until then the level is kWarning.
void configure_log(int rank, LogLevel level);

// Thread-safe. `folder` is the part of the system that speaks: "codegen", "comm", ...
void log_line(LogLevel level, const char* folder, const std::string& text);
bool log_enabled(LogLevel level);

template <typename... Args>
void log_debug(const char* folder, fmt::format_string<Args...> text, Args&&... args) {
  if (log_enabled(LogLevel::kDebug))
    log_line(LogLevel::kDebug, folder, fmt::format(text, std::forward<Args>(args)...));
}

template <typename... Args>
void log_info(const char* folder, fmt::format_string<Args...> text, Args&&... args) {
  if (log_enabled(LogLevel::kInfo))
    log_line(LogLevel::kInfo, folder, fmt::format(text, std::forward<Args>(args)...));
}

template <typename... Args>
void log_warning(const char* folder, fmt::format_string<Args...> text, Args&&... args) {
  if (log_enabled(LogLevel::kWarning))
    log_line(LogLevel::kWarning, folder, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace tessera

#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace tessera {

// How this process was called: what a command needs to start itself again on every rank.
struct CommandLine {
  std::vector<std::string> argv;  // argv[0] is this program's absolute path
  double started = 0;             // seconds since the epoch
};

// What the chosen command does; returns an exit code.
using Action = std::function<int()>;

// For options that are a number of seconds: above 0, and no more than 1e9 (30 years). CLI11's own
// checks let NaN pass.
CLI::Validator positive_seconds();

// Each adds one command to `app`. When the command is the one that was called, it stores what to
// do in `action`; nothing happens while the command line is read.
void add_run_command(CLI::App& app, const CommandLine& line, Action& action);
void add_plan_command(CLI::App& app, Action& action);
void add_calibrate_command(CLI::App& app, const CommandLine& line, Action& action);
void add_eval_command(CLI::App& app, const CommandLine& line, Action& action);
void add_bench_command(CLI::App& app, const CommandLine& line, Action& action);
void add_trace_command(CLI::App& app, Action& action);
void add_report_command(CLI::App& app, Action& action);
void add_doctor_command(CLI::App& app, Action& action);
void add_ckpt_command(CLI::App& app, Action& action);
void add_test_command(CLI::App& app, const CommandLine& line, Action& action);

}  // namespace tessera

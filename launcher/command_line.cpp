#include "launcher/command_line.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "launcher/commands/commands.h"
#include "launcher/exit_code.h"
#include "launcher/standard_streams.h"
#include "launcher/versions.h"

namespace tessera {
namespace {

CommandLine command_line(int argc, char** argv) {
  CommandLine line;
  line.started =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  line.argv.assign(argv, argv + argc);
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) line.argv[0] = self.string();
  return line;
}

int run(int argc, char** argv) {
  const CommandLine line = command_line(argc, argv);
  Action action;
  CLI::App app("Tensor programs on many devices: planned, partitioned, compiled and run.",
               "tessera");
  app.set_version_flag("--version", tessera_version());
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 the job failed, 2 the input was wrong, 3 a rank or the network "
      "failed.\ntessera COMMAND --help says more.");
  add_run_command(app, line, action);
  add_plan_command(app, action);
  add_calibrate_command(app, line, action);
  add_eval_command(app, line, action);
  add_bench_command(app, line, action);
  add_ckpt_command(app, action);
  add_trace_command(app, action);
  add_report_command(app, action);
  add_doctor_command(app, action);
  add_test_command(app, line, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return kInputWrong;
  }
  return action();
}

}  // namespace

int run_command_line(int argc, char** argv) {
  prepare_standard_streams();
  try {
    const int code = run(argc, argv);
    if (code == kDone) flush_output();
    return code;
  } catch (...) {
    const std::exception_ptr error = std::current_exception();
    print_err("tessera: {}\n", text_of(error));
    return exit_code_of(error);
  }
}

}  // namespace tessera

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/read_file.h"
#include "launcher/commands/commands.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/junit.h"
#include "launcher/standard_streams.h"
#include "launcher/subprocess.h"
#include "runtime/worker_pool.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostReportBytes = size_t{256} << 20;

// CTest's command line for the build that this program came from. As many tests run at once as
// there are cores, but for those that have processes or clocks of their own (tests/CMakeLists.txt).
std::vector<std::string> ctest_of(const CommandLine& line, std::vector<std::string> options) {
  const fs::path build = fs::path(line.argv[0]).parent_path().parent_path();
  if (!fs::exists(build / "CTestTestfile.cmake"))
    throw UserError("there are no tests beside " + line.argv[0] +
                    "; run ./tessera test in a checkout of the source");
  std::vector<std::string> words = {"ctest", "--test-dir", build.string(), "--output-on-failure"};
  // Long tests run when they are asked for. CTest leaves out what has all labels of several -LE.
  const auto is = [](const char* brief, const char* full) {
    return [=](const std::string& option) { return option == brief || option == full; };
  };
  const auto left_out = std::find_if(options.begin(), options.end(), is("-LE", "--label-exclude"));
  if (left_out != options.end() && left_out + 1 != options.end())
    left_out[1] += "|nightly";
  else if (std::none_of(options.begin(), options.end(), is("-L", "--label-regex")))
    words.insert(words.end(), {"-LE", "nightly"});
  if (std::none_of(options.begin(), options.end(), [](const std::string& option) {
        return option.rfind("-j", 0) == 0 || option.rfind("--parallel", 0) == 0;
      }))
    words.insert(words.end(), {"-j", std::to_string(usable_cores())});
  words.insert(words.end(), options.begin(), options.end());
  return words;
}

[[noreturn]] void become(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  execvp("ctest", argv.data());
  throw UserError("cannot start ctest; apt-get install cmake");
}

// CTest's own lines go to standard error, the counts of its report to standard output.
int report_json(std::vector<std::string> words) {
  const fs::path report = fs::temp_directory_path() / fmt::format("tessera-test-{}.xml", getpid());
  words.insert(words.end(), {"--output-junit", report.string()});
  SubprocessOptions options;
  options.argv = std::move(words);
  options.on_output = [](OutputStream, std::string_view text) { write_err(text); };
  const ExitStatus status = *Subprocess(std::move(options)).wait();
  const std::string text = read_regular_file(report, kMostReportBytes).value_or("");
  std::error_code ignored;
  fs::remove(report, ignored);
  if (text.empty()) throw UserError("ctest " + status.text() + " and reports nothing");
  const TestCounts counts = read_junit(text);
  const nlohmann::json object = {{"passed", counts.passed},
                                 {"failed", counts.failed},
                                 {"skipped", counts.skipped},
                                 {"seconds", counts.seconds},
                                 {"failures", counts.failures}};
  print_out("{}\n", json_text(object));
  return status.code() == 0 ? kDone : kJobFailed;
}

int run_tests(const CommandLine& line, std::vector<std::string> options) {
  const bool json = std::erase(options, "--json") != 0;
  std::vector<std::string> words = ctest_of(line, options);
  if (json) return report_json(std::move(words));
  become(std::move(words));
}

}  // namespace

void add_test_command(CLI::App& app, const CommandLine& line, Action& action) {
  CLI::App* command = app.add_subcommand(
      "test", "Run the tests of this build through CTest; --json ends with one JSON object");
  command->footer(
      "Further options are CTest's: -R REGEX (names), -L LABEL (unit, mpi, doc, errors), -j N (at "
      "once; by default as many as cores). Without a label, those of the label nightly are left "
      "out");
  command->prefix_command();
  command->callback([=, &line, &action] {
    action = [=, &line] { return run_tests(line, command->remaining()); };
  });
}

}  // namespace tessera

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "launcher/commands/commands.h"
#include "launcher/exit_code.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// The tests of the build that this program came from, through CTest. `./tessera test` builds them
// first.
int run_tests(const CommandLine& line, const std::vector<std::string>& options) {
  const fs::path build = fs::path(line.argv[0]).parent_path().parent_path();
  if (!fs::exists(build / "CTestTestfile.cmake"))
    throw UserError("there are no tests beside " + line.argv[0] +
                    "; run ./tessera test in a checkout of the source");
  std::vector<std::string> words = {"ctest", "--test-dir", build.string(), "--output-on-failure"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp("ctest", argv.data());
  throw UserError("cannot start ctest; apt-get install cmake");
}

}  // namespace

void add_test_command(CLI::App& app, const CommandLine& line, Action& action) {
  auto options = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("test", "Run the tests of this build through CTest");
  command->add_option("OPTION", *options, "options of ctest, as -R reshard");
  command->prefix_command();
  command->callback([=, &line, &action] {
    action = [=, &line] { return run_tests(line, command->remaining()); };
  });
}

}  // namespace tessera

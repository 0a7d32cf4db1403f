// What is printed and written arrives, or the command says that it did not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/npy.h"
#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Shell {
  // `tessera WORDS` in a shell, so that it can redirect; the program is $0.
  CommandResult run(const std::string& words) const {
    CommandResult result;
    SubprocessOptions options = tessera_command({}, result);
    options.argv = {"sh", "-c", "cd " + folder.path() + " && \"$0\" " + words, TESSERA_PROGRAM};
    Subprocess process(std::move(options));
    const auto status = process.wait(60);
    result.code = status ? status->code() : process.stop(1).code();
    return result;
  }

  TestFolder folder;
  const std::string program = folder.write(
      "two.tess",
      "program two\ndim n = 3\nparam w[n] = 1.0\nstate big : i64 = 9007199254740992\ny = w * 2\n"
      "z = w * 3\noutput y\noutput z\nodd = big + 1\noutput odd\n");
};

TEST(Streams, OutputThatIsLostIsAnError) {
  const Shell shell;
  for (const std::string ranks : {"", " --ranks 2 --transport mpi"}) {
    const CommandResult full = shell.run("eval two.tess" + ranks + " > /dev/full");
    EXPECT_EQ(full.code, 1) << ranks;
    EXPECT_EQ(full.err, "tessera: standard output cannot be written: No space left on device\n");
    const CommandResult closed = shell.run("eval two.tess" + ranks + " >&-");
    EXPECT_EQ(closed.code, 1) << ranks;
    EXPECT_EQ(closed.err, "tessera: standard output cannot be written: Bad file descriptor\n");
  }
  EXPECT_EQ(shell.run("--help > /dev/full").code, 1);
  EXPECT_EQ(shell.run("plan mlp > /dev/full").code, 1);
}

TEST(Streams, ErrorsThatCannotBeShownChangeNoExitCode) {
  const Shell shell;
  for (const std::string to : {"2>/dev/full", "2>&-"}) {
    EXPECT_EQ(shell.run("eval two.tess " + to).code, 0) << to;
    EXPECT_EQ(shell.run("eval none.tess " + to).code, 2) << to;
    EXPECT_EQ(shell.run("nonsense " + to).code, 2) << to;
    EXPECT_EQ(shell.run("eval two.tess --out y=/dev/full " + to).code, 1) << to;
    EXPECT_EQ(shell.run("eval two.tess --ranks 2 --transport mpi " + to).code, 0) << to;
  }
}

TEST(Streams, AFileGoesWhereItIsSentAndNothingIsReplaced) {
  const Shell shell;
  const CommandResult full = shell.run("eval two.tess --out y=/dev/full");
  EXPECT_EQ(full.code, 1);
  EXPECT_EQ(full.err,
            "tessera: /dev/full: cannot write 140 bytes: No space left on device; free some space "
            "or choose another folder\n");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  ASSERT_EQ(shell.run("eval two.tess --out y=/dev/stdout > piped").code, 0);
  EXPECT_THAT(read_text(shell.folder.file("piped")),
              AllOf(HasSubstr("\n\x93NUMPY"), HasSubstr("y: f32[3] -> /dev/stdout\n")));
  std::filesystem::create_symlink("real.npy", shell.folder.file("link.npy"));
  ASSERT_EQ(shell.run("eval two.tess --out y=link.npy").code, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(shell.folder.file("link.npy")));
  EXPECT_EQ(read_npy(shell.folder.file("real.npy")).get(0), 2);
}

TEST(Streams, AFileBeyondTheLimitIsAnError) {
  const Shell shell;
  ASSERT_EQ(shell.run("eval two.tess").code, 0);  // its kernels are in the cache now
  CommandResult limited;
  SubprocessOptions options = tessera_command({}, limited);
  options.argv = {
      "sh", "-c",
      "cd " + shell.folder.path() + " && ulimit -f 0 && exec \"$0\" eval two.tess --out y=none.npy",
      TESSERA_PROGRAM};
  EXPECT_EQ(Subprocess(std::move(options)).wait()->code(), 1);
  EXPECT_EQ(limited.err, "tessera: none.npy: cannot write 140 bytes: File too large\n");
  EXPECT_FALSE(std::filesystem::exists(shell.folder.file("none.npy")));
}

TEST(Streams, TwoOutputsIntoOneFileAreRefused) {
  const Shell shell;
  const CommandResult result = shell.run("eval two.tess --out y=f.npy --out z=./f.npy");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err,
            "tessera: --out y=f.npy and --out z=./f.npy name one file; give each output its own\n");
}

TEST(Streams, IntegersAreShownExactly) {
  const Shell shell;
  EXPECT_THAT(shell.run("eval two.tess").out, HasSubstr("odd: i64[] = 9007199254740993\n"));
  EXPECT_THAT(shell.run("eval two.tess --json").out, HasSubstr("\"value\":9007199254740993"));
}

TEST(Streams, ProgramsAndInputsWithoutAnEndAreRefused) {
  const Shell shell;
  const auto error = [&](const std::string& words) {
    const CommandResult result = shell.run(words);
    EXPECT_EQ(result.code, 2) << words;
    return result.err;
  };
  EXPECT_EQ(error("eval /dev/zero"),
            "tessera: /dev/zero: is larger than 64 MiB, the most that a program may have\n");
  EXPECT_EQ(error("run /dev/zero"),
            "tessera: /dev/zero: is larger than 1 MiB, the most that a YAML file may have\n");
  EXPECT_EQ(error("plan mlp --cluster /dev/zero"),
            "tessera: /dev/zero: is larger than 1 MiB, the most that a YAML file may have\n");
  EXPECT_EQ(error("eval two.tess --plan /dev/zero"),
            "tessera: /dev/zero: is larger than 256 MiB, the most that a plan may have\n");
  EXPECT_EQ(error("eval two.tess --in w=/dev/zero"),
            "tessera: /dev/zero: is a pipe or a device; a regular file is needed here\n");
  EXPECT_EQ(shell.run("eval /dev/stdin < two.tess").code, 0);
}

}  // namespace
}  // namespace tessera

// What happens to a job when one of its processes, or the machine, fails it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/cli/job.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

TEST(Fault, AKilledRankEndsTheJobWithCode3) {
  EndlessJob job({});
  kill(job.ranks()[1], SIGKILL);
  EXPECT_EQ(job.wait(30), 3) << job.err();
  EXPECT_THAT(job.err(), HasSubstr("rank 1 died: signal 9 (Killed); "));
  EXPECT_THAT(job.err(), HasSubstr("job.tess:")) << "and in which task at which line";
  EXPECT_THAT(job.err(), HasSubstr(". The other ranks were stopped; nothing is left running\n"));
  job.expect_nothing_left();
}

TEST(Fault, AStoppedRankEndsTheJobWithCode3) {
  EndlessJob job({"cluster.timeout=2s"});
  kill(job.ranks()[1], SIGSTOP);
  EXPECT_EQ(job.wait(30), 3) << job.err();
  EXPECT_THAT(job.err(), HasSubstr("timed out after 2.0 s: rank 1 has not arrived"));
  job.expect_nothing_left();
}

// mpirun may need longer to end the stopped rank than its peers needed to tell of it.
TEST(Fault, ASlowEndDoesNotHideWhatARankReported) {
  EndlessJob job({"cluster.timeout=2s"});
  kill(job.ranks()[1], SIGSTOP);
  EXPECT_EQ(job.wait(1), -1) << job.err();
  kill(job.mpirun(), SIGSTOP);
  EXPECT_EQ(job.wait(30), 3) << job.err();
  EXPECT_THAT(job.err(), HasSubstr("timed out after 2.0 s: rank 1 has not arrived"));
  job.expect_nothing_left();
}

// Ranks that all compute the same wait for nobody.
TEST(Fault, AStoppedRankThatNobodyWaitsForEndsTheJob) {
  EndlessJob job({"cluster.timeout=4s"}, "");
  kill(job.ranks()[1], SIGSTOP);
  EXPECT_EQ(job.wait(30), 3) << job.err();
  EXPECT_THAT(job.err(), HasSubstr("tessera: rank 1 was stopped (SIGSTOP?) for 6 s; "));
  EXPECT_THAT(job.err(), HasSubstr("; the job was ended\n"));
  job.expect_nothing_left();
}

TEST(Fault, AKilledLauncherTakesItsJobAlong) {
  EndlessJob job({});
  job.launcher().signal(SIGKILL);
  EXPECT_EQ(job.wait(30), 128 + SIGKILL);
  job.expect_nothing_left();
}

TEST(Fault, AKilledMpirunEndsTheJobWithCode3) {
  EndlessJob job({});
  kill(job.mpirun(), SIGKILL);
  EXPECT_EQ(job.wait(30), 3) << job.err();
  EXPECT_THAT(job.err(), HasSubstr("tessera: mpirun was killed by signal 9 (Killed)\n"));
  job.expect_nothing_left();
}

TEST(Fault, ASignalToTheLauncherEndsTheJob) {
  for (const int signal : {SIGINT, SIGHUP, SIGQUIT}) {
    EndlessJob job({});
    kill(job.launcher().pid(), signal);
    EXPECT_EQ(job.wait(30), 1) << job.err();
    EXPECT_THAT(job.err(), HasSubstr("tessera: stopped by signal " + std::to_string(signal) + " (" +
                                     strsignal(signal) + ")\n"));
    job.expect_nothing_left();
  }
}

TEST(Fault, ASecondSignalEndsAJobThatDoesNotListen) {
  EndlessJob job({});
  kill(job.mpirun(), SIGSTOP);
  kill(job.launcher().pid(), SIGINT);
  EXPECT_EQ(job.wait(0.5), -1) << job.err();
  kill(job.launcher().pid(), SIGINT);
  EXPECT_EQ(job.wait(4), 1) << job.err();
  job.expect_nothing_left();
}

TEST(Fault, AStoppedMpirunEndsTheJobWithCode3) {
  EndlessJob job({"cluster.timeout=2s"});
  kill(job.mpirun(), SIGSTOP);
  EXPECT_EQ(job.wait(30), 3) << job.err();
  EXPECT_THAT(job.err(), HasSubstr("tessera: mpirun (process " + std::to_string(job.mpirun()) +
                                   ") was stopped for 2 s (SIGSTOP?); the job was ended\n"));
  job.expect_nothing_left();
}

TEST(Fault, AStoppedLauncherEndsTheJobWithCode3) {
  EndlessJob job({"cluster.timeout=2s"});
  const pid_t launcher = job.launcher().pid();
  kill(launcher, SIGSTOP);
  EXPECT_EQ(job.wait(30), 3) << job.err();
  EXPECT_THAT(job.err(), HasSubstr("the process " + std::to_string(launcher) +
                                   " that supervises the job was stopped for 2 s (SIGSTOP, or "
                                   "Ctrl-Z); the job was ended\n"));
  job.expect_nothing_left();
}

constexpr const char* kDouble =
    "program double\ndim n = 3\nparam w[n] = 1.0\ny = w * 2\noutput y\n";

// `tessera eval` of a small program with two processes, after a shell's `preparation`.
CommandResult eval_after(const std::string& preparation, const std::vector<std::string>& shell,
                         const std::string& text = kDouble,
                         const std::string& how = " --ranks 2 --transport mpi") {
  const TestFolder folder;
  CommandResult result;
  SubprocessOptions options = tessera_command({}, result);
  options.argv = shell;
  options.argv.push_back(preparation + " && exec " + TESSERA_PROGRAM + " eval " +
                         folder.write("double.tess", text) + how);
  Subprocess process(std::move(options));
  const auto status = process.wait(60);
  result.code = status ? status->code() : -1;
  return result;
}

TEST(Fault, TooFewOpenFilesAreSaidBeforeMpirunWaitsForThem) {
  const CommandResult result = eval_after("ulimit -n 24", {"sh", "-c"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "tessera: 2 ranks through mpirun need 80 open files, and 24 are allowed; raise the "
            "limit (ulimit -n 1024) or use transport: local\n");
  EXPECT_EQ(eval_after("ulimit -S -n 24", {"sh", "-c"}).code, 0) << "the soft limit is raised";
}

TEST(Fault, ALimitOfTheAddressSpaceIsSeen) {
  const std::string large =
      "program large\ndim n = 60000, m = 20000\nx[n, m] = f32(n) * f32(m)\noutput x\n";
  const CommandResult planned = eval_after("ulimit -v 4000000", {"sh", "-c"}, large, "");
  EXPECT_EQ(planned.code, 2);
  EXPECT_THAT(planned.err, HasSubstr("no plan for `large` on 1 cpu device of 3.05 GiB"));
  const CommandResult interpreted =
      eval_after("ulimit -v 4000000", {"sh", "-c"}, large, " --interpret");
  EXPECT_EQ(interpreted.code, 1);
  EXPECT_THAT(interpreted.err,
              HasSubstr("the interpreter, which keeps all values of `large`, needs "
                        "4.47 GiB, and "));
  EXPECT_THAT(interpreted.err, HasSubstr(" are available of 3.81 GiB, the limit of the address "
                                         "space (ulimit -v): use smaller extents, or compiled "
                                         "kernels"));
}

TEST(Fault, SharedMemoryThatIsTooSmallIsNotUsed) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting a small /dev/shm takes root";
  for (const std::string size : {"64k", "8m"}) {
    const CommandResult result = eval_after("mount -t tmpfs -o size=" + size + " tmpfs /dev/shm",
                                            {"unshare", "-m", "sh", "-c"});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("y: f32[3] = 2, 2, 2\n"));
  }
}

// Files in memory are files: a limit on their length keeps ranks from sharing their arenas.
TEST(Fault, RanksThatCannotShareTheirTensorsSaySoOnce) {
  const std::string large =
      "program large\ndim n = 8000000\nx[n] = f32(n)\ns = sum[n](x)\noutput s\noutput x\n"
      "pin x[n: data]\n";
  const std::string how = " --ranks 3 --transport mpi --mesh data=3";
  const CommandResult limited = eval_after("ulimit -f 8192", {"sh", "-c"}, large, how);
  EXPECT_EQ(limited.code, 0) << limited.err;
  EXPECT_THAT(limited.err, HasSubstr("rank 0 warning [comm] ranks of this machine cannot read each "
                                     "other's tensors where they lie, so collectives copy, which "
                                     "is slower: the system refuses them files in memory: "));
  EXPECT_THAT(limited.err, HasSubstr("(ulimit -f unlimited)\n"));
  EXPECT_EQ(limited.err.find("cannot read each other"),
            limited.err.rfind("cannot read each other"));
  const CommandResult free = eval_after("true", {"sh", "-c"}, large, how);
  EXPECT_EQ(free.err, "");
  EXPECT_EQ(free.out, limited.out);
}

TEST(Fault, AnMpirunWithAnotherProgramAmongItsRanksEnds) {
  const TestFolder folder;
  CommandResult result;
  SubprocessOptions options = tessera_command({}, result);
  options.argv = {"mpirun",
                  "--allow-run-as-root",
                  "--oversubscribe",
                  "-np",
                  "1",
                  TESSERA_PROGRAM,
                  "eval",
                  folder.write("double.tess", kDouble),
                  "--timeout",
                  "2",
                  ":",
                  "-np",
                  "1",
                  "true"};
  Subprocess process(std::move(options));
  const auto status = process.wait(60);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code(), 3);
  EXPECT_THAT(result.err,
              HasSubstr("tessera: rank 0: MPI did not start within 2 s: it waits for other ranks, "
                        "which are gone, stopped, or no ranks of this program"));
}

// The rank that reads outside knows why; the others only learn that it failed. Whoever ends first,
// the exit code and the text are about the index.
TEST(Fault, TheFirstCauseDecidesTheExitCode) {
  const TestFolder folder;
  const std::string program =
      folder.write("index.tess",
                   "program index\ndim n = 64, v = 10, h = 16\ninput token[n] : i32\n"
                   "param table[v, h] = 1.0\nloss = mean[n](sum[h](table[v: token]))\n"
                   "update table = table - 0.1 * grad(loss, table)\noutput loss\n");
  Array token = make_array(DType::i32, {64});
  token.set(50, 12);
  write_npy(folder.file("token.npy"), token);
  std::vector<std::string> words = {
      "eval",        program,  "--in",    "token=" + folder.file("token.npy"),
      "--mesh",      "data=3", "--ranks", "3",
      "--transport", "local"};
  for (int i = 0; i < 40; ++i) {
    words.back() = i % 8 == 0 ? "mpi" : "local";
    const CommandResult result = run_tessera(words);
    EXPECT_EQ(result.code, 2) << words.back();
    EXPECT_THAT(result.err, HasSubstr("index.tess:5:"));
    EXPECT_THAT(result.err, HasSubstr("the index `token` is 12, at n = 50, where it reads `table` "
                                      "along `v`; allowed is 0 to 9\n"));
  }
}

}  // namespace
}  // namespace tessera

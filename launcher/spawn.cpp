#include "launcher/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace tessera {
namespace {

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string text = *entry;
    if (!changes.count(text.substr(0, text.find('=')))) result.push_back(text);
  }
  for (const auto& [name, value] : changes) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// What the child needs to know between fork and exec, where only little may be called.
struct Birth {
  pid_t parent = 0;
  int out = -1;  // its standard output and error; -1: ours
  int err = -1;
  int report = -1;  // where the errno goes when the program does not start
  char* const* argv = nullptr;
  char* const* environment = nullptr;
};

// Its own group, no blocked signals, default handlers: what a program expects to start with.
[[noreturn]] void become_child(const Birth& birth) {
  ::setpgid(0, 0);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != birth.parent) ::_exit(127);  // it died before it could be watched
  const int input = ::open("/dev/null", O_RDONLY);
  const bool ready = input >= 0 && ::dup2(input, STDIN_FILENO) >= 0 &&
                     (birth.out < 0 || ::dup2(birth.out, STDOUT_FILENO) >= 0) &&
                     (birth.err < 0 || ::dup2(birth.err, STDERR_FILENO) >= 0);
  if (ready && input != STDIN_FILENO) ::close(input);
  if (ready) ::execvpe(birth.argv[0], birth.argv, birth.environment);
  const int error = errno;
  while (::write(birth.report, &error, sizeof error) < 0 && errno == EINTR) {
  }
  ::_exit(127);
}

// 0 when the program was started, else the errno of what failed.
int start_error(PipeEnds& report) {
  close_descriptor(report.write);
  int error = 0;
  ssize_t got = 0;
  while ((got = ::read(report.read, &error, sizeof error)) < 0 && errno == EINTR) {
  }
  return got == sizeof error ? error : 0;
}

// A process without standard streams would get one of their numbers, which the child replaces.
int above_standard(int descriptor) {
  if (descriptor > STDERR_FILENO) return descriptor;
  const int moved = ::fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  ::close(descriptor);
  return moved;
}

}  // namespace

void close_descriptor(int& descriptor) {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

PipeEnds::PipeEnds() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw DeviceError(std::string("cannot make a pipe: ") + std::strerror(errno));
  read = above_standard(ends[0]);
  write = above_standard(ends[1]);
}

PipeEnds::~PipeEnds() {
  close_descriptor(read);
  close_descriptor(write);
}

pid_t spawn(const SpawnOptions& options) {
  std::vector<std::string> words = options.argv;
  std::vector<std::string> variables = merged_environment(options.environment);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> environment = pointers(variables);
  PipeEnds report;
  const Birth birth{::getpid(),   options.out, options.err,
                    report.write, argv.data(), environment.data()};
  const pid_t pid = ::fork();
  if (pid == 0) become_child(birth);
  const int error = pid < 0 ? errno : start_error(report);
  if (error == 0) return pid;
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  const std::string text = "cannot start `" + options.argv[0] + "`: " + std::strerror(error);
  if (error == ENOENT || error == EACCES || error == ENOTDIR || error == ENOEXEC)
    throw UserError(text + "; is it installed and in PATH?");
  throw DeviceError(text);
}

}  // namespace tessera

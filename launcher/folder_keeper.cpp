#include "launcher/folder_keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"

namespace tessera {
namespace {

constexpr const char* kName = "tessera-keeper";

// Processes of the owner's may still be writing to the folder, or be about to make it anew: they
// end with the owner, but not in the same moment.
constexpr const char* kScript = R"(
trap '' HUP INT QUIT TERM
cd /
read -r word
[ -e "$1" ] || [ -n "$2" ] || exit 0
tries=0
while [ $tries -lt 20 ]; do
  rm -rf -- "$1"
  [ -z "$2" ] || rmdir -- "$2"
  tries=$((tries + 1))
  sleep 0.1
done
)";

// Standard streams only, the first from `input`; a session of its own; signals as they are at the
// start of a program.
struct Birth {
  explicit Birth(int input) {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawnattr_init(&state);
    ::sigset_t none;
    ::sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&state, &none);
    ::posix_spawnattr_setsigdefault(&state, &all);
    ::posix_spawnattr_setflags(&state,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Birth() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&state);
  }
  Birth(const Birth&) = delete;
  Birth& operator=(const Birth&) = delete;

  posix_spawn_file_actions_t files{};
  posix_spawnattr_t state{};
};

}  // namespace

FolderKeeper::FolderKeeper(const std::string& folder, const KeepOptions& options)
    : waits_(options.waits) {
  std::string words[] = {"sh",  "-c",   kScript,
                         kName, folder, options.parent ? folder.substr(0, folder.rfind('/')) : ""};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(),
                  words[4].data(), words[5].data(), nullptr};
  const Birth birth(life_.read);
  const int error = ::posix_spawn(&pid_, "/bin/sh", &birth.files, &birth.state, argv, environ);
  if (error != 0)
    throw DeviceError("cannot start /bin/sh, which is to remove " + folder +
                      " should this process be killed: " + std::strerror(error));
  close_descriptor(life_.read);
}

bool is_folder_keeper(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
  for (std::string word; std::getline(file, word, '\0');)
    if (word == kName) return true;
  return false;
}

FolderKeeper::~FolderKeeper() {
  close_descriptor(life_.write);
  while (waits_ && ::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace tessera

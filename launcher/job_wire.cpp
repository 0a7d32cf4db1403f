#include "launcher/job_wire.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tessera {
namespace {

constexpr size_t kHead = 5;  // kind and length
constexpr uint32_t kMostText = 64 << 10;
constexpr size_t kMostUnsent = size_t{4} << 20;  // of a peer that does not read

}  // namespace

JobWire::JobWire(int descriptor) : descriptor_(descriptor) {
  if (descriptor_ < 0) return;
  ::fcntl(descriptor_, F_SETFL, ::fcntl(descriptor_, F_GETFL) | O_NONBLOCK);
  ::fcntl(descriptor_, F_SETFD, FD_CLOEXEC);
}

JobWire::~JobWire() {
  close();
}

void JobWire::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void JobWire::send(const JobWord& word) {
  if (!open() || out_.size() > kMostUnsent) return;
  const auto bytes = static_cast<uint32_t>(std::min<size_t>(word.text.size(), kMostText));
  char head[kHead] = {static_cast<char>(word.kind)};
  std::memcpy(head + 1, &bytes, sizeof bytes);
  out_.append(head, kHead);
  out_.append(word.text, 0, bytes);
  flush();
}

void JobWire::flush() {
  while (open() && !out_.empty()) {
    const ssize_t sent = ::send(descriptor_, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (sent <= 0) return close();
    out_.erase(0, static_cast<size_t>(sent));
  }
}

std::vector<JobWord> JobWire::receive() {
  bool ended = false;
  while (open() && !ended && in_.size() < 4 * size_t{kMostText}) {
    char buffer[16384];
    const ssize_t got = ::recv(descriptor_, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got > 0) in_.append(buffer, static_cast<size_t>(got));
    ended = got <= 0;
  }
  std::vector<JobWord> words;
  size_t at = 0;
  while (in_.size() - at >= kHead) {
    const auto kind = static_cast<uint8_t>(in_[at]);
    uint32_t bytes = 0;
    std::memcpy(&bytes, in_.data() + at + 1, sizeof bytes);
    ended = ended || kind > JobWord::last || bytes > kMostText;
    if (kind > JobWord::last || bytes > kMostText || in_.size() - at - kHead < bytes) break;
    words.push_back({static_cast<JobWord::Kind>(kind), in_.substr(at + kHead, bytes)});
    at += kHead + bytes;
  }
  in_.erase(0, at);
  if (ended) close();
  return words;
}

}  // namespace tessera

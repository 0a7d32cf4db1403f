#include "comm/mpi/shared_region.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <new>
#include <random>

#include "base/error.h"
#include "base/hash.h"

namespace tessera {
namespace {

constexpr size_t kPage = 4096;

size_t to_pages(size_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

size_t board_bytes(int ranks) {
  return to_pages(64 + BoardMemory::bytes(ranks));
}

size_t count_bytes(int ranks) {
  const size_t n = static_cast<size_t>(ranks);
  return to_pages(2 * n * 2 * n * sizeof(uint64_t));
}

constexpr size_t kRankBytes = 2 * (SharedRegion::kChunk + SharedRegion::kResult);

// Closes a file descriptor.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// How the others find the memory of rank 0. The nonce lies in its first bytes.
struct Offer {
  uint64_t machine = 0;
  uint64_t nonce = 0;
  int32_t pid = 0;
  int32_t fd = -1;
};

uint64_t random_nonce() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

std::unique_ptr<SharedRegion> create_region(int fd, int ranks, uint64_t nonce) {
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(SharedRegion::bytes(ranks))) != 0) return nullptr;
  auto region = std::make_unique<SharedRegion>(fd, ranks);
  BoardMemory::create(region->board(), ranks);
  std::memcpy(region->base(), &nonce, sizeof(nonce));
  return region;
}

std::unique_ptr<SharedRegion> open_region(const Offer& offer, int ranks) {
  if (offer.fd < 0 || offer.machine != machine_id()) return nullptr;
  const std::string path = fmt::format("/proc/{}/fd/{}", offer.pid, offer.fd);
  const File file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct stat status {};
  if (file.fd() < 0 || fstat(file.fd(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<size_t>(status.st_size) != SharedRegion::bytes(ranks))
    return nullptr;
  auto region = std::make_unique<SharedRegion>(file.fd(), ranks);
  return std::memcmp(region->base(), &offer.nonce, sizeof(offer.nonce)) == 0 ? std::move(region)
                                                                             : nullptr;
}

}  // namespace

uint64_t machine_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return hash_bytes(text + " " + name);
}

SharedRegion::SharedRegion(int fd, int ranks) : ranks_(ranks) {
  void* memory = mmap(nullptr, bytes(ranks), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED)
    throw DeviceError(fmt::format("cannot map {} bytes of shared memory: {}", bytes(ranks),
                                  std::strerror(errno)));
  base_ = static_cast<std::byte*>(memory);
}

SharedRegion::~SharedRegion() {
  munmap(base_, bytes(ranks_));
}

size_t SharedRegion::bytes(int ranks) {
  return board_bytes(ranks) + count_bytes(ranks) + static_cast<size_t>(ranks) * kRankBytes;
}

uint64_t* SharedRegion::counts(size_t parity, int rank) const {
  const size_t n = static_cast<size_t>(ranks_);
  auto* table = reinterpret_cast<uint64_t*>(base_ + board_bytes(ranks_));
  return table + (parity * n + static_cast<size_t>(rank)) * 2 * n;
}

std::byte* SharedRegion::staged(size_t parity, int rank) const {
  return base_ + board_bytes(ranks_) + count_bytes(ranks_) +
         static_cast<size_t>(rank) * kRankBytes + parity * kChunk;
}

std::byte* SharedRegion::result(size_t parity, int rank) const {
  return staged(0, rank) + 2 * kChunk + parity * kResult;
}

std::unique_ptr<SharedRegion> make_shared_region(Channel& channel, const CallInfo& info) {
  const int ranks = channel.size();
  Offer offer;
  const File file(channel.rank() == 0 ? memfd_create("tessera", MFD_CLOEXEC) : -1);
  std::unique_ptr<SharedRegion> region;
  if (channel.rank() == 0) {
    offer = {machine_id(), random_nonce(), static_cast<int32_t>(getpid()), file.fd()};
    region = create_region(file.fd(), ranks, offer.nonce);
    std::vector<Outgoing> out;
    for (int r = 1; r < ranks; ++r) out.push_back({&offer, sizeof(offer), r});
    channel.exchange(info, out, {});
  } else {
    const Incoming in{&offer, sizeof(offer), 0};
    channel.exchange(info, {}, {&in, 1});
    region = open_region(offer, ranks);
  }
  // Everyone keeps it or no one does. The exchange also keeps rank 0's file open until then.
  const char reached = region != nullptr;
  std::vector<char> all(static_cast<size_t>(ranks));
  channel.gather_all(info, &reached, 1, all.data());
  for (const char one : all)
    if (!one) return nullptr;
  return region;
}

}  // namespace tessera

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

// What passes between the launcher of a job and its ranks.
struct JobWord {
  enum Kind : uint8_t {
    hello,      // rank: who it is, as job_link.cpp writes it; the first word
    alive,      // both, twice a second; from a rank with what it is doing
    error,      // rank: exit code, newline, text
    explained,  // launcher: the cause of the failure is known, nobody needs to wait for it
    leave,      // launcher: a signal, by its number, asks the job to leave in good order
    last = leave
  };
  Kind kind = alive;
  std::string text;
};

// One end of a stream socket that carries such words; it never waits. Not thread-safe.
class JobWire {
 public:
  // Takes over a connected socket.
  explicit JobWire(int descriptor);
  ~JobWire();
  JobWire(const JobWire&) = delete;
  JobWire& operator=(const JobWire&) = delete;

  int descriptor() const { return descriptor_; }
  bool open() const { return descriptor_ >= 0; }
  bool unsent() const { return !out_.empty(); }

  // Sends now what goes, and the rest with later calls of flush().
  void send(const JobWord& word);
  void flush();
  // The words that have arrived whole. What is no word, or longer than 64 KiB, closes the wire.
  std::vector<JobWord> receive();
  void close();

 private:
  int descriptor_;
  std::string in_;
  std::string out_;
};

}  // namespace tessera

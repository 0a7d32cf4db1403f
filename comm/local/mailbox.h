#pragma once

#include <list>
#include <mutex>

#include "comm/call.h"
#include "comm/failure.h"
#include "comm/wait.h"

namespace tessera {

// Point-to-point messages between the threads of one group. A sender posts its buffer and waits
// until the receiver has copied it, so nothing is stored and a missing partner shows at once.
class Mailbox {
 public:
  struct Message {
    int from = 0;
    int to = 0;
    int tag = 0;
    const void* data = nullptr;
    size_t bytes = 0;
    enum { posted, claimed, done } state = posted;
  };
  using Ticket = std::list<Message>::iterator;

  Mailbox(std::chrono::milliseconds timeout, FailureRecord& failure)
      : timeout_(timeout), failure_(failure) {}

  Ticket post(const Message& message);
  // Waits until the message is copied. `peer` is the receiver's world rank, for the error text.
  void await_copied(Ticket ticket, const CallInfo& info, int peer);
  // Takes a message back; waits where its receiver is copying it.
  void abandon(Ticket ticket);
  // Copies the oldest message `from` -> `to` with `tag` into data. `peer`: the sender's world rank.
  void receive(const Message& wanted, void* data, const CallInfo& info, int peer);

 private:
  bool claim(const Message& wanted, Ticket& ticket);
  // Withdraws a message; false when its receiver is copying it.
  bool withdraw(Ticket ticket);
  bool copied(Ticket ticket);
  [[noreturn]] void give_up(Wake why, const CallInfo& info, int peer);

  const std::chrono::milliseconds timeout_;
  FailureRecord& failure_;
  Event event_;
  std::mutex mutex_;
  std::list<Message> messages_;
};

}  // namespace tessera

#include "comm/local/mailbox.h"

#include <fmt/format.h>

#include <cstring>

#include "base/error.h"

namespace tessera {

Mailbox::Ticket Mailbox::post(const Message& message) {
  Ticket ticket;
  {
    std::lock_guard lock(mutex_);
    ticket = messages_.insert(messages_.end(), message);
  }
  event_.notify();
  return ticket;
}

bool Mailbox::claim(const Message& wanted, Ticket& ticket) {
  std::lock_guard lock(mutex_);
  for (ticket = messages_.begin(); ticket != messages_.end(); ++ticket) {
    if (ticket->state != Message::posted || ticket->from != wanted.from ||
        ticket->to != wanted.to || ticket->tag != wanted.tag)
      continue;
    ticket->state = Message::claimed;
    return true;
  }
  return false;
}

bool Mailbox::withdraw(Ticket ticket) {
  std::lock_guard lock(mutex_);
  if (ticket->state != Message::posted) return false;
  messages_.erase(ticket);
  return true;
}

bool Mailbox::copied(Ticket ticket) {
  std::lock_guard lock(mutex_);
  if (ticket->state != Message::done) return false;
  messages_.erase(ticket);
  return true;
}

void Mailbox::give_up(Wake why, const CallInfo& info, int peer) {
  if (why == Wake::interrupted) throw CommError(ended_text(info, failure_.text()));
  const std::string text = timeout_text(info, {peer});
  failure_.report(text);
  throw CommError(text);
}

void Mailbox::await_copied(Ticket ticket, const CallInfo& info, int peer) {
  const Wake why = await(
      event_, CommClock::now() + timeout_, false, [&] { return copied(ticket); },
      [&] { return failure_.failed(); });
  if (why == Wake::ready) return;
  if (withdraw(ticket)) give_up(why, info, peer);
  abandon(ticket);  // it arrives after all
}

void Mailbox::abandon(Ticket ticket) {
  if (withdraw(ticket)) return;
  await(
      event_, CommClock::time_point::max(), false, [&] { return copied(ticket); },
      [] { return false; });
}

void Mailbox::receive(const Message& wanted, void* data, const CallInfo& info, int peer) {
  if (failure_.failed()) give_up(Wake::interrupted, info, peer);
  Ticket ticket;
  const Wake why = await(
      event_, CommClock::now() + timeout_, false, [&] { return claim(wanted, ticket); },
      [&] { return failure_.failed(); });
  if (why != Wake::ready) give_up(why, info, peer);
  const size_t sent = ticket->bytes;
  if (sent == wanted.bytes && sent > 0) std::memcpy(data, ticket->data, sent);
  {
    std::lock_guard lock(mutex_);
    ticket->state = Message::done;
  }
  event_.notify();
  if (sent == wanted.bytes) return;
  const std::string text =
      fmt::format("rank {} sent {} bytes with tag {} to rank {}, which expects {}", peer, sent,
                  wanted.tag, info.world_rank, wanted.bytes);
  failure_.report(text);
  throw CommError(ended_text(info, text));
}

}  // namespace tessera

#include "node/peer_queue.h"

#include <poll.h>

#include <algorithm>

#include "base/clock.h"
#include "base/text.h"
#include "crypto/evp.h"
#include "jose/base64url.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kFirstDelay = 60;
constexpr std::uint64_t kLongestDelay = kSecondsPerDay;

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8U | static_cast<unsigned char>(byte);
  return number;
}

// Seconds until the attempt after that many: doubled each time, and up to a quarter more, so that
// nodes that lost the same peer do not come back at the same moment.
std::uint64_t delay_after(std::uint64_t attempts) {
  constexpr std::uint64_t kMostDoublings = 20;
  constexpr std::uint64_t kSteps = 256;
  const std::uint64_t doubled = kFirstDelay << std::min(attempts - 1, kMostDoublings);
  const std::uint64_t delay = std::min(doubled, kLongestDelay * 4 / 5);
  return delay + delay * read_number(random_bytes(1)) / 4 / kSteps;
}

std::string queue_command(const std::string& verb, const std::string& id, const std::string& peer) {
  return own_command("queue ") + verb + (id.starts_with('-') ? " -- " : " ") + id + " " + peer;
}

}  // namespace

Error kept(const Sent& sent, const std::string& id_text) {
  return {sent.later ? Status::try_later : sent.error->status(),
          sent.error->what() + ("; queued as " + in_quotes(id_text)), sent.error->hint()};
}

std::string name_or_fingerprint(Peers& peers, const std::string& identity) {
  const auto row = peers.by_identity(identity);
  return row && !row->name.empty() ? row->name : fingerprint(identity);
}

bool is_due(std::uint64_t next, std::uint64_t now) {
  return next <= now || next > now + kLongestDelay;
}

PeerQueue::PeerQueue(const Home& home, const Sender& sender, const std::string& peer,
                     std::optional<Deadline> deadline)
    : lock_file_(home.lock_file()),
      sender_(sender),
      peer_(peer),
      deadline_(deadline),
      table_(sender.database),
      messages_(sender.database),
      name_(find_name()) {}

bool PeerQueue::take_turn() {
  const std::string bytes = decode_base64url(peer_).value_or(peer_);
  const LockByte byte = lock_byte_of_queue(read_number(bytes.substr(0, sizeof(std::uint64_t))));
  turn_.emplace(lock_file_, byte, 0ms);
  return turn_->held();
}

bool PeerQueue::wait_for_turn(std::int64_t message, const Deadline& deadline) {
  constexpr int kPause = 20;
  while (!take_turn()) {
    pollfd interrupt{sender_.interrupt, POLLIN, 0};
    if (poll(&interrupt, 1, kPause) == 1 || deadline.passed() || !is_waiting(message)) {
      return false;
    }
  }
  return true;
}

std::optional<QueuedMessage> PeerQueue::first() {
  return table_.first_waiting(peer_, unix_now());
}

bool PeerQueue::is_waiting(std::int64_t message) {
  const auto found = table_.find(message);
  return found && !found->entry.failed;
}

QueueEvent PeerQueue::attempt(const QueuedMessage& message, const std::string& id_text,
                              const Deadline& deadline) {
  name_ = find_name();  // our user may have given it another
  QueueEvent event{
      message.jti, QueueFate::failed, {name_, state_text(MessageState::failed), {}, {}}};
  if (message.iss != sender_.identity.id) {
    event.sent.error =
        Error(Status::data, "message " + in_quotes(id_text) + " to " + in_quotes(name_) +
                                " was queued under another identity");
  } else if (name_ == fingerprint(peer_)) {
    event.sent.state = state_text(MessageState::queued);
    event.sent.error =
        Error(Status::no_peer,
              "the receiver of message " + in_quotes(id_text) + " is no peer any more, " + name_,
              queue_command("drop", message.jti, name_));
  } else {
    const auto row = messages_.get(message.entry.message);
    const Letter letter{row ? row->body : "", message.jti, id_text, message.exp, peer_};
    event.sent = deliver(letter, name_, sender_, deadline);
  }
  if (event.sent.delivered) {
    event.fate = QueueFate::delivered;
  } else if (read_state(event.sent.state) != MessageState::failed) {
    event.fate = QueueFate::waiting;
    event.sent.state = state_text(MessageState::queued);
  } else {
    give_up(message.entry.message, event.sent.error->what());
  }
  return event;
}

void PeerQueue::note(std::int64_t message, const std::string& why) {
  change(message, [&](QueuedMessage& found) { found.entry.why = why; });
}

bool PeerQueue::put_off(std::int64_t message, const std::string& why) {
  return change(message, [&](QueuedMessage& found) {
    found.entry.attempts += 1;
    found.entry.next = unix_now() + delay_after(found.entry.attempts);
    found.entry.why = why;
  });
}

void PeerQueue::give_up(std::int64_t message, const std::string& why) {
  change(message, [&](QueuedMessage& found) { set_failed(found, why); });
}

// What a failing machine forgets of this is found out, and said, again.
std::optional<QueueEvent> PeerQueue::expire(std::int64_t message) {
  sender_.database.set_durability(Durability::normal);
  std::optional<QueueEvent> event;
  change(message, [&](QueuedMessage& found) {
    if (found.entry.failed || found.exp > unix_now()) return;
    const Error error = expired(found);
    event = {found.jti, QueueFate::failed, {name_, state_text(MessageState::failed), {}, error}};
    set_failed(found, error.what());
    // The peer is left alone as long as it would have been.
    if (auto next = table_.first_waiting(peer_, unix_now())) {
      next->entry.attempts = std::max(next->entry.attempts, found.entry.attempts);
      next->entry.next = std::max(next->entry.next, found.entry.next);
      table_.put(next->entry);
    }
  });
  return event;
}

void PeerQueue::withdraw(std::int64_t message) {
  settle();
  WriteTransaction transaction(sender_.database);
  const auto found = table_.find(message);
  if (found && !(found->entry.failed && found->exp <= unix_now())) {
    if (found->state == MessageState::queued) {
      messages_.set_state(message, MessageState::untaken);
    }
    table_.remove(message);
  }
  transaction.commit();
}

Sent PeerQueue::outcome_of(std::int64_t message) {
  const auto row = messages_.get(message);
  const auto found = table_.find(message);
  Sent sent{name_, state_text(row ? row->state : MessageState::failed), {}, {}};
  if (row && row->state == MessageState::acked) {
    sent.delivered = Delivered{row->reply, row->rc};
  } else if (found && found->exp <= unix_now()) {
    const Error error = expired(*found);
    sent.error =
        found->entry.failed ? Error(error.status(), found->entry.why, error.hint()) : error;
  } else if (found) {
    sent.error = Error(Status::data, found->entry.why);
  } else if (row && row->state == MessageState::unknown) {
    sent.error = Error(Status::unknown_outcome, "it was taken out of the queue; whether " +
                                                    in_quotes(name_) + " has it is unknown");
  } else {
    sent.error = Error(Status::unavailable,
                       "not sent to " + in_quotes(name_) + ": it was taken out of the queue");
  }
  return sent;
}

std::string PeerQueue::find_name() {
  settle();
  Peers peers(sender_.database);
  return name_or_fingerprint(peers, peer_);
}

// A delivery has left the state with little patience.
void PeerQueue::settle() {
  constexpr std::chrono::milliseconds kLeast = 1s;
  constexpr std::chrono::milliseconds kMost = 10s;
  const auto time = deadline_ ? std::clamp(deadline_->remaining(), kLeast, kMost) : kMost;
  sender_.database.set_patience(time);
}

Error PeerQueue::expired(const QueuedMessage& message) const {
  const bool unknown = message.state == MessageState::unknown;
  const std::string peer = in_quotes(name_);
  const std::string last = message.entry.why.empty() ? "" : ": " + message.entry.why;
  return {unknown ? Status::unknown_outcome : Status::unavailable,
          "message " + in_quotes(message.jti) + " to " + peer + " has expired, " +
              (unknown ? "and whether " + peer + " has it is unknown" : "not delivered") + last,
          queue_command(unknown ? "drop" : "retry", message.jti, name_)};
}

void PeerQueue::set_failed(QueuedMessage& found, const std::string& why) {
  found.entry.failed = true;
  found.entry.why = why;
  if (found.state == MessageState::queued) {
    messages_.set_state(found.entry.message, MessageState::failed);
  }
}

// False when it was delivered or dropped meanwhile.
template <typename Change>
bool PeerQueue::change(std::int64_t message, Change change) {
  settle();
  WriteTransaction transaction(sender_.database);
  auto found = table_.find(message);
  if (found) {
    change(*found);
    table_.put(found->entry);
  }
  transaction.commit();
  return found.has_value();
}

}  // namespace p2pchat

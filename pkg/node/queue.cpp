#include "node/queue.h"

#include <poll.h>

#include <algorithm>
#include <csignal>
#include <mutex>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "crypto/evp.h"
#include "jose/base64url.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "node/outbox.h"
#include "node/side_by_side.h"
#include "protocol/request.h"

namespace p2pchat {

namespace {

constexpr std::uint64_t kFirstDelay = 60;
constexpr std::uint64_t kLongestDelay = kSecondsPerDay;
// For the state; waiting for a peer has its own.
constexpr std::chrono::seconds kStatePatience{10};

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

// Nothing waits longer than kLongestDelay, but for a clock that was ahead when it was told to.
bool is_due(const QueueEntry& entry, std::uint64_t now) {
  return entry.next <= now || entry.next > now + kLongestDelay;
}

std::string name_or_fingerprint(Peers& peers, const std::string& identity) {
  const auto row = peers.by_identity(identity);
  return row && !row->name.empty() ? row->name : fingerprint(identity);
}

// What to say of a message that stays in the queue. There is only waiting to be done, unless
// somebody has to look first.
Error kept(const Sent& sent, const std::string& id_text) {
  return {sent.later ? Status::try_later : sent.error->status(),
          sent.error->what() + ("; queued as " + in_quotes(id_text)), sent.error->hint()};
}

// What waits for one peer.
class PeerQueue {
 public:
  PeerQueue(const Home& home, const Sender& sender, const std::string& peer)
      : lock_file_(home.lock_file()),
        sender_(sender),
        peer_(peer),
        table_(sender.database),
        messages_(sender.database),
        name_(find_name()) {}

  const std::string& name() const { return name_; }

  // One process at a time; the turn ends with this object.
  bool take_turn() {
    const std::string bytes = decode_base64url(peer_).value_or(peer_);
    const LockByte byte = lock_byte_of_queue(read_number(bytes.substr(0, sizeof(std::uint64_t))));
    turn_.emplace(lock_file_, byte, std::chrono::milliseconds(0));
    return turn_->held();
  }

  // Until it is our turn, the time is over, our user interrupts, or nothing is left to do for it.
  bool wait_for_turn(std::int64_t message, const Deadline& deadline) {
    constexpr int kPause = 20;
    while (!take_turn()) {
      pollfd interrupt{sender_.interrupt, POLLIN, 0};
      if (poll(&interrupt, 1, kPause) == 1 || deadline.passed() || !is_waiting(message)) {
        return false;
      }
    }
    return true;
  }

  // What has expired is passed over: a flush tells of it.
  std::optional<QueuedMessage> first() { return table_.first_waiting(peer_, unix_now()); }

  bool is_waiting(std::int64_t message) {
    const auto found = table_.find(message);
    return found && !found->entry.failed;
  }

  // The entry stays as it is, unless the message was delivered: see put_off() and give_up().
  QueueEvent attempt(const QueuedMessage& message, const Deadline& deadline) {
    QueueEvent event{message.jti, QueueFate::failed, {name_, {}, {}, {}}};
    if (message.iss != sender_.identity.id) {
      event.sent.error =
          Error(Status::data, "message " + in_quotes(message.jti) + " to " + in_quotes(name_) +
                                  " was queued under another identity");
      return event;
    }
    const auto row = messages_.get(message.entry.message);
    const Letter letter{row ? row->body : "", message.jti, message.jti, message.exp};
    event.sent = deliver(letter, name_, sender_, deadline);
    if (event.sent.delivered) {
      event.fate = QueueFate::delivered;
    } else if (read_state(event.sent.state) != MessageState::failed) {
      event.fate = QueueFate::waiting;
      event.sent.state = state_text(MessageState::queued);
    }
    return event;
  }

  void note(std::int64_t message, const std::string& why) {
    change(message, [&](QueueEntry& entry) { entry.why = why; });
  }

  void put_off(std::int64_t message, const std::string& why) {
    change(message, [&](QueueEntry& entry) {
      entry.attempts += 1;
      entry.next = unix_now() + delay_after(entry.attempts);
      entry.why = why;
    });
  }

  void give_up(std::int64_t message, const std::string& why) {
    change(message, [&](QueueEntry& entry) {
      entry.failed = true;
      entry.why = why;
      const auto row = messages_.get(message);
      if (row && row->state == MessageState::queued) {
        messages_.set_state(message, MessageState::failed);
      }
    });
  }

  // It has had its time.
  QueueEvent expire(const QueuedMessage& message) {
    const Error error = expired(message);
    give_up(message.entry.message, error.what());
    return {message.jti, QueueFate::failed, {name_, state_text(MessageState::failed), {}, error}};
  }

  // Taken out again, with the outcome that is known.
  MessageState withdraw(std::int64_t message) {
    settle();
    WriteTransaction transaction(sender_.database);
    const auto row = messages_.get(message);
    MessageState state = row ? row->state : MessageState::failed;
    if (state == MessageState::queued) {
      state = MessageState::untaken;
      messages_.set_state(message, state);
    }
    table_.remove(message);
    transaction.commit();
    return state;
  }

  // What is known of a message whose turn has gone by.
  Sent outcome_of(std::int64_t message) {
    const auto row = messages_.get(message);
    Sent sent{name_, state_text(row ? row->state : MessageState::failed), {}, {}};
    if (row && row->state == MessageState::acked) {
      sent.delivered = Delivered{row->reply, row->rc};
    } else if (const auto entry = table_.find(message)) {
      sent.error = expired(*entry);
    } else {
      sent.error = Error(Status::unavailable,
                         "not sent to " + in_quotes(name_) + ": it was taken out of the queue");
    }
    return sent;
  }

 private:
  std::string find_name() {
    settle();
    Peers peers(sender_.database);
    return name_or_fingerprint(peers, peer_);
  }

  // A delivery has left the state with little patience.
  void settle() { sender_.database.set_patience(kStatePatience); }

  Error expired(const QueuedMessage& message) const {
    const bool unknown = message.state == MessageState::unknown;
    const std::string peer = in_quotes(name_);
    const std::string last = message.entry.why.empty() ? "" : ": " + message.entry.why;
    return {unknown ? Status::unknown_outcome : Status::unavailable,
            "message " + in_quotes(message.jti) + " to " + peer + " has expired, " +
                (unknown ? "and whether " + peer + " has it is unknown" : "not delivered") + last,
            "p2pchat queue " + std::string(unknown ? "drop " : "retry ") + message.jti};
  }

  // Unless it was delivered or dropped meanwhile.
  template <typename Change>
  void change(std::int64_t message, Change change) {
    settle();
    WriteTransaction transaction(sender_.database);
    if (auto found = table_.find(message)) {
      change(found->entry);
      table_.put(found->entry);
    }
    transaction.commit();
  }

  std::string lock_file_;
  const Sender& sender_;
  std::string peer_;
  QueueTable table_;
  Messages messages_;
  std::string name_;
  std::optional<FileLock> turn_;
};

// ---- sending

Enqueued enqueue_one(const Letter& letter, const std::string& name, const Sender& sender) {
  Peers peers(sender.database);
  Messages messages(sender.database);
  Enqueued result;
  try {
    const PeerRow peer = trusted_peer(peers, name);
    result.peer = peer.identity;
    const MessageKey key{Direction::out, sender.identity.id, peer.identity, letter.id};
    const std::string hash = content_hash(RequestType::message, peer.identity, letter.body);
    const std::uint64_t now = unix_now();
    const auto known = messages.find(key);
    if (known && known->hash != hash) throw carried_another(letter, peer.name);
    if (known && known->state == MessageState::acked) {
      result.settled =
          Sent{peer.name, state_text(MessageState::acked), Delivered{known->reply, known->rc}, {}};
      return result;
    }
    if (known && known->state == MessageState::unknown && known->exp <= now) {
      throw expired_unknown(letter, peer.name);
    }
    if (known) {
      result.message = known->id;
      messages.queue_again(known->id, letter.body, letter.exp);
    } else {
      result.message = messages.insert(
          {key, hash, letter.body, now, letter.exp, MessageState::queued, {}, 0, 0});
    }
    QueueTable(sender.database).put({result.message, peer.identity, 0, 0, false, {}});
  } catch (const Error& error) {
    if (error.status() == Status::system) throw;
    const bool refused = error.status() == Status::data;
    result.settled =
        Sent{name, state_text(refused ? MessageState::failed : MessageState::untaken), {}, error};
  }
  return result;
}

Sent deliver_up_to(PeerQueue& queue, std::int64_t message, const Sender& sender,
                   const Deadline& deadline) {
  const auto waiting = [&](const std::string& why, const std::string& hint = {}) {
    Sent sent{queue.name(), state_text(MessageState::queued), {}, {}};
    sent.error = Error(Status::try_later, why, hint);
    sent.later = true;
    return sent;
  };
  if (!queue.wait_for_turn(message, deadline) && queue.is_waiting(message)) {
    return waiting("another process delivers to " + in_quotes(queue.name()));
  }
  for (auto first = queue.first(); first && first->entry.message <= message;
       first = queue.first()) {
    QueueEvent event = queue.attempt(*first, deadline);
    if (first->entry.message == message) return std::move(event.sent);
    if (event.sent.error) {
      return waiting("an earlier message waits: " + std::string(event.sent.error->what()),
                     event.sent.error->hint());
    }
    if (is_interrupted(sender)) return waiting("interrupted");
  }
  return queue.outcome_of(message);
}

// As deliver(); what may be delivered another time is kept().
Sent deliver_queued(const Home& home, const Letter& letter, const Enqueued& queued,
                    const Sender& sender, const Deadline& deadline) {
  Sent sent{{}, state_text(MessageState::queued), {}, {}};
  try {
    PeerQueue queue(home, sender, queued.peer);
    sent.peer = queue.name();
    sent = deliver_up_to(queue, queued.message, sender, deadline);
    if (sent.later) queue.note(queued.message, sent.error->what());
  } catch (const Error& error) {
    sent.error = error;
  }
  if (!sent.error || sent.delivered) return sent;
  // What has failed here may be mended.
  sent.later = sent.later || sent.error->status() == Status::system;
  if (sent.later) sent.error = kept(sent, letter.id_text);
  return sent;
}

}  // namespace

std::vector<Enqueued> enqueue(const Letter& letter, const std::vector<std::string>& names,
                              const Sender& sender) {
  WriteTransaction transaction(sender.database);
  std::vector<Enqueued> result;
  for (const std::string& name : names) result.push_back(enqueue_one(letter, name, sender));
  transaction.commit();
  return result;
}

Sent deliver_or_keep(const Home& home, const Letter& letter, const Enqueued& queued,
                     const Sender& sender, const Deadline& deadline) {
  if (queued.settled) return *queued.settled;
  Sent sent = deliver_queued(home, letter, queued, sender, deadline);
  if (!sent.error || sent.delivered) return sent;
  if (sent.later) {
    if (!sent.error->hint().empty()) return sent;
    sent.error = Error(sent.error->status(), sent.error->what(), "p2pchat queue flush");
    return sent;
  }
  try {
    sent.state = state_text(PeerQueue(home, sender, queued.peer).withdraw(queued.message));
  } catch (const Error&) {  // it is still there, as its state says
  }
  return sent;
}

// ---- the queue

Queue::Queue(const Home& home, const Config& config)
    : home_(home),
      config_(config),
      database_((home.require_identity(), home.open_state(Durability::full))),
      table_(database_) {
  drop_old_keys(home);
}

std::vector<QueueItem> Queue::list() {
  std::vector<QueueItem> items;
  for (QueuedMessage& message : table_.all()) items.push_back(item_of(std::move(message)));
  return items;
}

std::vector<QueueItem> Queue::with_id(const std::string& id) {
  std::vector<QueueItem> items;
  for (QueuedMessage& message : table_.with_id(letter_id(id))) {
    items.push_back(item_of(std::move(message)));
  }
  if (!items.empty()) return items;
  throw Error(Status::data, "no message " + in_quotes(id) + " in the queue", "p2pchat queue");
}

std::uint64_t Queue::count_waiting(const std::optional<std::string>& peer) {
  return table_.count_waiting(peer ? std::optional(identity_of(*peer)) : std::nullopt);
}

FlushEnd Queue::flush(const FlushOptions& options, const QueueListener& told) {
  const auto only = options.peer ? std::optional(identity_of(*options.peer)) : std::nullopt;
  const Deadline common(options.time.value_or(std::chrono::milliseconds(0)));
  const auto deadline_for = [&](std::uint64_t bytes) {
    return options.time ? common : Deadline(send_time(config_, std::nullopt, bytes));
  };
  raise_descriptor_limit();
  const Identity identity = load_identity(home_);
  const SignalFd signals{SIGINT, SIGTERM, SIGHUP};
  const Sender own{identity, database_, config_.log_keep_seconds(), signals.descriptor()};

  for (const QueuedMessage& message : table_.expired(unix_now())) {
    if (only && message.entry.peer != *only) continue;
    PeerQueue queue(home_, own, message.entry.peer);
    told(queue.expire(message));
  }

  std::vector<std::string> peers = table_.peers_waited_for();
  std::erase_if(peers, [&](const std::string& peer) {
    if (only && peer != *only) return true;
    const auto first = table_.first_waiting(peer, unix_now());
    return !first || (!options.now && !is_due(first->entry, unix_now()));
  });

  FlushEnd end;
  std::optional<Error> problem;
  std::mutex mutex;  // guards both, and `told`
  const auto flush_peer = [&](PeerQueue& queue, const Sender& sender) {
    if (!queue.take_turn()) {
      const std::lock_guard guard(mutex);
      end.busy.push_back(queue.name());
      return;
    }
    for (auto first = queue.first(); first; first = queue.first()) {
      if (is_interrupted(sender)) return;
      if (!options.now && !is_due(first->entry, unix_now())) return;
      const Deadline deadline = deadline_for(first->bytes);
      if (deadline.passed()) {
        const std::lock_guard guard(mutex);
        end.late = true;
        return;
      }
      QueueEvent event = queue.attempt(*first, deadline);
      if (!event.sent.delivered && is_interrupted(sender)) return;
      switch (event.fate) {
        case QueueFate::delivered:
          break;
        case QueueFate::waiting:
          queue.put_off(first->entry.message, event.sent.error->what());
          event.sent.error = kept(event.sent, event.id);
          break;
        case QueueFate::failed:
          queue.give_up(first->entry.message, event.sent.error->what());
          break;
      }
      const std::lock_guard guard(mutex);
      told(event);
      // Acknowledged, but that could not be written down, ends it as well.
      if (event.fate != QueueFate::failed && event.sent.error) return;
    }
  };
  side_by_side(home_, own, peers.size(), [&](std::size_t i, const Sender& sender) {
    try {
      PeerQueue queue(home_, sender, peers[i]);
      flush_peer(queue, sender);
    } catch (const Error& error) {
      const std::lock_guard guard(mutex);
      if (!problem) problem = error;
    }
  });
  if (problem) throw Error(*problem);
  end.waiting = table_.count_waiting(only);
  end.signal_number = signals.take();
  return end;
}

int Queue::retry(const std::string& id, std::optional<std::chrono::milliseconds> time,
                 const QueueListener& told) {
  const std::vector<QueueItem> items = with_id(id);
  const Identity identity = load_identity(home_);
  const SignalFd signals{SIGINT, SIGTERM, SIGHUP};
  const Sender own{identity, database_, config_.log_keep_seconds(), signals.descriptor()};
  Messages messages(database_);
  const Letter letter{{}, letter_id(id), id};

  std::vector<Enqueued> renewed;
  for (const QueueItem& item : items) {
    Enqueued entry{item.message.entry.peer, item.message.entry.message, {}};
    WriteTransaction transaction(database_);
    const auto row = messages.get(entry.message);
    if (!row || (row->state == MessageState::unknown && row->exp <= unix_now())) {
      entry.settled =
          Sent{item.peer, state_text(MessageState::failed), {}, expired_unknown(letter, item.peer)};
    } else {
      messages.queue_again(entry.message, row->body, unix_now() + kLetterLifeSeconds);
      table_.put({entry.message, entry.peer, 0, 0, false, {}});
    }
    transaction.commit();
    renewed.push_back(std::move(entry));
  }

  std::mutex mutex;
  const Deadline common(time.value_or(std::chrono::milliseconds(0)));
  side_by_side(home_, own, renewed.size(), [&](std::size_t i, const Sender& sender) {
    const Deadline deadline =
        time ? common : Deadline(send_time(config_, std::nullopt, items[i].message.bytes));
    Sent sent = renewed[i].settled ? *renewed[i].settled
                                   : deliver_queued(home_, letter, renewed[i], sender, deadline);
    const std::lock_guard guard(mutex);
    const bool waits = sent.state == state_text(MessageState::queued);
    if (waits && !sent.later) sent.error = kept(sent, id);
    if (!waits && sent.error && !sent.delivered) {
      PeerQueue(home_, sender, renewed[i].peer).give_up(renewed[i].message, sent.error->what());
    }
    const QueueFate fate = waits ? QueueFate::waiting : QueueFate::failed;
    told({letter.id, sent.delivered ? QueueFate::delivered : fate, sent});
  });
  return signals.take();
}

void Queue::drop(const std::string& id) {
  Messages messages(database_);
  for (const QueueItem& item : with_id(id)) {
    WriteTransaction transaction(database_);
    const auto row = messages.get(item.message.entry.message);
    if (row && row->state == MessageState::queued) {
      messages.set_state(row->id, MessageState::failed);
    }
    table_.remove(item.message.entry.message);
    transaction.commit();
  }
}

QueueItem Queue::item_of(QueuedMessage&& message) {
  Peers peers(database_);
  const std::string& peer = message.entry.peer;
  return {name_or_fingerprint(peers, peer), fingerprint(peer), std::move(message)};
}

std::string Queue::identity_of(const std::string& name) {
  Peers peers(database_);
  if (const auto peer = peers.by_name(name)) return peer->identity;
  throw Error(Status::no_peer, "unknown peer " + in_quotes(name));
}

}  // namespace p2pchat

#include "node/queue.h"

#include <algorithm>
#include <csignal>
#include <exception>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "node/outbox.h"
#include "node/side_by_side.h"
#include "protocol/request.h"

namespace p2pchat {

namespace {

// Tasks that may throw: all are run, then the first error is thrown.
void all_side_by_side(const Home& home, const Sender& own, std::size_t count,
                      const ExchangeTask& task) {
  std::mutex mutex;
  std::exception_ptr problem;
  side_by_side(home, own, count, [&](std::size_t i, const Sender& sender) {
    try {
      task(i, sender);
    } catch (...) {
      const std::lock_guard guard(mutex);
      if (!problem) problem = std::current_exception();
    }
  });
  if (problem) std::rethrow_exception(problem);
}

// ---- sending

// Acknowledged, and its text and reply are deleted.
bool is_forgotten(const MessageRow& row, const Letter& letter) {
  return row.state == MessageState::acked && row.body.empty() && !letter.body.empty();
}

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
      result.ask_again = is_forgotten(*known, letter) && known->exp > now;
      if (result.ask_again) return result;
      result.settled =
          Sent{peer.name, state_text(MessageState::acked), Delivered{known->reply, known->rc}, {}};
      return result;
    }
    if (known && known->state == MessageState::unknown && known->exp <= now) {
      throw expired_unknown(letter, peer.name);
    }
    QueueTable table(sender.database);
    if (known) {
      result.message = known->id;
      if (const auto found = table.find(known->id)) {
        result.before = found->entry.failed ? Before::failed : Before::waiting;
      }
      messages.queue_again(known->id, letter.body, expiry_of(known, letter.exp));
    } else {
      result.message = messages.insert(
          {key, hash, letter.body, now, letter.exp, MessageState::queued, {}, 0, 0});
    }
    // One that waits is still to be tried when it was to be tried.
    if (result.before != Before::waiting) {
      table.put({result.message, peer.identity, 0, 0, false, {}});
    }
  } catch (const Error& error) {
    if (error.status() == Status::system) throw;
    const bool refused = error.status() == Status::data;
    result.settled =
        Sent{name, state_text(refused ? MessageState::failed : MessageState::untaken), {}, error};
  }
  return result;
}

// What is known of a message that does not wait any more.
Sent known_outcome(PeerQueue& queue, const Letter& letter, std::int64_t message,
                   const Sender& sender, const Deadline& deadline) {
  const auto row = Messages(sender.database).get(message);
  if (row && is_forgotten(*row, letter)) return deliver(letter, queue.name(), sender, deadline);
  return queue.outcome_of(message);
}

Sent deliver_up_to(PeerQueue& queue, const Letter& letter, std::int64_t message,
                   const Sender& sender, const Deadline& deadline, const QueueListener& told) {
  const auto waiting = [&](const std::string& why, const std::string& hint = {}) {
    Sent sent{queue.name(), state_text(MessageState::queued), {}, {}};
    sent.error = Error(Status::try_later, why, hint);
    sent.later = true;
    return sent;
  };
  if (!queue.wait_for_turn(message, deadline)) {
    if (!queue.is_waiting(message)) return known_outcome(queue, letter, message, sender, deadline);
    return waiting("another process delivers to " + in_quotes(queue.name()));
  }
  for (auto first = queue.first(); first && first->entry.message <= message;
       first = queue.first()) {
    if (first->entry.message == message) {
      return queue.attempt(*first, letter.id_text, deadline).sent;
    }
    const QueueEvent event = queue.attempt(*first, first->jti, deadline);
    if (event.fate != QueueFate::waiting) told(event);
    if (event.fate != QueueFate::failed && event.sent.error) {
      const std::string why = event.sent.error->what();
      if (event.fate == QueueFate::waiting) queue.note(first->entry.message, why);
      return waiting("an earlier message waits: " + why, event.sent.error->hint());
    }
    if (is_interrupted(sender)) return waiting("interrupted");
  }
  if (auto event = queue.expire(message)) return std::move(event->sent);
  return known_outcome(queue, letter, message, sender, deadline);
}

// As deliver(); what has failed on this machine may be mended.
Sent deliver_queued(PeerQueue& queue, const Letter& letter, std::int64_t message,
                    const Sender& sender, const Deadline& deadline, const QueueListener& told) {
  Sent sent{queue.name(), state_text(MessageState::queued), {}, {}};
  try {
    sent = deliver_up_to(queue, letter, message, sender, deadline, told);
    if (sent.error && !sent.delivered) queue.note(message, sent.error->what());
  } catch (const Error& error) {
    sent.error = error;
  }
  if (sent.error && sent.error->status() == Status::system) sent.later = true;
  return sent;
}

// What would not be taken another time either goes out of the queue again, unless it waited there
// before.
void put_back(PeerQueue& queue, const Enqueued& queued, const Error& error) {
  if (queued.before == Before::absent) queue.withdraw(queued.message);
  if (queued.before == Before::failed) queue.give_up(queued.message, error.what());
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
                     const Sender& sender, const Deadline& deadline, const QueueListener& told) {
  if (queued.settled) return *queued.settled;
  Sent sent{fingerprint(queued.peer), state_text(MessageState::queued), {}, {}, true};
  try {
    PeerQueue queue(home, sender, queued.peer, deadline);
    if (queued.ask_again) return deliver(letter, queue.name(), sender, deadline);
    sent = deliver_queued(queue, letter, queued.message, sender, deadline, told);
    if (!sent.error || sent.delivered) return sent;
    if (!sent.later) put_back(queue, queued, *sent.error);
    if (!queue.is_waiting(queued.message)) {
      sent.state = queue.outcome_of(queued.message).state;
      return sent;
    }
    if (sent.later && sent.error->hint().empty()) {
      const auto first = queue.first();
      const bool is_put_off = first && !is_due(first->entry.next, unix_now());
      sent.error = Error(
          sent.error->status(), sent.error->what(),
          own_command("queue flush") + (is_put_off ? " --now " + shell_word(queue.name()) : ""));
    }
  } catch (const std::exception& error) {  // it is still there
    if (!sent.error) sent.error = Error(Status::system, error.what());
  }
  sent.state = state_text(MessageState::queued);
  sent.error = kept(sent, letter.id_text);
  return sent;
}

// ---- the queue

Queue::Queue(const Home& home, const Config& config, Connector connector)
    : home_(home),
      config_(config),
      connector_(std::move(connector)),
      database_((home.require_identity(), home.open_state(Durability::full))),
      table_(database_) {
  drop_old_keys(home);
}

std::vector<QueueItem> Queue::list() {
  return items_of(table_.all());
}

std::vector<QueueItem> Queue::chosen(const QueueChoice& choice) {
  std::vector<QueueItem> items = items_of(table_.with_id(letter_id(choice.id)));
  std::erase_if(items, [&](const QueueItem& item) {
    return choice.peer && !equal_ignoring_ascii_case(item.peer, *choice.peer) &&
           item.fingerprint != *choice.peer;
  });
  if (!items.empty()) return items;
  const std::string to = choice.peer ? " to " + in_quotes(*choice.peer) : "";
  throw Error(Status::data, "no message " + in_quotes(choice.id) + to + " in the queue",
              own_command("queue"));
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
  const Sender own{identity, database_, config_.log_keep_seconds(), signals.descriptor(),
                   connector_};

  FlushEnd end;
  const std::optional<Deadline> overall = options.time ? std::optional(common) : std::nullopt;
  for (const QueuedMessage& message : table_.expired(unix_now())) {
    if (only && message.entry.peer != *only) continue;
    if (is_interrupted(own) || (overall && overall->passed())) break;
    PeerQueue queue(home_, own, message.entry.peer, overall);
    if (const auto event = queue.expire(message.entry.message)) told(*event);
  }

  std::vector<std::string> peers = table_.peers_waited_for();
  std::erase_if(peers, [&](const std::string& peer) {
    if (only && peer != *only) return true;
    const auto first = table_.first_waiting(peer, unix_now());
    return !first || (!options.now && !is_due(first->entry.next, unix_now()));
  });

  std::mutex mutex;  // guards it, and `told`
  const auto flush_peer = [&](PeerQueue& queue, const Sender& sender) {
    if (!queue.take_turn()) {
      const std::lock_guard guard(mutex);
      end.busy.push_back(queue.name());
      return;
    }
    for (auto first = queue.first(); first; first = queue.first()) {
      if (is_interrupted(sender)) return;
      if (!options.now && !is_due(first->entry.next, unix_now())) return;
      const Deadline deadline = deadline_for(first->bytes);
      if (deadline.passed()) {
        const std::lock_guard guard(mutex);
        end.late = true;
        return;
      }
      QueueEvent event = queue.attempt(*first, first->jti, deadline);
      if (event.fate == QueueFate::waiting) {
        const std::string why = event.sent.error->what();
        if (is_interrupted(sender)) {
          queue.note(first->entry.message, why);
          return;
        }
        // Somebody may have taken it out meanwhile.
        if (queue.put_off(first->entry.message, why)) {
          event.sent.error = kept(event.sent, event.id);
        } else {
          event.fate = QueueFate::failed;
          event.sent.state = queue.outcome_of(first->entry.message).state;
        }
      }
      const std::lock_guard guard(mutex);
      told(event);
      // Acknowledged, but that could not be written down, ends it as well.
      if (event.fate != QueueFate::failed && event.sent.error) return;
    }
  };
  all_side_by_side(home_, own, peers.size(), [&](std::size_t i, const Sender& sender) {
    PeerQueue queue(home_, sender, peers[i], overall);
    flush_peer(queue, sender);
  });
  end.waiting = table_.count_waiting(only);
  end.signal_number = signals.take_all();
  return end;
}

// Unless somebody has dealt with it meanwhile, or nobody can know any more whether it was
// delivered.
Enqueued Queue::renew(const QueueItem& item, const Letter& letter, const Sender& own) {
  Enqueued entry{item.message.entry.peer, item.message.entry.message, {}};
  Messages messages(database_);
  WriteTransaction transaction(database_);
  const auto row = messages.get(entry.message);
  if (!row || !table_.find(entry.message)) {
    entry.settled = PeerQueue(home_, own, entry.peer, {}).outcome_of(entry.message);
  } else if (row->state == MessageState::unknown && row->exp <= unix_now()) {
    entry.settled =
        Sent{item.peer, state_text(MessageState::failed), {}, expired_unknown(letter, item.peer)};
  } else {
    messages.queue_again(entry.message, row->body, expiry_of(row, 0));
    table_.put({entry.message, entry.peer, 0, 0, false, {}});
  }
  transaction.commit();
  return entry;
}

int Queue::retry(const QueueChoice& choice, std::optional<std::chrono::milliseconds> time,
                 const QueueListener& told) {
  const std::vector<QueueItem> items = chosen(choice);
  raise_descriptor_limit();
  const Identity identity = load_identity(home_);
  const SignalFd signals{SIGINT, SIGTERM, SIGHUP};
  const Sender own{identity, database_, config_.log_keep_seconds(), signals.descriptor(),
                   connector_};
  const Letter letter{{}, letter_id(choice.id), choice.id};
  std::vector<Enqueued> renewed;
  for (const QueueItem& item : items) renewed.push_back(renew(item, letter, own));

  std::mutex mutex;
  const auto tell = [&](const QueueEvent& event) {
    const std::lock_guard guard(mutex);
    told(event);
  };
  const Deadline common(time.value_or(std::chrono::milliseconds(0)));
  all_side_by_side(home_, own, renewed.size(), [&](std::size_t i, const Sender& sender) {
    const Deadline deadline =
        time ? common : Deadline(send_time(config_, std::nullopt, items[i].message.bytes));
    PeerQueue queue(home_, sender, renewed[i].peer, deadline);
    const std::int64_t message = renewed[i].message;
    QueueEvent event{letter.id, QueueFate::failed, {}};
    if (renewed[i].settled) {
      event.sent = *renewed[i].settled;
      if (event.sent.error) queue.give_up(message, event.sent.error->what());
    } else {
      event.sent = deliver_queued(queue, letter, message, sender, deadline, tell);
    }
    if (event.sent.delivered) {
      event.fate = QueueFate::delivered;
    } else if (queue.is_waiting(message)) {
      event.fate = QueueFate::waiting;
      event.sent.state = state_text(MessageState::queued);
      event.sent.error = kept(event.sent, choice.id);
    }
    tell(event);
  });
  return signals.take_all();
}

void Queue::drop(const QueueChoice& choice) {
  Messages messages(database_);
  for (const QueueItem& item : chosen(choice)) {
    WriteTransaction transaction(database_);
    const auto row = messages.get(item.message.entry.message);
    if (row && row->state == MessageState::queued) {
      messages.set_state(row->id, MessageState::failed);
    }
    table_.remove(item.message.entry.message);
    transaction.commit();
  }
}

// What is behind a message that waits for the same peer is tried after it.
std::vector<QueueItem> Queue::items_of(std::vector<QueuedMessage>&& messages) {
  Peers peers(database_);
  const std::uint64_t now = unix_now();
  std::map<std::string, std::uint64_t> behind;  // by peer
  std::vector<QueueItem> items;
  for (QueuedMessage& message : messages) {
    const QueueEntry& entry = message.entry;
    QueueItem item{name_or_fingerprint(peers, entry.peer), fingerprint(entry.peer), message, 0};
    if (!entry.failed && message.exp > now) {
      std::uint64_t& next = behind[entry.peer];
      if (!is_due(entry.next, now)) next = std::max(next, entry.next);
      item.next = next;
    }
    items.push_back(std::move(item));
  }
  return items;
}

std::string Queue::identity_of(const std::string& name) {
  Peers peers(database_);
  if (const auto peer = peers.by_name(name)) return peer->identity;
  throw Error(Status::no_peer, "unknown peer " + in_quotes(name),
              own_command("peers lists those you have"));
}

}  // namespace p2pchat

#include "node/delivery.h"

#include <poll.h>

#include <algorithm>
#include <new>

#include "base/clock.h"
#include "base/text.h"
#include "node/address_book.h"
#include "node/identity.h"
#include "node/inbox.h"
#include "node/outcome.h"
#include "protocol/address.h"
#include "protocol/claims.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "store/messages.h"
#include "store/queue.h"

namespace p2pchat {

static_assert(kMaxLetterBytes == kMaxBodyBytes);
static_assert(kMostLifeSeconds == kMaxRequestDays * kSecondsPerDay);

namespace {

KeyStatement stored_statement(const PeerRow& row) {
  Result<KeyStatement> statement = read_key_statement(row.statement);
  if (!statement || statement->identity_id != row.identity) {
    throw Error(Status::system, "the stored key of " + in_quotes(row.name) + " is damaged",
                own_command("peers remove ") + row.name + ", then register it again");
  }
  return *std::move(statement);
}

class Delivery {
 public:
  // What becomes of it goes to `sent` as it comes to be known.
  Delivery(const Letter& letter, const Sender& sender, const Deadline& deadline, Sent& sent)
      : letter_(letter),
        sender_(sender),
        deadline_(deadline),
        sent_(sent),
        identity_(sender.identity),
        database_(sender.database),
        peers_(database_),
        messages_(database_),
        peer_(trusted_peer(peers_, sent.peer)),
        statement_(stored_statement(peer_)) {
    sent_.peer = peer_.name;
    if (!letter_.receiver.empty() && letter_.receiver != peer_.identity) {
      throw Error(Status::no_peer, in_quotes(peer_.name) + " is the name of another peer now");
    }
    database_.set_patience(deadline_.remaining());
  }

  void run() {
    if (is_interrupted(sender_)) throw not_begun("interrupted");
    if (deadline_.passed()) throw not_begun("no time was left");
    if (auto known = earlier_delivery()) {
      sent_.delivered = *std::move(known);
      return;
    }
    if (statement_.expired(unix_now())) fetch_statement();
    Reply reply = attempt(false);
    if (reply.row == ReplyRow::newer_keys) {
      keep_statement(*std::move(reply.statement));
      reply = attempt(true);
    }
    conclude(std::move(reply));
  }

 private:
  MessageKey key() const { return {Direction::out, identity_.id, peer_.identity, letter_.id}; }
  Correspondent correspondent() const {
    const std::string register_at = peer_.via.empty() ? address_ : "";
    return {peer_.name, peer_.identity, address_, register_at, identity_.id};
  }

  Error not_begun(const std::string& why) const {
    return {Status::unavailable, "not sent to " + in_quotes(peer_.name) + ": " + why};
  }

  void set_state(MessageState state) { sent_.state = state_text(state); }

  // What this id has been used for: nothing, or this very message.
  std::optional<MessageRow> look_up() {
    auto known = messages_.find(key());
    if (!known) return std::nullopt;
    if (known->hash != hash_) {
      set_state(MessageState::failed);
      throw carried_another(letter_, peer_.name);
    }
    record_ = known->id;
    before_ = known->state;
    set_state(known->state);
    return known;
  }

  // The peer forgets an id a day after it has expired: from then on a repetition could be delivered
  // twice, so none is sent any more.
  std::optional<Delivered> earlier_delivery() {
    hash_ = content_hash(RequestType::message, peer_.identity, letter_.body);
    const auto known = look_up();
    exp_ = expiry_of(known, letter_.exp);
    if (!known || known->exp > unix_now()) return std::nullopt;
    if (known->state == MessageState::acked) return Delivered{known->reply, known->rc};
    if (known->state != MessageState::unknown) return std::nullopt;
    throw expired_unknown(letter_, peer_.name);
  }

  Line connected() {
    Line line = sender_.connector(Contact::of(peer_), deadline_, sender_.interrupt);
    address_ = line.address();
    return line;
  }

  // Our copy of the peer's statement has run out: a current one, or an error before the message
  // has left.
  void fetch_statement() {
    const Line line = connected();
    const std::string frame =
        ask_keys(line, peer_.name, deadline_, Status::unavailable, sender_.interrupt);
    Reply reply = read_keys_reply(
        frame, peer_.identity, [&](const std::string&) { return std::optional(statement_); },
        unix_now());
    if (reply.row != ReplyRow::newer_keys) throw error_of(reply, correspondent());
    keep_statement(*std::move(reply.statement));
  }

  void keep_statement(KeyStatement newer) {
    WriteTransaction transaction(database_);
    auto row = peers_.by_identity(peer_.identity);
    // A listen beside us may have learnt of an even newer one.
    if (row && compare_seq(newer, stored_statement(*row)) == SeqOrder::newer) {
      row->statement = newer.token;
      peers_.update(*row);
    }
    transaction.commit();
    statement_ = std::move(newer);
  }

  // On disk before the first byte leaves, with the outcome that is true if we die now.
  void record() {
    database_.set_patience(deadline_.remaining());
    database_.set_durability(Durability::full);
    WriteTransaction transaction(database_);
    if (const auto known = look_up()) {
      exp_ = expiry_of(known, exp_);  // somebody may have begun to send the same since we looked
      messages_.repeat(*record_, exp_);
      repeated_ = known->repeated + 1;
    } else {
      record_ = messages_.insert(
          {key(), hash_, letter_.body, unix_now(), exp_, MessageState::unknown, {}, 0, 0});
    }
    transaction.commit();
    if (before_ != MessageState::acked) set_state(MessageState::unknown);
  }

  // What is known of a message only grows: an attempt before this one, or beside it, that was
  // acknowledged or whose outcome is unknown is not undone by one that was not taken. What waits in
  // the queue goes on waiting until it is delivered.
  void record_outcome(MessageState state, const std::string& reply, unsigned rc) {
    database_.set_durability(Durability::normal);
    WriteTransaction transaction(database_);
    QueueTable queue(database_);
    const auto present = messages_.get(*record_);
    const auto entry = queue.find(*record_);
    const bool waits = entry && !entry->entry.failed;
    if (state == MessageState::untaken && waits) state = MessageState::queued;
    if (state == MessageState::acked) queue.remove(*record_);
    const bool was_acked = present && present->state == MessageState::acked;
    const bool alone =
        before_ != MessageState::unknown && present && present->repeated == repeated_;
    const bool says_more =
        state == MessageState::acked || (!was_acked && (state == MessageState::unknown || alone));
    if (says_more) messages_.set_outcome(*record_, state, reply, rc);
    set_state(says_more ? state : was_acked ? MessageState::acked : MessageState::unknown);
    const bool handed_out = state == MessageState::acked && sender_.log_keep_seconds == 0;
    if (handed_out) messages_.forget_body(*record_);
    clean_up(database_, unix_now(), sender_.log_keep_seconds);
    transaction.commit();
    if (handed_out) database_.scrub_log();
  }

  SealedRequest seal(const RequestSealer& sealer) const {
    Draft draft;
    draft.iat = std::min(unix_now(), exp_ - 1);
    draft.exp = exp_;
    draft.jti = letter_.id;
    draft.body = letter_.body;
    return sealer.seal(draft, identity_.key, identity_.id);
  }

  Reply attempt(bool second) {
    SealedRequest sealed;
    const Exchanged end = second ? ask_again(sealed) : ask_recorded(sealed);
    switch (end.end) {
      case ExchangeEnd::answered:
      case ExchangeEnd::implausible:
        return read_reply(end.reply,
                          {RequestType::message, peer_.identity, identity_.id, letter_.id,
                           sealed.frame_hash, sealed.reply_key},
                          statement_, second, unix_now());
      case ExchangeEnd::not_begun:
        record_outcome(MessageState::untaken, {}, 0);
        throw Error(Status::unavailable, no_answer(peer_.name, address_, end));
      default:
        throw unknown_outcome(no_answer(peer_.name, address_, end));
    }
  }

  Exchanged ask_recorded(SealedRequest& sealed) {
    const Line line = connected();
    const RequestSealer sealer(statement_);
    record();
    try {
      return ask_in_parts(line, sealer, sealed);
    } catch (...) {
      // Without its end nobody has the message.
      if (sealed.frame.empty()) record_outcome(MessageState::untaken, {}, 0);
      throw;
    }
  }

  // The two operations with a private key take most of the time: we sign while the peer unwraps.
  Exchanged ask_in_parts(const Line& line, const RequestSealer& sealer, SealedRequest& sealed) {
    const std::string head = sealer.head() + ".";
    const auto rest = [&] {
      SealedRequest whole = seal(sealer);
      std::string text = whole.frame.substr(head.size());
      sealed = std::move(whole);
      return text;
    };
    return ask(line, {head, rest}, deadline_, sender_.interrupt);
  }

  // A statement is not bound to a request: somebody between us and the peer may have delivered the
  // first attempt and put a newer statement in the ack's place. So from here on nothing short of an
  // ack tells that the message was not taken.
  Exchanged ask_again(SealedRequest& sealed) {
    try {
      const Line line = connected();
      Exchanged end = ask_in_parts(line, RequestSealer(statement_), sealed);
      if (end.end == ExchangeEnd::not_begun) end.end = ExchangeEnd::lost;
      return end;
    } catch (const Error& error) {
      throw unknown_outcome(error.what());
    }
  }

  Error unknown_outcome(const std::string& why) {
    try {
      record_outcome(MessageState::unknown, {}, 0);
    } catch (
        const Error&) {  // that is what record() has said, unless somebody said otherwise since
    }
    return {Status::unknown_outcome,
            why + "; the outcome of message " + in_quotes(letter_.id_text) + " is unknown"};
  }

  void conclude(Reply reply) {
    const bool is_ack = reply.row == ReplyRow::ack;
    const Outcome outcome = is_ack ? outcome_of(*reply.ack) : outcome_of(reply.row);
    if (outcome.state != MessageState::acked) {
      record_outcome(outcome.state, {}, 0);
      sent_.later = outcome.state == MessageState::untaken;
      if (is_ack) keep_announced_statement(reply.ack->keys);
      throw error_of(reply, correspondent());
    }
    const Ack& ack = *reply.ack;
    sent_.delivered = {ack.body, ack.rc};
    try {
      record_outcome(MessageState::acked, ack.body, ack.rc);
      keep_announced_statement(ack.keys);
    } catch (const Error& error) {
      throw Error(error.status(),
                  "acknowledged by " + in_quotes(peer_.name) + ", but " + error.what(),
                  error.hint());
    }
  }

  // A statement beside an ack is a courtesy: what does not verify or is not newer is ignored.
  void keep_announced_statement(const std::string& token) {
    Result<KeyStatement> statement = read_key_statement(token);
    if (!statement || statement->identity_id != peer_.identity) return;
    if (compare_seq(*statement, statement_) != SeqOrder::newer) return;
    if (!statement->expired(unix_now())) keep_statement(*std::move(statement));
  }

  const Letter& letter_;
  const Sender& sender_;
  Deadline deadline_;
  Sent& sent_;
  const Identity& identity_;
  Database& database_;
  Peers peers_;
  Messages messages_;
  PeerRow peer_;
  KeyStatement statement_;
  std::string hash_;
  std::uint64_t exp_ = 0;  // of the id
  std::string address_;
  std::optional<std::int64_t> record_;
  std::uint64_t repeated_ = 0;          // attempts before this one
  std::optional<MessageState> before_;  // what the record said before this run, if there was one
};

}  // namespace

std::uint64_t expiry_of(const std::optional<MessageRow>& known, std::uint64_t wished) {
  const std::uint64_t now = unix_now();
  const std::uint64_t latest = now + kMostLifeSeconds;
  if (known && known->exp > now && known->exp <= latest) return known->exp;
  if (wished == 0) return now + kLetterLifeSeconds;
  return std::clamp(wished, now + 1, latest);
}

bool is_interrupted(const Sender& sender) {
  pollfd polled{sender.interrupt, POLLIN, 0};
  return poll(&polled, 1, 0) == 1;
}

Error carried_another(const Letter& letter, const std::string& peer) {
  return {Status::data, "the id " + in_quotes(letter.id_text) + " has carried another message to " +
                            in_quotes(peer)};
}

Error expired_unknown(const Letter& letter, const std::string& peer) {
  return {Status::data,
          "the id " + in_quotes(letter.id_text) + " has expired: whether " + in_quotes(peer) +
              " has the message can no longer be found out",
          "to send it all the same, use another id"};
}

namespace {

// What a word that names no peer may have been meant as.
std::string unknown_peer_hint(const std::string& word) {
  if (is_peer_name(word)) return own_command("register ") + word + " HOST[:PORT]";
  if (word.find(' ') != std::string::npos) return "to send text from the command line, use -m";
  if (word.starts_with(kFingerprintPrefix)) {
    return "a peer is called by its name: " + own_command("peers lists those you have");
  }
  if (const auto address = read_address_argument(word)) {
    return "an address gets a name with: " + own_command("register NAME ") + address->text();
  }
  return own_command("peers lists those you have");
}

}  // namespace

PeerRow trusted_peer(Peers& peers, const std::string& name) {
  auto row = peers.by_name(name);
  if (!row) {
    throw Error(Status::no_peer, "unknown peer " + in_quotes(name), unknown_peer_hint(name));
  }
  if (row->status == PeerStatus::blocked) {
    throw Error(Status::trust, in_quotes(row->name) + " is blocked",
                own_command("peers unblock ") + row->name);
  }
  return *std::move(row);
}

Sent deliver(const Letter& letter, const std::string& peer, const Sender& sender,
             const Deadline& deadline) {
  Sent sent{peer, state_text(MessageState::untaken), {}, {}};
  try {
    Delivery(letter, sender, deadline, sent).run();
  } catch (const NotResolvedNow& error) {
    sent.later = true;
    sent.error = error;
  } catch (const Error& error) {
    const Status status = error.status();
    sent.later = sent.later || status == Status::unavailable || status == Status::unknown_outcome;
    sent.error = error;
  } catch (const std::bad_alloc&) {
    sent.error = Error(Status::system, "out of memory");
  } catch (const std::exception& error) {
    sent.error = Error(Status::internal, std::string("internal error: ") + error.what());
  }
  return sent;
}

}  // namespace p2pchat

#include "node/outbox.h"

#include <csignal>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "node/contact.h"
#include "node/identity.h"
#include "node/inbox.h"
#include "node/keyring.h"
#include "node/outcome.h"
#include "protocol/claims.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "store/messages.h"
#include "store/peers.h"

namespace p2pchat {

static_assert(kMaxLetterBytes == kMaxBodyBytes);

namespace {

constexpr std::uint64_t kMessageLifeDays = 7;

KeyStatement stored_statement(const PeerRow& row) {
  Result<KeyStatement> statement = read_key_statement(row.statement);
  if (!statement || statement->identity_id != row.identity) {
    throw Error(Status::system, "the stored key of " + in_quotes(row.name) + " is damaged",
                "p2pchat peers remove " + row.name + ", then register it again");
  }
  return *std::move(statement);
}

PeerRow trusted_peer(Peers& peers, const std::string& name) {
  auto row = peers.by_name(name);
  if (!row) {
    const bool has_space = name.find(' ') != std::string::npos;
    throw Error(Status::no_peer, "unknown peer " + in_quotes(name),
                has_space ? "to send text from the command line, use -m"
                          : "p2pchat register " + shell_word(name) + " HOST[:PORT]");
  }
  if (row->status == PeerStatus::blocked) {
    throw Error(Status::trust, in_quotes(row->name) + " is blocked",
                "p2pchat peers unblock " + row->name);
  }
  return *std::move(row);
}

// One letter on its way to one peer.
class Delivery {
 public:
  Delivery(const Home& home, Database& database, std::uint64_t log_keep_seconds,
           const Letter& letter, std::chrono::milliseconds time)
      : letter_(letter),
        log_keep_seconds_(log_keep_seconds),
        deadline_(time),
        identity_(load_identity(home)),
        database_(database),
        peers_(database_),
        messages_(database_),
        peer_(trusted_peer(peers_, letter.peer)),
        statement_(stored_statement(peer_)) {
    database_.set_patience(time);
  }

  Delivered run() {
    if (auto known = earlier_delivery()) return *std::move(known);
    if (statement_.expired(unix_now())) fetch_statement();
    Reply reply = attempt(false);
    if (reply.row == ReplyRow::newer_keys) {
      keep_statement(*std::move(reply.statement));
      reply = attempt(true);
    }
    return conclude(std::move(reply));
  }

 private:
  MessageKey key() const { return {Direction::out, identity_.id, peer_.identity, letter_.id}; }
  Correspondent correspondent() const {
    const std::string register_at = peer_.via.empty() ? address_ : "";
    return {peer_.name, peer_.identity, address_, register_at, identity_.id};
  }

  // What this id has been used for. The peer forgets an id a day after the last expiry that it has
  // seen of it: from then on a repetition could be delivered twice, so none is sent any more.
  std::optional<Delivered> earlier_delivery() {
    hash_ = content_hash(RequestType::message, peer_.identity, letter_.body);
    const auto known = messages_.find(key());
    if (!known) return std::nullopt;
    const std::string id = "the id " + in_quotes(letter_.id_text);
    const std::string peer = in_quotes(peer_.name);
    if (known->hash != hash_) {
      throw Error(Status::data, id + " has carried another message to " + peer);
    }
    record_ = known->id;
    before_ = known->state;
    if (known->exp > unix_now()) return std::nullopt;
    if (known->state == MessageState::acked) return Delivered{known->reply, known->rc};
    if (known->state != MessageState::unknown) return std::nullopt;
    throw Error(Status::data, id + " has expired: whether " + peer +
                                  " has the message can no longer be found out");
  }

  Line connected() {
    Line line = connect(Contact::of(peer_), deadline_);
    address_ = line.address();
    return line;
  }

  // Our copy of the peer's statement has run out: a current one, or an error before the message
  // has left.
  void fetch_statement() {
    const Line line = connected();
    const std::string frame = ask_keys(line, peer_.name, deadline_, Status::unavailable);
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
  void record(const Draft& draft) {
    database_.set_patience(deadline_.remaining());
    database_.set_durability(Durability::full);
    WriteTransaction transaction(database_);
    if (record_) {
      messages_.extend(*record_, draft.exp);
      if (before_ != MessageState::acked) messages_.set_state(*record_, MessageState::unknown);
    } else {
      record_ = messages_.insert(
          {key(), hash_, letter_.body, draft.iat, draft.exp, MessageState::unknown, {}, 0, 0});
    }
    transaction.commit();
  }

  // What is known of a message only grows: an earlier attempt that was acknowledged, or whose
  // outcome is unknown, is not undone by a later one that was not taken.
  void record_outcome(MessageState state, const std::string& reply, unsigned rc) {
    const bool says_more = state == MessageState::acked || !before_ ||
                           (before_ != MessageState::acked && before_ != MessageState::unknown);
    database_.set_durability(Durability::normal);
    WriteTransaction transaction(database_);
    if (says_more) messages_.set_outcome(*record_, state, reply, rc);
    const bool handed_out = state == MessageState::acked && log_keep_seconds_ == 0;
    if (handed_out) messages_.forget_body(*record_);
    clean_up(database_, unix_now(), log_keep_seconds_);
    transaction.commit();
    if (handed_out) database_.scrub_log();
  }

  Reply attempt(bool second) {
    Draft draft;
    draft.iat = unix_now();
    draft.exp = draft.iat + kMessageLifeDays * kSecondsPerDay;
    draft.jti = letter_.id;
    draft.body = letter_.body;
    const SealedRequest sealed = seal_request(draft, identity_.key, identity_.id, statement_);
    const Exchanged end = second ? ask_again(sealed) : ask_recorded(sealed, draft);
    switch (end.end) {
      case ExchangeEnd::answered:
      case ExchangeEnd::implausible:
        return read_reply(end.reply,
                          {RequestType::message, peer_.identity, identity_.id, letter_.id,
                           sealed.frame_hash, sealed.reply_key},
                          statement_, second, unix_now());
      case ExchangeEnd::not_begun:
        record_outcome(MessageState::untaken, {}, 0);
        throw Error(Status::unavailable, no_answer(peer_.name, address_, end))
            .ended_by(signals_->take());
      default:
        throw unknown_outcome(no_answer(peer_.name, address_, end)).ended_by(signals_->take());
    }
  }

  Exchanged ask_recorded(const SealedRequest& sealed, const Draft& draft) {
    const Line line = connected();
    // From here on our user must be told the id before we go.
    signals_.emplace({SIGINT, SIGTERM, SIGHUP});
    record(draft);
    return ask(line, sealed.frame, deadline_, signals_->descriptor());
  }

  // A statement is not bound to a request: somebody between us and the peer may have delivered the
  // first attempt and put a newer statement in the ack's place. So from here on nothing short of an
  // ack tells that the message was not taken.
  Exchanged ask_again(const SealedRequest& sealed) {
    try {
      const Line line = connected();
      Exchanged end = ask(line, sealed.frame, deadline_, signals_->descriptor());
      if (end.end == ExchangeEnd::not_begun) end.end = ExchangeEnd::lost;
      return end;
    } catch (const Error& error) {
      throw unknown_outcome(error.what());
    }
  }

  Error unknown_outcome(const std::string& why) const {
    return {Status::unknown_outcome,
            why + "; the outcome of message " + in_quotes(letter_.id_text) + " is unknown",
            letter_.retry_command};
  }

  Delivered conclude(Reply reply) {
    const bool is_ack = reply.row == ReplyRow::ack;
    const Outcome outcome = is_ack ? outcome_of(*reply.ack) : outcome_of(reply.row);
    if (outcome.state != MessageState::acked) {
      record_outcome(outcome.state, {}, 0);
      if (is_ack) keep_announced_statement(reply.ack->keys);
      throw error_of(reply, correspondent());
    }
    Ack& ack = *reply.ack;
    try {
      record_outcome(MessageState::acked, ack.body, ack.rc);
      keep_announced_statement(ack.keys);
    } catch (const Error& error) {
      throw Error(error.status(),
                  "acknowledged by " + in_quotes(peer_.name) + ", but " + error.what(),
                  error.hint());
    }
    return {std::move(ack.body), ack.rc};
  }

  // A statement beside an ack is a courtesy: what does not verify or is not newer is ignored.
  void keep_announced_statement(const std::string& token) {
    Result<KeyStatement> statement = read_key_statement(token);
    if (!statement || statement->identity_id != peer_.identity) return;
    if (compare_seq(*statement, statement_) != SeqOrder::newer) return;
    if (!statement->expired(unix_now())) keep_statement(*std::move(statement));
  }

  const Letter& letter_;
  std::uint64_t log_keep_seconds_;
  Deadline deadline_;
  Identity identity_;
  Database& database_;
  Peers peers_;
  Messages messages_;
  PeerRow peer_;
  KeyStatement statement_;
  std::string hash_;
  std::string address_;
  std::optional<std::int64_t> record_;
  std::optional<SignalFd> signals_;
  std::optional<MessageState> before_;  // what the record said before this run, if there was one
};

}  // namespace

std::string letter_id(const std::optional<std::string>& name) {
  if (!name) return new_message_id();
  if (name->empty() || name->size() > kMaxIdNameBytes) {
    throw Error(Status::usage, "an id has 1 to 128 bytes");
  }
  return message_id_for(*name);
}

Outbox::Outbox(const Home& home, const Config& config)
    : home_(home),
      log_keep_seconds_(config.log_keep_seconds()),
      database_((home.require_identity(), home.open_state(Durability::full))) {
  drop_old_keys(home);
}

void Outbox::require_peers(const std::vector<std::string>& names) {
  Peers peers(database_);
  for (const std::string& name : names) trusted_peer(peers, name);
}

Delivered Outbox::send(const Letter& letter, std::chrono::milliseconds time) {
  return Delivery(home_, database_, log_keep_seconds_, letter, time).run();
}

std::chrono::milliseconds send_time(const Config& config,
                                    std::optional<std::chrono::milliseconds> flag,
                                    std::size_t body_bytes) {
  constexpr std::chrono::seconds kBase{30};
  constexpr std::size_t kBytesPerExtraSecond = 65'536;
  if (flag) return *flag;
  if (const auto configured = config.send_timeout()) return *configured;
  return kBase + std::chrono::seconds(body_bytes / kBytesPerExtraSecond);
}

}  // namespace p2pchat

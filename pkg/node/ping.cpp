#include "node/ping.h"

#include "base/clock.h"
#include "base/text.h"
#include "node/contact.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "node/outcome.h"
#include "protocol/claims.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "store/peers.h"

namespace p2pchat {

namespace {

using Clock = std::chrono::steady_clock;

class Pinger {
 public:
  Pinger(const Home& home, const Config& config, const std::string& name,
         std::chrono::milliseconds time)
      : deadline_(time),
        identity_(load_identity(home)),
        keyring_(load_keyring(home, identity_, config.rotate_days(), Renewal::when_expired)),
        database_(home.open_state(Durability::normal)),
        peer_(find(name)),
        contact_(Contact::of(peer_)) {}

  Ping run() {
    ping_.address = contact_.addresses.empty() ? "" : contact_.addresses.front();
    try {
      const KeyStatement statement = fetch_statement();
      probe(statement);
    } catch (const Error& error) {
      ping_.error = error;
      ping_.failed = layer_;
    }
    return std::move(ping_);
  }

 private:
  PeerRow find(const std::string& name) {
    auto row = Peers(database_).by_name(name);
    if (!row) {
      throw Error(Status::no_peer, "unknown peer " + in_quotes(name),
                  own_command("peers lists those you have"));
    }
    return *std::move(row);
  }

  // The present layer holds, since it was entered.
  void pass(Layer next) {
    const auto now = Clock::now();
    ping_.passed.emplace_back(layer_,
                              std::chrono::duration_cast<std::chrono::microseconds>(now - began_));
    layer_ = next;
    began_ = now;
  }

  Line connected() {
    try {
      Line line = connect(contact_, deadline_);
      ping_.address = line.address();
      began_ = std::min(Clock::now(), began_ + line.resolving());
      return line;
    } catch (const Error& error) {
      if (layer_ == Layer::resolve && error.status() != Status::no_host) {
        ping_.passed.emplace_back(Layer::resolve, std::nullopt);
        layer_ = Layer::connect;
      }
      throw;
    }
  }

  Correspondent correspondent() const {
    const std::string register_at = contact_.via.empty() ? ping_.address : "";
    return {peer_.name, peer_.identity, ping_.address, register_at, identity_.id};
  }

  KeyStatement fetch_statement() {
    const auto start = began_;
    const Line line = connected();
    ping_.passed.emplace_back(
        Layer::resolve, std::chrono::duration_cast<std::chrono::microseconds>(began_ - start));
    layer_ = Layer::connect;
    pass(Layer::protocol);
    const std::string frame = ask_keys(line, peer_.name, deadline_, Status::unavailable);
    const Result<KeyStatement> stored = read_key_statement(peer_.statement);
    Reply reply = read_keys_reply(
        frame, peer_.identity,
        [&](const std::string&) { return stored ? std::optional(*stored) : std::nullopt; },
        unix_now());
    if (reply.row != ReplyRow::not_protocol) pass(Layer::key);
    if (reply.row != ReplyRow::newer_keys) throw error_of(reply, correspondent());
    pass(Layer::trust);
    return *std::move(reply.statement);
  }

  // Whether we are known there, and then whether we are trusted.
  void probe(const KeyStatement& statement) {
    Draft expired;
    expired.exp = 1;
    expired.jti = new_message_id();
    const std::uint64_t theirs = ask_with(expired, statement).iat;
    ping_.clock_ahead_seconds =
        static_cast<std::int64_t>(theirs) - static_cast<std::int64_t>(unix_now());

    // Older than any registration that they have taken of us lately, so that it changes nothing.
    constexpr std::uint64_t kMargin = 3600;
    constexpr std::uint64_t kLongestLife = kMaxRequestDays * kSecondsPerDay;
    Draft introduction;
    introduction.type = RequestType::registration;
    introduction.exp = theirs + kMargin;
    introduction.iat = introduction.exp > kLongestLife ? introduction.exp - kLongestLife : 0;
    introduction.jti = new_message_id();
    introduction.statement_token = keyring_->current().statement.token;
    introduction.addr = peer_.told;
    const Ack ack = ask_with(introduction, statement);
    if (ack.status == AckStatus::trusted) return pass(Layer::trust);
    Reply reply;
    reply.row = ReplyRow::ack;
    reply.ack = ack;
    throw error_of(reply, correspondent());
  }

  // The ack of a request; anything else is an error.
  Ack ask_with(const Draft& draft, const KeyStatement& statement) {
    const SealedRequest sealed = seal_request(draft, identity_.key, identity_.id, statement);
    const Line line = connected();
    const Exchanged end = ask(line, sealed.frame, deadline_);
    if (end.end != ExchangeEnd::answered && end.end != ExchangeEnd::implausible) {
      throw Error(Status::unavailable, no_answer(peer_.name, line.address(), end));
    }
    Reply reply = read_reply(
        end.reply,
        {draft.type, peer_.identity, identity_.id, draft.jti, sealed.frame_hash, sealed.reply_key},
        statement, true, unix_now());
    if (reply.row != ReplyRow::ack) throw error_of(reply, correspondent());
    return *std::move(reply.ack);
  }

  Deadline deadline_;
  Identity identity_;
  std::shared_ptr<const Keyring> keyring_;
  Database database_;
  PeerRow peer_;
  Contact contact_;
  Ping ping_;
  Layer layer_ = Layer::resolve;
  Clock::time_point began_ = Clock::now();
};

}  // namespace

std::string layer_name(Layer layer) {
  switch (layer) {
    case Layer::resolve:
      return "resolve";
    case Layer::connect:
      return "connect";
    case Layer::protocol:
      return "protocol";
    case Layer::key:
      return "key";
    case Layer::trust:
      break;
  }
  return "trust";
}

Ping ping_peer(const Home& home, const Config& config, const std::string& name,
               std::chrono::milliseconds time) {
  home.require_identity();
  return Pinger(home, config, name, time).run();
}

}  // namespace p2pchat

#include "node/registrar.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "node/address_book.h"
#include "node/contact.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "node/outcome.h"
#include "protocol/address.h"
#include "protocol/claims.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "store/peers.h"

namespace p2pchat {

namespace {

constexpr std::uint64_t kRegistrationLifeSeconds = 3600;

std::string announced_address(const Registration& registration, const Config& config) {
  if (registration.announced) {
    if (*registration.announced == "none") return "";
    if (read_address_claim(*registration.announced)) return *registration.announced;
    throw Error(Status::usage, "not an address to announce: " + in_quotes(*registration.announced),
                "none, :PORT (the address they see us at) or HOST:PORT");
  }
  const bool fixed_port = config.listen_port_is_set() && config.listen_port() != 0;
  return fixed_port ? ":" + std::to_string(config.listen_port()) : "";
}

// The parts of a Registration that have a grammar, read before anything else is done.
struct Terms {
  std::optional<std::string> address;      // "host:port"
  std::optional<std::string> expected_id;  // IK
  std::string announced;                   // address claim
};

Terms read_terms(const Registration& registration, const Config& config) {
  require_peer_name(registration.name);
  if (registration.replace && !registration.expected) {
    throw Error(Status::usage, "--replace needs --expect",
                "it names the one key that may take the place of the pinned one");
  }
  if (!is_name_hint(registration.name_hint)) {
    throw Error(Status::usage,
                "not a name to introduce us by: " + in_quotes(registration.name_hint),
                "at most 64 bytes of UTF-8 without control characters");
  }
  Terms terms;
  if (registration.address) {
    const auto address = read_address_argument(*registration.address);
    if (!address) {
      throw Error(Status::usage, "not an address: " + in_quotes(*registration.address),
                  "HOST[:PORT], an IPv6 address as [::1]:4040");
    }
    terms.address = address->text();
  }
  if (registration.expected) terms.expected_id = read_fingerprint(*registration.expected);
  terms.announced = announced_address(registration, config);
  return terms;
}

class Registrar {
 public:
  Registrar(const Home& home, const Config& config, const Registration& registration,
            const Terms& terms, std::chrono::milliseconds time)
      : wish_(registration),
        terms_(terms),
        deadline_(time),
        identity_(load_identity(home)),
        keyring_(load_keyring(home, identity_, config.rotate_days(), Renewal::when_expired)),
        database_(home.open_state(Durability::full)),
        peers_(database_),
        known_(peers_.by_name(registration.name)) {}

  Registered run() {
    contact_ = contact();
    pin_ = pin();
    KeyStatement theirs = fetch_statement();
    refuse_bad_choice(theirs.identity_id);
    const bool trusted_there = introduce(theirs);
    store(theirs);
    return {fingerprint(theirs.identity_id), fingerprint(identity_.id), trusted_there};
  }

 private:
  Contact contact() const {
    if (terms_.address) return {wish_.name, {*terms_.address}};
    if (!known_) {
      throw Error(Status::usage, "no address for " + in_quotes(wish_.name),
                  "p2pchat register " + wish_.name + " HOST[:PORT]");
    }
    return Contact::of(*known_);
  }

  // The identity that the other side must have; nothing at first contact without --expect.
  std::optional<std::string> pin() const {
    if (!known_ || wish_.replace) return terms_.expected_id;
    if (terms_.expected_id && *terms_.expected_id != known_->identity) {
      throw Error(Status::trust,
                  in_quotes(known_->name) + " is pinned to " + fingerprint(known_->identity) +
                      ", not to " + fingerprint(*terms_.expected_id),
                  "if the key has changed: p2pchat register " + wish_.name + " " +
                      contact_.addresses.front() + " --replace --expect " +
                      fingerprint(*terms_.expected_id));
    }
    return known_->identity;
  }

  Correspondent correspondent() const {
    return {wish_.name, pin_.value_or(""), contact_.addresses.front(), identity_.id};
  }

  std::optional<KeyStatement> stored_statement(const std::string& identity_id) {
    const auto row = peers_.by_identity(identity_id);
    if (!row) return std::nullopt;
    Result<KeyStatement> statement = read_key_statement(row->statement);
    if (!statement) {
      throw Error(Status::system, "the stored key of " + fingerprint(identity_id) + " is damaged");
    }
    return *std::move(statement);
  }

  KeyStatement fetch_statement() {
    const Line line = connect(contact_, deadline_);
    const std::string frame = ask_keys(line, wish_.name, deadline_, Status::unknown_outcome);
    Reply reply = read_keys_reply(
        frame, pin_, [&](const std::string& id) { return stored_statement(id); }, unix_now());
    if (reply.row == ReplyRow::newer_keys) return *std::move(reply.statement);
    if (reply.row == ReplyRow::other_key && (!known_ || wish_.replace)) {
      throw Error(Status::trust, "the key of " + in_quotes(wish_.name) + " is " +
                                     fingerprint(reply.identity_id) + ", not the expected " +
                                     fingerprint(*pin_));
    }
    throw error_of(reply, correspondent());
  }

  void refuse_bad_choice(const std::string& their_id) {
    if (their_id == identity_.id) {
      throw Error(Status::usage, in_quotes(contact_.addresses.front()) + " is this node itself");
    }
    const auto same_key = peers_.by_identity(their_id);
    const bool other_name = same_key && same_key->status == PeerStatus::trusted &&
                            !equal_ignoring_ascii_case(same_key->name, wish_.name);
    if (other_name) {
      throw Error(
          Status::cannot_create,
          fingerprint(their_id) + " is registered already, as " + in_quotes(same_key->name),
          "to use another name: p2pchat peers remove " + same_key->name + ", then register again");
    }
  }

  // True when they trust us already. Throws unless they took the registration.
  bool introduce(KeyStatement& theirs) {
    pin_ = theirs.identity_id;
    Reply reply = attempt(theirs, false);
    if (reply.row == ReplyRow::newer_keys) {
      theirs = *std::move(reply.statement);
      reply = attempt(theirs, true);
    }
    const bool taken = reply.row == ReplyRow::ack && (reply.ack->status == AckStatus::trusted ||
                                                      reply.ack->status == AckStatus::pending);
    if (!taken) throw error_of(reply, correspondent());
    if (const auto newer = read_key_statement(reply.ack->keys);
        newer && newer->identity_id == theirs.identity_id && !newer->expired(unix_now()) &&
        compare_seq(*newer, theirs) == SeqOrder::newer) {
      theirs = *newer;
    }
    return reply.ack->status == AckStatus::trusted;
  }

  Reply attempt(const KeyStatement& theirs, bool second) {
    Draft draft;
    draft.type = RequestType::registration;
    draft.iat = unix_now();
    draft.exp = draft.iat + kRegistrationLifeSeconds;
    draft.jti = id_;
    draft.statement_token = keyring_->current().statement.token;
    draft.addr = terms_.announced;
    draft.name = wish_.name_hint;
    const SealedRequest sealed = seal_request(draft, identity_.key, identity_.id, theirs);
    const Line line = connect(contact_, deadline_);
    const Exchanged end = ask(line, sealed.frame, deadline_);
    switch (end.end) {
      case ExchangeEnd::answered:
        return read_reply(end.reply,
                          {RequestType::registration, theirs.identity_id, identity_.id, id_,
                           sealed.frame_hash, sealed.reply_key},
                          theirs, second, unix_now());
      case ExchangeEnd::implausible:
        return {};
      case ExchangeEnd::not_begun:
        throw Error(Status::unavailable, no_answer(wish_.name, line.address, end));
      default:
        throw Error(Status::unknown_outcome,
                    no_answer(wish_.name, line.address, end) +
                        "; whether they have our registration is unknown, nothing is pinned here",
                    "register again");
    }
  }

  // Compares once more under the write lock: between the network and now another command may have
  // pinned something else.
  void store(const KeyStatement& theirs) {
    WriteTransaction transaction(database_);
    const auto named = peers_.by_name(wish_.name);
    if (named && named->identity != theirs.identity_id) {
      if (!wish_.replace) {
        throw Error(Status::trust, in_quotes(named->name) + " is pinned to " +
                                       fingerprint(named->identity) + " meanwhile");
      }
      peers_.remove(named->id);
    }
    const auto present = peers_.by_identity(theirs.identity_id);
    PeerRow row = present.value_or(PeerRow{});
    if (row.status == PeerStatus::pending) row.name = wish_.name;
    row.identity = theirs.identity_id;
    row.status = PeerStatus::trusted;
    row.statement = theirs.token;
    if (terms_.address) row.typed_address = *terms_.address;
    row.last_seen = unix_now();
    if (present) {
      peers_.update(row);
    } else {
      row.first_seen = row.last_seen;
      peers_.insert(row);
    }
    transaction.commit();
  }

  const Registration& wish_;
  const Terms& terms_;
  Deadline deadline_;
  Identity identity_;
  std::shared_ptr<const Keyring> keyring_;
  Database database_;
  Peers peers_;
  std::optional<PeerRow> known_;
  std::optional<std::string> pin_;
  Contact contact_;
  std::string id_ = new_message_id();
};

}  // namespace

Registered register_peer(const Home& home, const Config& config, const Registration& registration,
                         std::chrono::milliseconds time) {
  const Terms terms = read_terms(registration, config);
  return Registrar(home, config, registration, terms, time).run();
}

}  // namespace p2pchat

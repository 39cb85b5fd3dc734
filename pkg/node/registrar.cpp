#include "node/registrar.h"

#include <algorithm>
#include <utility>

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
};

Terms read_terms(const Registration& registration) {
  require_peer_name(registration.name);
  if (registration.replace && !registration.expected) {
    throw Error(Status::usage, "--replace needs --expect",
                "it names the one key that may take the place of the pinned one");
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
  return terms;
}

// How the peer was known so far, and what our user now says of it.
class Pinning {
 public:
  Pinning(const Registration& registration, const Terms& terms, Database& database)
      : wish_(registration),
        terms_(terms),
        database_(database),
        peers_(database_),
        known_(peers_.by_name(registration.name)) {}

  const std::optional<PeerRow>& known() const { return known_; }
  Peers& peers() { return peers_; }

  // The identity that the other side must have; nothing at first contact without --expect.
  std::optional<std::string> pin() const {
    if (!known_ || wish_.replace) return terms_.expected_id;
    if (terms_.expected_id && *terms_.expected_id != known_->identity) {
      throw changed(*terms_.expected_id);
    }
    return known_->identity;
  }

  // Of another key than the pinned or expected one.
  Error changed(const std::string& identity_id) const {
    if (!known_ || wish_.replace) {
      return {Status::trust,
              "the key of " + in_quotes(wish_.name) + " is " + fingerprint(identity_id) +
                  ", not the expected " + fingerprint(*terms_.expected_id),
              "the owner of " + in_quotes(wish_.name) +
                  " reads out what they see with: p2pchat keygen --fingerprint"};
    }
    return {Status::trust,
            in_quotes(known_->name) + " is pinned to " + fingerprint(known_->identity) +
                ", not to " + fingerprint(identity_id),
            "if the key has changed: " + replace_command(identity_id)};
  }

  // Throws for what our user cannot have meant.
  void refuse_bad_choice(const std::string& identity_id, const std::string& own_id) {
    if (identity_id == own_id) {
      throw Error(Status::usage, fingerprint(own_id) + " is this node itself",
                  "another node on this machine has a state folder of its own, made with: "
                  "p2pchat --home FOLDER keygen");
    }
    const auto same_key = peers_.by_identity(identity_id);
    if (!same_key) return;
    if (same_key->status == PeerStatus::blocked) {
      throw Error(Status::trust, fingerprint(identity_id) + " is blocked",
                  own_command("peers unblock ") + fingerprint(identity_id));
    }
    const bool other_name = same_key->status == PeerStatus::trusted &&
                            !equal_ignoring_ascii_case(same_key->name, wish_.name);
    if (other_name) {
      throw Error(
          Status::cannot_create,
          fingerprint(identity_id) + " is registered already, as " + in_quotes(same_key->name),
          own_command("peers rename ") + same_key->name + " " + wish_.name);
    }
  }

  // The stored statement of an identity, if it is known.
  std::optional<KeyStatement> stored_statement(const std::string& identity_id) {
    const auto row = peers_.by_identity(identity_id);
    if (!row) return std::nullopt;
    Result<KeyStatement> statement = read_key_statement(row->statement);
    if (!statement) {
      throw Error(Status::system, "the stored key of " + fingerprint(identity_id) + " is damaged");
    }
    return *std::move(statement);
  }

  // Compares once more under the write lock: between the network and now another command may have
  // pinned something else, or learnt a newer key. announced: what the peer has just been told, if
  // it was reached at all.
  void store(const KeyStatement& theirs, const std::optional<std::string>& announced,
             const std::string& own_id) {
    WriteTransaction transaction(database_);
    refuse_bad_choice(theirs.identity_id, own_id);
    const auto named = peers_.by_name(wish_.name);
    PeerRow row;
    if (named && named->identity != theirs.identity_id) {
      if (!wish_.replace) {
        throw Error(
            Status::trust,
            in_quotes(named->name) + " is pinned to " + fingerprint(named->identity) + " meanwhile",
            "if the key has changed: " + replace_command(theirs.identity_id));
      }
      peers_.remove(named->id);
      row.typed_address = named->typed_address;
      row.announced_address = named->announced_address;
      row.via = named->via;
    }
    const auto present = peers_.by_identity(theirs.identity_id);
    if (present) {
      const std::string typed = std::exchange(row.typed_address, {});
      const std::string claimed = std::exchange(row.announced_address, {});
      const std::string via = std::exchange(row.via, {});
      row = *present;
      if (row.announced_address.empty()) row.announced_address = claimed;
      if (row.typed_address.empty()) row.typed_address = typed;
      if (row.via.empty()) row.via = via;
    }
    row.name = row.status == PeerStatus::pending ? wish_.name : row.name;
    row.identity = theirs.identity_id;
    row.status = PeerStatus::trusted;
    if (row.trust == Trust::first_use && terms_.expected_id) row.trust = Trust::accepted;
    const auto stored = read_key_statement(row.statement);
    if (!stored || compare_seq(theirs, *stored) == SeqOrder::newer) row.statement = theirs.token;
    if (terms_.address) row.typed_address = *terms_.address;
    if (wish_.via) row.via = *wish_.via;
    const std::uint64_t now = unix_now();
    if (announced) {
      row.told = *announced;
      row.last_seen = now;
    }
    if (present) {
      peers_.update(row);
    } else {
      row.first_seen = now;
      peers_.insert(row);
    }
    transaction.commit();
  }

 private:
  // What our user has typed, and --replace.
  std::string replace_command(const std::string& identity_id) const {
    std::string command =
        p2pchat::replace_command(wish_.name, terms_.address.value_or(""), identity_id);
    if (wish_.card_file) command += " --card " + escape_for_terminal(shell_word(*wish_.card_file));
    if (wish_.via) command += " --via " + escape_for_terminal(shell_word(*wish_.via));
    return command;
  }

  const Registration& wish_;
  const Terms& terms_;
  Database& database_;
  Peers peers_;
  std::optional<PeerRow> known_;
};

class Registrar {
 public:
  Registrar(const Home& home, const Config& config, const Registration& registration,
            const Terms& terms, std::string announced, std::chrono::milliseconds time)
      : wish_(registration),
        terms_(terms),
        announced_(std::move(announced)),
        deadline_(time),
        identity_(load_identity(home)),
        keyring_(load_keyring(home, identity_, config.rotate_days(), Renewal::when_expired)),
        database_(home.open_state(Durability::full)),
        pinning_(registration, terms, database_) {}

  Registered run() {
    pin_ = pinning_.pin();
    contact_ = contact();
    KeyStatement theirs = fetch_statement();
    pinning_.refuse_bad_choice(theirs.identity_id, identity_.id);
    const bool trusted_there = introduce(theirs);
    pinning_.store(theirs, announced_, identity_.id);
    return {fingerprint(theirs.identity_id), fingerprint(identity_.id), trusted_there};
  }

 private:
  Contact contact() const {
    Contact contact{wish_.name, {}, {}};
    if (pinning_.known()) contact = Contact::of(*pinning_.known());
    contact.name = wish_.name;
    if (wish_.via) contact.via = *wish_.via;
    if (terms_.address) contact.addresses = {*terms_.address};
    const bool needs_address = contact.via.empty() || names_address(contact.via);
    if (contact.addresses.empty() && needs_address) {
      throw Error(Status::usage, "no address for " + in_quotes(wish_.name),
                  own_command("register ") + wish_.name + " HOST[:PORT]");
    }
    return contact;
  }

  std::string place() const {
    if (!contact_.via.empty()) return "via " + escape_for_terminal(contact_.via);
    return contact_.addresses.front();
  }

  Correspondent correspondent() const {
    const bool by_address = contact_.via.empty() && !contact_.addresses.empty();
    return {wish_.name, pin_.value_or(""), place(), by_address ? contact_.addresses.front() : "",
            identity_.id};
  }

  KeyStatement fetch_statement() {
    const Line line = connect(contact_, deadline_);
    const std::string frame = ask_keys(line, wish_.name, deadline_, Status::unknown_outcome);
    Reply reply = read_keys_reply(
        frame, pin_, [&](const std::string& id) { return pinning_.stored_statement(id); },
        unix_now());
    if (reply.row == ReplyRow::newer_keys) return *std::move(reply.statement);
    const bool expected = !pinning_.known() || wish_.replace || wish_.via;
    if (reply.row == ReplyRow::other_key && expected) throw pinning_.changed(reply.identity_id);
    throw refused(reply);
  }

  // Between two nodes of which one is an older copy of itself, the keys of one are unknown to the
  // other, or behind what it has seen.
  Error refused(const Reply& reply) const {
    Error error = error_of(reply, correspondent());
    const bool backup = reply.row == ReplyRow::not_known || reply.row == ReplyRow::does_not_verify;
    if (!backup) return error;
    return {error.status(), error.what(),
            "if a node was restored from a backup, its owner types there: p2pchat keygen --rotate"};
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
    if (!taken) throw refused(reply);
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
    draft.addr = announced_;
    draft.name = wish_.name_hint;
    const SealedRequest sealed = seal_request(draft, identity_.key, identity_.id, theirs);
    const Line line = connect(contact_, deadline_);
    const Exchanged end = ask(line, sealed.frame, deadline_);
    switch (end.end) {
      case ExchangeEnd::answered:
      case ExchangeEnd::implausible:
        return read_reply(end.reply,
                          {RequestType::registration, theirs.identity_id, identity_.id, id_,
                           sealed.frame_hash, sealed.reply_key},
                          theirs, second, unix_now());
      case ExchangeEnd::not_begun:
        throw Error(Status::unavailable, no_answer(wish_.name, line.address(), end));
      default:
        throw Error(Status::unknown_outcome,
                    no_answer(wish_.name, line.address(), end) +
                        "; whether they have our registration is unknown, nothing is pinned here",
                    "register again");
    }
  }

  const Registration& wish_;
  const Terms& terms_;
  std::string announced_;
  Deadline deadline_;
  Identity identity_;
  std::shared_ptr<const Keyring> keyring_;
  Database database_;
  Pinning pinning_;
  std::optional<std::string> pin_;
  Contact contact_;
  std::string id_ = new_message_id();
};

}  // namespace

Registered register_peer(const Home& home, const Config& config, const Registration& registration,
                         std::chrono::milliseconds time) {
  const Terms terms = read_terms(registration);
  if (!is_name_hint(registration.name_hint)) {
    throw Error(Status::usage,
                "not a name to introduce us by: " + in_quotes(registration.name_hint),
                "at most 64 bytes of UTF-8 without control characters");
  }
  return Registrar(home, config, registration, terms, announced_address(registration, config), time)
      .run();
}

std::string register_card(const Home& home, const Registration& registration,
                          std::string_view card) {
  const Terms terms = read_terms(registration);
  const Identity identity = load_identity(home);
  Database database = home.open_state(Durability::full);
  Pinning pinning(registration, terms, database);
  const std::optional<std::string> pin = pinning.pin();

  constexpr std::string_view kWhiteSpace = " \t\r\n";
  const std::size_t begin = std::min(card.find_first_not_of(kWhiteSpace), card.size());
  card = card.substr(begin, card.find_last_not_of(kWhiteSpace) + 1 - begin);
  const Result<KeyStatement> statement = read_key_statement(card);
  if (!statement) {
    const bool weak = statement.why().find(kRefusedKey) != std::string::npos;
    throw Error(weak ? Status::trust : Status::data, "cannot use the card: " + statement.why());
  }
  if (pin && *pin != statement->identity_id) throw pinning.changed(statement->identity_id);
  pinning.refuse_bad_choice(statement->identity_id, identity.id);
  const auto stored = pinning.stored_statement(statement->identity_id);
  if (stored && compare_seq(*statement, *stored) == SeqOrder::forked) {
    throw Error(Status::data, "cannot use the card: another encryption key under the number of " +
                                  in_quotes(registration.name) + " that is known");
  }
  pinning.store(*statement, std::nullopt, identity.id);
  return fingerprint(statement->identity_id);
}

}  // namespace p2pchat

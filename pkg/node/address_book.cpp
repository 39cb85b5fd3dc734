#include "node/address_book.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "jose/base64url.h"
#include "jose/jwk.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "protocol/key_statement.h"
#include "protocol/verification.h"

namespace p2pchat {

namespace {

constexpr std::size_t kMaxNameCharacters = 64;
constexpr std::size_t kMinPrefixCharacters = 8;

bool is_fingerprint(const std::string& selector) {
  return selector.starts_with(kFingerprintPrefix);
}

PeerInfo describe(const PeerRow& row) {
  PeerInfo info;
  info.name = row.name;
  info.status = row.status;
  info.trust = row.trust;
  info.fingerprint = fingerprint(row.identity);
  info.address = row.typed_address.empty() ? row.announced_address : row.typed_address;
  info.announced_address = row.announced_address;
  info.via = row.via;
  info.hint = row.hint;
  info.first_seen = row.first_seen;
  info.last_seen = row.last_seen;
  return info;
}

Error unknown_peer(const std::string& selector) {
  return {Status::no_peer, "unknown peer " + in_quotes(selector),
          own_command("peers lists those you have")};
}

}  // namespace

bool is_peer_name(const std::string& text) {
  constexpr std::string_view kLettersAndDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const std::string allowed = std::string(kLettersAndDigits) + "._-";
  return !text.empty() && text.size() <= kMaxNameCharacters &&
         kLettersAndDigits.find(text.front()) != std::string_view::npos &&
         text.find_first_not_of(allowed) == std::string::npos &&
         text.find_first_not_of("0123456789") != std::string::npos;
}

void require_peer_name(const std::string& text) {
  if (is_peer_name(text)) return;
  throw Error(Status::usage, "not a peer name: " + in_quotes(text),
              "1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit, "
              "not digits alone");
}

std::string accept_command(const std::string& identity_id, const std::string& hint) {
  return "peers accept " + fingerprint(identity_id) + " --as " +
         (is_peer_name(hint) ? hint : "NAME");
}

std::string replace_command(const std::string& name, const std::string& address,
                            const std::string& identity_id) {
  return own_command("register ") + name + (address.empty() ? "" : " " + address) +
         " --replace --expect " + fingerprint(identity_id);
}

namespace {

// Whether `register NAME` would know where to ask.
bool is_reachable(const PeerRow& stranger, const PeerRow& named) {
  return !stranger.announced_address.empty() || !named.typed_address.empty() ||
         !named.announced_address.empty() || !named.via.empty();
}

std::string accept_instead(const std::string& name, const PeerRow& stranger) {
  const std::string id = fingerprint(stranger.identity);
  return own_command("peers accept ") + id + " --as " + name + " --replace --expect " + id;
}

}  // namespace

AddressBook::AddressBook(const Home& home)
    : database_((home.require_identity(), home.open_state(Durability::full))), peers_(database_) {
  drop_old_keys(home);
}

std::vector<PeerInfo> AddressBook::list() {
  std::vector<PeerInfo> infos;
  for (const PeerRow& row : peers_.all()) infos.push_back(describe(row));
  return infos;
}

std::optional<PeerRow> AddressBook::find_by_fingerprint(const std::string& prefix) {
  const std::string id = prefix.substr(std::min(prefix.size(), kFingerprintPrefix.size()));
  if (!is_fingerprint(prefix) || id.size() < kMinPrefixCharacters ||
      id.size() > kThumbprintCharacters ||
      !std::all_of(id.begin(), id.end(), is_base64url_character)) {
    throw Error(Status::data, "not a fingerprint: " + in_quotes(prefix),
                "SHA256: and at least the first 8 characters, as in: " + own_command("peers"));
  }
  std::vector<PeerRow> found = peers_.by_identity_prefix(id, 2);
  if (found.size() > 1) {
    throw Error(Status::data, "more than one peer begins with " + in_quotes(prefix));
  }
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::optional<PeerRow> AddressBook::find(const std::string& selector) {
  return is_fingerprint(selector) ? find_by_fingerprint(selector) : peers_.by_name(selector);
}

PeerRow AddressBook::require(const std::string& selector) {
  auto row = find(selector);
  if (!row) throw unknown_peer(selector);
  return *std::move(row);
}

PeerInfo AddressBook::show(const std::string& selector) {
  const PeerRow row = require(selector);
  PeerInfo info = describe(row);
  if (const auto statement = read_key_statement(row.statement)) info.keys_expire = statement->exp;
  return info;
}

// What claims to be a peer of ours under another key: our user has to name the key it means.
void AddressBook::refuse_changed_key(const PeerRow& stranger, const std::string& name) {
  if (const auto named = peers_.by_name(name)) {
    throw Error(
        Status::trust,
        in_quotes(named->name) + " is pinned to " + fingerprint(named->identity) + ", not to " +
            fingerprint(stranger.identity),
        "if its key has changed: " +
            (is_reachable(stranger, *named)
                 ? replace_command(named->name, stranger.announced_address, stranger.identity)
                 : accept_instead(named->name, stranger)));
  }
  if (stranger.announced_address.empty()) return;
  for (const PeerRow& known : peers_.by_address(stranger.announced_address)) {
    throw Error(Status::trust,
                fingerprint(stranger.identity) + " claims the address " +
                    stranger.announced_address + " of " + in_quotes(known.name) +
                    ", which is pinned to " + fingerprint(known.identity),
                "if its key has changed: " +
                    replace_command(known.name, stranger.announced_address, stranger.identity));
  }
}

PeerInfo AddressBook::accept(const std::string& fingerprint_prefix, const std::string& name,
                             const std::optional<std::string>& expected, bool replace) {
  require_peer_name(name);
  if (replace && !expected) {
    throw Error(Status::usage, "--replace needs --expect",
                "it names the one key that may take the place of the pinned one");
  }
  const std::optional<std::string> expected_id =
      expected ? std::optional(read_fingerprint(*expected)) : std::nullopt;
  WriteTransaction transaction(database_);
  std::optional<PeerRow> row = find_by_fingerprint(fingerprint_prefix);
  if (!row) {
    throw Error(Status::no_peer, "no pending peer " + in_quotes(fingerprint_prefix),
                own_command("peers --pending lists them"));
  }
  if (expected_id && *expected_id != row->identity) {
    throw Error(Status::trust, "the fingerprint is " + fingerprint(row->identity) + ", not " +
                                   fingerprint(*expected_id));
  }
  if (row->status == PeerStatus::blocked) {
    throw Error(Status::trust, fingerprint(row->identity) + " is blocked",
                own_command("peers unblock ") + fingerprint(row->identity));
  }
  if (row->status == PeerStatus::trusted && !equal_ignoring_ascii_case(row->name, name)) {
    throw Error(Status::cannot_create,
                fingerprint(row->identity) + " is accepted already, as " + in_quotes(row->name),
                own_command("peers rename ") + row->name + " " + name);
  }
  if (row->status == PeerStatus::pending) {
    const auto named = peers_.by_name(name);
    if (named && replace) {
      // What our user has said of it stays.
      row->typed_address = named->typed_address;
      row->via = named->via;
      peers_.remove(named->id);
    } else if (named || !expected_id) {
      refuse_changed_key(*row, name);
    }
    row->status = PeerStatus::trusted;
    row->name = name;
  }
  if (row->trust == Trust::first_use) row->trust = Trust::accepted;
  peers_.update(*row);
  transaction.commit();
  return describe(*row);
}

void AddressBook::reject(const std::string& fingerprint_prefix) {
  WriteTransaction transaction(database_);
  const auto row = find_by_fingerprint(fingerprint_prefix);
  if (!row) return;
  if (row->status != PeerStatus::pending) {
    const std::string what =
        row->status == PeerStatus::blocked ? "blocked" : "trusted, as " + in_quotes(row->name);
    throw Error(Status::data, fingerprint(row->identity) + " is not pending but " + what,
                own_command("peers remove ") +
                    (row->name.empty() ? fingerprint(row->identity) : row->name));
  }
  peers_.remove(row->id);
  transaction.commit();
}

void AddressBook::change(const std::string& selector, const std::function<bool(PeerRow&)>& change) {
  WriteTransaction transaction(database_);
  PeerRow row = require(selector);
  if (!change(row)) return;
  peers_.update(row);
  transaction.commit();
}

void AddressBook::block(const std::string& selector) {
  change(selector, [](PeerRow& row) {
    const bool changes = row.status != PeerStatus::blocked;
    row.status = PeerStatus::blocked;
    return changes;
  });
}

void AddressBook::unblock(const std::string& selector) {
  change(selector, [](PeerRow& row) {
    const bool changes = row.status == PeerStatus::blocked;
    if (changes) row.status = row.name.empty() ? PeerStatus::pending : PeerStatus::trusted;
    return changes;
  });
}

void AddressBook::remove(const std::string& selector) {
  WriteTransaction transaction(database_);
  const auto row = find(selector);
  if (!row) return;
  peers_.remove(row->id);
  transaction.commit();
}

void AddressBook::rename(const std::string& selector, const std::string& name) {
  require_peer_name(name);
  // The second time the old name is gone and the new one is there.
  if (!is_fingerprint(selector) && !find(selector) && find(name)) return;
  change(selector, [&](PeerRow& row) {
    if (row.name.empty()) {
      throw Error(Status::trust, fingerprint(row.identity) + " is not a trusted peer",
                  own_command("peers accept ") + fingerprint(row.identity) + " --as " + name);
    }
    const auto other = peers_.by_name(name);
    if (other && other->id != row.id) {
      throw Error(Status::cannot_create,
                  "there is another peer " + in_quotes(name) + ": " + fingerprint(other->identity));
    }
    const bool changes = row.name != name;
    row.name = name;
    return changes;
  });
}

std::string AddressBook::card(const std::string& selector) {
  return require(selector).statement;
}

std::string AddressBook::digits(const std::string& selector, const std::string& own_id) {
  return verification_digits(own_id, require(selector).identity);
}

void AddressBook::confirm(const std::string& selector) {
  change(selector, [](PeerRow& row) {
    if (row.status != PeerStatus::trusted) {
      throw Error(Status::trust, fingerprint(row.identity) + " is not a trusted peer",
                  own_command("peers accept ") + fingerprint(row.identity) + " --as NAME");
    }
    const bool changes = row.trust != Trust::verified;
    row.trust = Trust::verified;
    return changes;
  });
}

}  // namespace p2pchat

#include "node/address_book.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "jose/base64url.h"
#include "jose/jwk.h"
#include "node/identity.h"
#include "protocol/key_statement.h"

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
  info.trusted = row.status == PeerStatus::trusted;
  info.fingerprint = fingerprint(row.identity);
  info.address = row.typed_address.empty() ? row.announced_address : row.typed_address;
  info.announced_address = row.announced_address;
  info.hint = row.hint;
  info.first_seen = row.first_seen;
  info.last_seen = row.last_seen;
  if (const auto statement = read_key_statement(row.statement)) info.keys_expire = statement->exp;
  return info;
}

Error unknown_peer(const std::string& selector) {
  return {Status::no_peer, "unknown peer " + in_quotes(selector),
          "p2pchat peers lists those you have"};
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
  return "p2pchat peers accept " + fingerprint(identity_id) + " --as " +
         (is_peer_name(hint) ? hint : "NAME");
}

AddressBook::AddressBook(const Home& home)
    : database_((home.require_identity(), home.open_state(Durability::full))), peers_(database_) {}

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
                "SHA256: and at least the first 8 characters");
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

PeerInfo AddressBook::show(const std::string& selector) {
  const auto row = find(selector);
  if (!row) throw unknown_peer(selector);
  return describe(*row);
}

PeerInfo AddressBook::accept(const std::string& fingerprint_prefix, const std::string& name,
                             const std::optional<std::string>& expected) {
  require_peer_name(name);
  const std::optional<std::string> expected_id =
      expected ? std::optional(read_fingerprint(*expected)) : std::nullopt;
  WriteTransaction transaction(database_);
  std::optional<PeerRow> row = find_by_fingerprint(fingerprint_prefix);
  if (!row) {
    throw Error(Status::no_peer, "no pending peer " + in_quotes(fingerprint_prefix),
                "p2pchat peers --pending lists them");
  }
  if (expected_id && *expected_id != row->identity) {
    throw Error(Status::trust, "the fingerprint is " + fingerprint(row->identity) + ", not " +
                                   fingerprint(*expected_id));
  }
  if (row->status == PeerStatus::trusted) {
    if (equal_ignoring_ascii_case(row->name, name)) return describe(*row);
    throw Error(Status::cannot_create,
                fingerprint(row->identity) + " is accepted already, as " + in_quotes(row->name));
  }
  if (const auto other = peers_.by_name(name)) {
    throw Error(Status::cannot_create,
                "there is another peer " + in_quotes(name) + ": " + fingerprint(other->identity));
  }
  row->status = PeerStatus::trusted;
  row->name = name;
  peers_.update(*row);
  transaction.commit();
  return describe(*row);
}

void AddressBook::reject(const std::string& fingerprint_prefix) {
  WriteTransaction transaction(database_);
  const auto row = find_by_fingerprint(fingerprint_prefix);
  if (!row) return;
  if (row->status != PeerStatus::pending) {
    throw Error(
        Status::data,
        fingerprint(row->identity) + " is not pending but trusted, as " + in_quotes(row->name),
        "p2pchat peers remove " + row->name);
  }
  peers_.remove(row->id);
  transaction.commit();
}

void AddressBook::remove(const std::string& selector) {
  WriteTransaction transaction(database_);
  const auto row = find(selector);
  if (!row) return;
  peers_.remove(row->id);
  transaction.commit();
}

}  // namespace p2pchat

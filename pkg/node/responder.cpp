#include "node/responder.h"

#include "base/clock.h"
#include "base/text.h"
#include "jose/jwk.h"

namespace p2pchat {

namespace {

constexpr std::string_view kIdentifyRequest = "identify";

}  // namespace

Responder::Responder(const Identity& identity, LiveKeyring& keyring, Database readers, Inbox inbox)
    : identity_(identity),
      keyring_(keyring),
      identity_pem_(identity.key.public_key().pem()),
      inbox_(std::move(inbox)),
      database_(std::move(readers)),
      peers_(database_),
      messages_(database_) {}

bool Responder::is_for_us(std::string_view frame_prefix) {
  const auto key_id = recipient_key_id(frame_prefix);
  std::shared_ptr<const Keyring> keyring;
  return key_id && find_key(*key_id, keyring) != nullptr;
}

const EncryptionKey* Responder::find_key(const std::string& encryption_id,
                                         std::shared_ptr<const Keyring>& keyring) {
  keyring = keyring_.now();
  if (const EncryptionKey* key = keyring->find(encryption_id)) return key;
  // Perhaps another command has made a key since.
  keyring_.reread();
  keyring = keyring_.now();
  return keyring->find(encryption_id);
}

std::optional<RsaPublicKey> Responder::known_identity(const std::string& identity_id) {
  if (!is_thumbprint(identity_id)) return std::nullopt;
  std::string statement;
  {
    const std::lock_guard lock(mutex_);
    if (auto row = peers_.by_identity(identity_id)) statement = std::move(row->statement);
  }
  // Where there is nothing to read our own is read, so that strangers take the time of friends.
  const bool is_known = !statement.empty();
  if (!is_known) statement = keyring_.now()->current().statement.token;
  auto key = statement_identity(statement);
  const bool is_theirs = key && thumbprint(*key) == identity_id;
  return is_known && is_theirs ? std::move(key) : std::nullopt;
}

std::optional<UnwrappedKey> Responder::unwrap(std::string_view frame_prefix, const Admit& admit) {
  const auto key_id = recipient_key_id(frame_prefix);
  std::shared_ptr<const Keyring> keyring;
  const EncryptionKey* key = key_id ? find_key(*key_id, keyring) : nullptr;
  return key != nullptr ? unwrap_early(frame_prefix, key->key, admit) : std::nullopt;
}

Responder::Opened Responder::open(std::string_view frame, const Admit& admit,
                                  const UnwrappedKey* early) {
  Opened opened;
  opened.keyring = keyring_.now();
  if (equal_ignoring_ascii_case(frame.substr(0, kIdentifyRequest.size() + 1), kIdentifyRequest)) {
    opened.reply = identity_pem_;
    return opened;
  }
  if (const auto key_id = recipient_key_id(frame)) {
    opened.sealed_to = find_key(*key_id, opened.keyring);
    if (opened.sealed_to != nullptr) {
      Result<Request> request = open_request(
          frame, opened.sealed_to->key, {identity_.id, identity_.key.public_key(), unix_now()},
          [this](const std::string& id) { return known_identity(id); },
          [&] { return opened.admitted = !admit || admit(); }, early);
      if (!opened.admitted) return opened;
      if (request) opened.request = *std::move(request);
    }
  }
  // `keys`, and whatever cannot be opened or verified.
  if (!opened.request) opened.reply = opened.keyring->current().statement.token;
  return opened;
}

Verdict Responder::decide(Database& database, const Request& request, const Origin& origin) const {
  return inbox_.take(database, request, origin, unix_now());
}

std::string Responder::stored_reply(std::int64_t message) {
  const std::lock_guard lock(mutex_);
  auto row = messages_.get(message);
  return row ? std::move(row->reply) : std::string();
}

std::string Responder::seal(const Opened& opened, const Verdict& verdict) {
  const EncryptionKey& current = opened.keyring->current();
  if (!verdict.status) return current.statement.token;
  Ack ack;
  ack.status = *verdict.status;
  ack.iat = unix_now();
  ack.body = verdict.reply_of ? stored_reply(*verdict.reply_of) : verdict.reply;
  ack.rc = verdict.rc;
  if (opened.sealed_to != &current) ack.keys = current.statement.token;
  return seal_ack(ack, *opened.request);
}

}  // namespace p2pchat

#include "node/keyring.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "protocol/claims.h"
#include "store/marks.h"

namespace p2pchat {

namespace {

constexpr std::size_t kKeysKept = 2;
constexpr std::string_view kStatementLine = "p2pchat-key-statement: ";

// A key file: the statement on a line of its own, then PKCS#8. RFC 7468 lets text stand before the
// block, so one rename puts both in place.
struct KeyFile {
  std::string path;
  Secret text;
  std::string_view statement;  // into text
  std::string_view key;        // likewise
};

Error unusable_file(const std::string& path, const std::string& why) {
  return {Status::config, "cannot use " + in_quotes(path) + ": " + why};
}

KeyFile read_key_file(const Home& home, std::uint64_t seq) {
  KeyFile file{home.encryption_file(seq), {}, {}, {}};
  file.text = Secret(read_secret_file(file.path, kMaxKeyTextBytes));
  const std::string_view content = file.text.view();
  const std::size_t line_end = content.find('\n');
  if (!content.starts_with(kStatementLine) || line_end == std::string_view::npos) {
    throw unusable_file(file.path, "no key statement in its first line");
  }
  file.statement = content.substr(kStatementLine.size(), line_end - kStatementLine.size());
  file.key = content.substr(line_end + 1);
  return file;
}

EncryptionKey read_key(const Home& home, const Identity& identity, std::uint64_t seq) {
  const KeyFile file = read_key_file(home, seq);
  Result<KeyStatement> statement = read_key_statement(file.statement);
  if (!statement) throw unusable_file(file.path, "its key statement: " + statement.why());
  Result<RsaPrivateKey> key = RsaPrivateKey::from_pem(file.key, home.passphrase());
  if (!key) throw unusable_key(file.path, key.why());
  if (statement->identity_id != identity.id || statement->seq != seq ||
      statement->encryption.modulus() != key->public_key().modulus()) {
    throw unusable_file(file.path, "its key statement belongs to other keys");
  }
  return {*std::move(key), *std::move(statement)};
}

// A clock that once ran ahead must not keep an old key for good.
bool is_from_the_future(const KeyStatement& statement, std::uint64_t now) {
  return statement.iat > now + kSecondsPerDay;
}

bool is_content(const Keyring& keyring, Renewal renewal, std::uint64_t now) {
  if (keyring.keys.empty() || renewal == Renewal::now) return false;
  const KeyStatement& statement = keyring.current().statement;
  if (is_from_the_future(statement, now)) return false;
  const std::uint64_t half_life = statement.iat + (statement.exp - statement.iat) / 2;
  return renewal == Renewal::when_expired || now < half_life;
}

Keyring read_keys(const Home& home, const Identity& identity, std::uint64_t now) {
  Keyring keyring;
  const std::vector<std::uint64_t> seqs = home.encryption_seqs();
  for (std::size_t i = 0; i < std::min(seqs.size(), kKeysKept); ++i) {
    try {
      EncryptionKey key = read_key(home, identity, seqs[i]);
      if (!key.statement.expired(now)) keyring.keys.push_back(std::move(key));
    } catch (const Error& error) {
      // The newest is what peers know; one before it that is of no use is a leftover.
      if (i == 0 || error.status() != Status::config) throw;
    }
  }
  return keyring;
}

// Everything on disk that read_keys() left out.
void shred_others(const Home& home, const Keyring& keyring) {
  for (const char* prefix : {"identity.pem", "encryption-"}) {
    shred_leftovers(home.folder(), prefix);
  }
  for (const std::uint64_t seq : home.encryption_seqs()) {
    const bool kept = std::any_of(keyring.keys.begin(), keyring.keys.end(),
                                  [&](const EncryptionKey& k) { return k.statement.seq == seq; });
    if (!kept) shred_file(home.encryption_file(seq));
  }
}

std::vector<std::uint64_t> seqs_of(const Keyring& keyring) {
  std::vector<std::uint64_t> seqs;
  for (const EncryptionKey& key : keyring.keys) seqs.push_back(key.statement.seq);
  return seqs;
}

constexpr const char* kSeqMark = "encryption_seq";

// The largest number of a key that is gone: peers may know it, and refuse a lower one.
std::uint64_t forgotten_seq(const Home& home) {
  if (!exists(home.state_file())) return 0;
  Database database = home.open_state(Durability::full);
  return Marks(database).get(kSeqMark);
}

void remember_seq(const Home& home, std::uint64_t seq) {
  Database database = home.open_state(Durability::full);
  WriteTransaction transaction(database);
  Marks(database).raise(kSeqMark, seq);
  transaction.commit();
}

}  // namespace

const EncryptionKey* Keyring::find(const std::string& encryption_id) const {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const EncryptionKey& key) {
    return key.statement.encryption_id == encryption_id;
  });
  return found == keys.end() ? nullptr : &*found;
}

void put_encryption_key(const Home& home, const Identity& identity, const RsaPrivateKey& key,
                        std::uint64_t rotate_days, const FileLock& /*held_lock*/) {
  const std::uint64_t now = unix_now();
  const std::vector<std::uint64_t> seqs = home.encryption_seqs();
  const std::uint64_t before = seqs.empty() ? forgotten_seq(home) : seqs.front();
  const std::uint64_t seq = std::max(before + 1, now);
  const KeyStatement statement = make_key_statement(identity.key, key.public_key(), seq, now,
                                                    now + 2 * rotate_days * kSecondsPerDay);
  std::string content = std::string(kStatementLine) + statement.token + "\n";
  content += key.pem(home.passphrase()).view();
  const Secret file(std::move(content));
  write_secret_file(home.encryption_file(seq), file.view());
}

std::shared_ptr<const Keyring> load_keyring(const Home& home, const Identity& identity,
                                            std::uint64_t rotate_days, Renewal renewal) {
  const std::uint64_t now = unix_now();
  const FileLock lock(home.lock_file(), LockByte::keys, kKeysPatience);
  if (!lock.held()) {
    throw Error(Status::system,
                "the keys in " + in_quotes(home.folder()) + " are in use elsewhere");
  }
  Keyring keyring = read_keys(home, identity, now);
  // Peers know the newest one's number and refuse an older statement.
  const bool newest_is_current =
      !keyring.keys.empty() && seqs_of(keyring).front() == home.encryption_seqs().front();
  if (!newest_is_current || !is_content(keyring, renewal, now)) {
    try {
      const auto bits = static_cast<unsigned>(identity.key.bytes() * 8);
      put_encryption_key(home, identity, RsaPrivateKey::generate(bits), rotate_days, lock);
      keyring = read_keys(home, identity, now);
    } catch (const Error&) {
      // A full disk, say: what is valid goes on, and the next call tries again.
      if (!newest_is_current || renewal != Renewal::at_half_life) throw;
    }
  }
  if (keyring.keys.empty()) {
    throw Error(Status::system, "no usable encryption key in " + in_quotes(home.folder()));
  }
  shred_others(home, keyring);
  return std::make_shared<const Keyring>(std::move(keyring));
}

KeyStatement own_card(const Home& home) {
  home.require_identity();
  const std::vector<std::uint64_t> seqs = home.encryption_seqs();
  if (seqs.empty()) {
    throw Error(Status::config, "no encryption key in " + in_quotes(home.folder()),
                own_command("keygen --rotate makes one"));
  }
  const KeyFile file = read_key_file(home, seqs.front());
  Result<KeyStatement> statement = read_key_statement(file.statement);
  if (!statement) throw unusable_file(file.path, "its key statement: " + statement.why());
  return *std::move(statement);
}

void drop_old_keys(const Home& home) {
  const std::uint64_t now = unix_now();
  const std::vector<std::uint64_t> seqs = home.encryption_seqs();
  const auto is_old = [&](std::size_t index) {
    if (index >= kKeysKept) return true;
    const auto exp = statement_expiry(read_key_file(home, seqs[index]).statement);
    return exp && *exp <= now;
  };
  std::vector<std::uint64_t> old;
  for (std::size_t i = 0; i < seqs.size(); ++i) {
    try {
      if (is_old(i)) old.push_back(seqs[i]);
    } catch (const Error& error) {
      // Whoever needs the key says what is wrong with it; but no command works beside an open one.
      if (error.status() == Status::trust) throw;
    }
  }
  if (old.empty()) return;
  const FileLock lock(home.lock_file(), LockByte::keys, std::chrono::milliseconds(0));
  if (!lock.held()) return;
  if (old.front() == seqs.front()) remember_seq(home, old.front());
  for (const std::uint64_t seq : old) shred_file(home.encryption_file(seq));
}

LiveKeyring::LiveKeyring(const Home& home, const Identity& identity, std::uint64_t rotate_days)
    : home_(home),
      identity_(identity),
      rotate_days_(rotate_days),
      keyring_(load_keyring(home_, identity_, rotate_days_, Renewal::at_half_life)) {}

std::shared_ptr<const Keyring> LiveKeyring::now() const {
  const std::lock_guard lock(mutex_);
  return keyring_;
}

void LiveKeyring::replace(std::shared_ptr<const Keyring> keyring) {
  const std::lock_guard lock(mutex_);
  keyring_ = std::move(keyring);
}

void LiveKeyring::reread() {
  const std::lock_guard one_at_a_time(rereading_);
  try {
    std::vector<std::uint64_t> seqs = home_.encryption_seqs();
    if (seqs == tried_) return;
    tried_ = std::move(seqs);
    Keyring fresh = read_keys(home_, identity_, unix_now());
    if (!fresh.keys.empty()) replace(std::make_shared<const Keyring>(std::move(fresh)));
  } catch (const Error&) {
    // A file that is just being deleted, for one.
    return;
  }
}

void LiveKeyring::try_again_if_others() {
  const std::lock_guard one_at_a_time(rereading_);
  if (seqs_of(*now()) != tried_) tried_.clear();
}

void LiveKeyring::renew() {
  const std::unique_lock one_at_a_time(renewing_, std::try_to_lock);
  if (!one_at_a_time) return;
  const auto keyring = now();
  const std::uint64_t time = unix_now();
  const bool due = !is_content(*keyring, Renewal::at_half_life, time) ||
                   keyring->keys.back().statement.expired(time);
  if (!due) {
    try_again_if_others();
    return reread();
  }
  try {
    replace(load_keyring(home_, identity_, rotate_days_, Renewal::at_half_life));
  } catch (const Error&) {
    return;
  }
}

}  // namespace p2pchat

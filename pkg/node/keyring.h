// The encryption keys of this node: at most two, each in a file with its key statement, the newest
// current and the one before it still able to open what was sealed to it (DESIGN 4.3).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "crypto/rsa_key.h"
#include "node/home.h"
#include "node/identity.h"
#include "protocol/key_statement.h"

namespace p2pchat {

// Making two keys of 4096 bits takes seconds; who else wants to write keys waits for that.
inline constexpr std::chrono::milliseconds kKeysPatience{60'000};

struct EncryptionKey {
  RsaPrivateKey key;
  KeyStatement statement;
};

// The keys as they were when they were read: newest first, none expired.
struct Keyring {
  std::vector<EncryptionKey> keys;

  const EncryptionKey& current() const { return keys.front(); }
  // Nothing unless the key id (EK) is one of ours.
  const EncryptionKey* find(const std::string& encryption_id) const;
};

// When a new key is made: at half of the current one's life, only once it has expired, or in any
// case.
enum class Renewal { at_half_life, when_expired, now };

// Reads the keys; makes a new one if there is none that `renewal` is content with; overwrites and
// unlinks those that have expired or are no longer among the newest two. Throws Error{config} for
// a key file that cannot be used.
std::shared_ptr<const Keyring> load_keyring(const Home& home, const Identity& identity,
                                            std::uint64_t rotate_days, Renewal renewal);

// Takes a new key of the identity's size as the next encryption key. The caller holds the lock for
// LockByte::keys.
void put_encryption_key(const Home& home, const Identity& identity, const RsaPrivateKey& key,
                        std::uint64_t rotate_days, const FileLock& held_lock);

// The key statement of the newest key, expired or not: our card. Throws Error{config} when there is
// none.
KeyStatement own_card(const Home& home);

// Overwrites and unlinks the keys that have expired or are no longer among the newest two, for
// commands that need none themselves. Leaves them to whoever is at the keys already.
void drop_old_keys(const Home& home);

// A keyring that follows what other commands do to the files. Any thread. A failure leaves the keys
// that are in use, and the next call tries again.
class LiveKeyring {
 public:
  // Makes a key if one is due. Throws as load_keyring() does.
  LiveKeyring(const Home& home, const Identity& identity, std::uint64_t rotate_days);

  std::shared_ptr<const Keyring> now() const;
  // Reads the files again if there are others than before. Cheap otherwise: for every unknown key
  // id.
  void reread();
  // Makes a key if one is due and drops what has expired. Takes the time of making a key; returns
  // at once while another thread is at it. To be called once a second.
  void renew();

 private:
  void replace(std::shared_ptr<const Keyring> keyring);
  // Lets reread() look once more at files that are not those in use: they may be whole now.
  void try_again_if_others();

  const Home& home_;
  const Identity& identity_;
  std::uint64_t rotate_days_;
  std::mutex renewing_;
  std::mutex rereading_;
  std::vector<std::uint64_t> tried_;  // the files as reread() last found them
  mutable std::mutex mutex_;          // guards the next
  std::shared_ptr<const Keyring> keyring_;
};

}  // namespace p2pchat

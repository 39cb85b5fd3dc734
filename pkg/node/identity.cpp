#include "node/identity.h"

#include <future>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "jose/jwk.h"
#include "node/keyring.h"

namespace p2pchat {

std::string fingerprint(const std::string& identity_id) {
  return std::string(kFingerprintPrefix) + identity_id;
}

std::string read_fingerprint(const std::string& text) {
  if (text.starts_with(kFingerprintPrefix)) {
    std::string id = text.substr(kFingerprintPrefix.size());
    if (is_thumbprint(id)) return id;
  }
  throw Error(
      Status::data, "not a fingerprint: " + in_quotes(text),
      "a fingerprint is SHA256: and 43 characters, as 'p2pchat keygen --fingerprint' prints");
}

Error unusable_key(const std::string& path, const std::string& why) {
  const bool encrypted = why.find("passphrase") != std::string::npos;
  return {Status::config, "cannot use " + in_quotes(path) + ": " + why,
          encrypted ? "name the file that holds it with P2PCHAT_PASSPHRASE_FILE" : ""};
}

Identity load_identity(const Home& home) {
  home.require_identity();
  forbid_core_dumps();
  const std::string path = home.identity_file();
  const Secret pem(read_secret_file(path, kMaxKeyTextBytes));
  Result<RsaPrivateKey> key = RsaPrivateKey::from_pem(pem.view(), home.passphrase());
  if (!key) throw unusable_key(path, key.why());
  std::string id = thumbprint(key->public_key());
  return {*std::move(key), std::move(id)};
}

Created create_identity(const Home& home, unsigned bits, std::uint64_t rotate_days,
                        Present present) {
  forbid_core_dumps();
  make_private_folder(home.folder());
  if (home.has_identity() && present == Present::keep) return {load_identity(home), false};
  const FileLock lock(home.lock_file(), LockByte::keys, kKeysPatience);
  if (!lock.held()) {
    throw Error(Status::system,
                "the keys in " + in_quotes(home.folder()) + " are being made elsewhere");
  }
  if (home.has_identity() && present == Present::keep) return {load_identity(home), false};
  if (home.has_identity() && present == Present::refuse) {
    throw Error(Status::cannot_create,
                "there is an identity already: " + in_quotes(home.identity_file()),
                "--if-missing keeps it, --force replaces it (its peers must then register again)");
  }
  // Side by side, since nothing else takes as long; one after the other where threads are lacking.
  std::future<RsaPrivateKey> encryption_key = std::async(RsaPrivateKey::generate, bits);
  RsaPrivateKey key = RsaPrivateKey::generate(bits);
  const RsaPrivateKey encryption = encryption_key.get();
  std::string id = thumbprint(key.public_key());
  Identity identity{std::move(key), std::move(id)};
  // Keys of a former identity are of no use to this one. First, since a node with an identity alone
  // makes itself a key, but one whose keys are another's is of no use at all.
  for (const std::uint64_t seq : home.encryption_seqs()) shred_file(home.encryption_file(seq));
  shred_leftovers(home.folder(), "");
  write_secret_file(home.identity_file(), identity.key.pem(home.passphrase()).view());
  put_encryption_key(home, identity, encryption, rotate_days, lock);
  return {std::move(identity), true};
}

}  // namespace p2pchat

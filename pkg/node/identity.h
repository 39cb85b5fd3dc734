// Who this node is: its identity key, and how a person sees it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "crypto/rsa_key.h"
#include "node/home.h"

namespace p2pchat {

struct Identity {
  RsaPrivateKey key;
  std::string id;  // IK, base64url
};

inline constexpr std::string_view kFingerprintPrefix = "SHA256:";

// "SHA256:" and the IK.
std::string fingerprint(const std::string& identity_id);
// The IK of a whole fingerprint. Throws Error{data}.
std::string read_fingerprint(const std::string& text);

// A key file that cannot be used, and what helps.
Error unusable_key(const std::string& path, const std::string& why);

// Throws Error{config} when there is none or it cannot be used, Error{trust} when it is not ours
// alone. From here on the process leaves no core dump.
Identity load_identity(const Home& home);

// What to do when there is an identity already.
enum class Present { refuse, keep, replace };

struct Created {
  Identity identity;
  bool is_new = true;  // false: kept
};

// Makes the state folder if need be, the identity and its first encryption key. Throws
// Error{cannot_create}.
Created create_identity(const Home& home, unsigned bits, std::uint64_t rotate_days,
                        Present present);

}  // namespace p2pchat

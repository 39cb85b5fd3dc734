// The key statement: a node's identity key vouching for its current encryption key.
// p2pchat-protocol(7) "Key statement". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/rsa_key.h"

namespace p2pchat {

inline constexpr std::string_view kKeyStatementType = "p2pchat-keys+jwt";
inline constexpr std::uint64_t kMaxStatementDays = 400;

struct KeyStatement {
  std::string token;        // compact JWS, as it came or as it will be sent
  std::string identity_id;  // IK: thumbprint of the identity key
  RsaPublicKey identity;
  std::string encryption_id;  // EK: thumbprint of the encryption key
  RsaPublicKey encryption;
  std::uint64_t seq = 0;  // grows with every new encryption key
  std::uint64_t iat = 0;  // seconds since 1970
  std::uint64_t exp = 0;

  bool expired(std::uint64_t now) const { return exp <= now; }
};

// Says and signs it. iat < exp <= iat + kMaxStatementDays.
KeyStatement make_key_statement(const RsaPrivateKey& identity, const RsaPublicKey& encryption,
                                std::uint64_t seq, std::uint64_t iat, std::uint64_t exp);

// Everything that can be checked without knowing the node before: form, key policy for both keys,
// thumbprints, lifetime, signature. Whether it has expired, and how it relates to what is stored
// (pin, seq), is for the caller.
Result<KeyStatement> read_key_statement(std::string_view token);

// Of a statement that was read before and is stored here, without a look at anything else: its
// identity key, which obeys the key policy, and its exp. Nothing when it has none.
std::optional<RsaPublicKey> statement_identity(std::string_view token);
std::optional<std::uint64_t> statement_expiry(std::string_view token);

// How a statement of the pinned key relates to the stored one.
enum class SeqOrder { newer, same, older, forked };  // forked: equal seq, another encryption key
SeqOrder compare_seq(const KeyStatement& received, const KeyStatement& stored);

}  // namespace p2pchat

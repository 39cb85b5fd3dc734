// Sealed requests, messages and registrations: JWS in JWE. p2pchat-protocol(7) "Sealed request".
// Pure; times and keys come from the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/rsa_key.h"
#include "crypto/secret.h"
#include "jose/jwe.h"
#include "protocol/key_statement.h"

namespace p2pchat {

inline constexpr std::uint64_t kMaxRequestDays = 30;
inline constexpr std::uint64_t kClockToleranceSeconds = 600;
inline constexpr std::size_t kMaxNameHintBytes = 64;

enum class RequestType { message, registration };

// UTF-8 of at most kMaxNameHintBytes without C0, DEL and C1 controls.
bool is_name_hint(std::string_view text);

// What only a registration carries.
struct Introduction {
  KeyStatement keys;  // the sender's
  std::string addr;   // address claim, may be ""
  std::string name;   // a hint, may be ""
};

// A request that was opened and verified: its signature and every claim.
struct Request {
  RequestType type = RequestType::message;
  std::string iss;  // IK of the sender
  std::string aud;  // IK of the receiver
  std::uint64_t iat = 0;
  std::uint64_t exp = 0;
  std::string jti;
  Secret reply_key;                          // rk
  std::string body;                          // of a message
  std::optional<Introduction> introduction;  // of a registration
  std::string content_hash;  // SHA-256 over typ, aud and body: tells an id's contents apart
  std::string frame_hash;    // SHA-256 of the frame without its NUL: rh of the ack
};

// What the sender says; the rest is made by seal_request().
struct Draft {
  RequestType type = RequestType::message;
  std::uint64_t iat = 0;
  std::uint64_t exp = 0;
  std::string jti;
  std::string body;             // message
  std::string statement_token;  // registration: our key statement
  std::string addr;             // registration
  std::string name;             // registration
};

struct SealedRequest {
  std::string frame;       // without NUL
  Secret reply_key;        // opens the ack
  std::string frame_hash;  // what the ack's rh must be
};

// Seals to the encryption key of `receiver`, with a fresh reply key. In two steps: see JweSealer.
class RequestSealer {
 public:
  explicit RequestSealer(const KeyStatement& receiver);

  // As the frame begins.
  const std::string& head() const { return jwe_.head(); }
  SealedRequest seal(const Draft& draft, const RsaPrivateKey& identity,
                     const std::string& identity_id) const;

 private:
  std::string receiver_id_;
  JweSealer jwe_;
};
// In one.
SealedRequest seal_request(const Draft& draft, const RsaPrivateKey& identity,
                           const std::string& identity_id, const KeyStatement& receiver);

// SHA-256 over typ, aud and body as Request::content_hash has it.
std::string content_hash(RequestType type, std::string_view aud, std::string_view body);

// The key id (EK) to which a frame is sealed, from as much of it as has come: nothing unless its
// first segment has ended and is the header of a sealed request.
std::optional<std::string> recipient_key_id(std::string_view frame_prefix);

// A frame's content key, which its first two segments give: the costly part of opening it.
struct UnwrappedKey {
  std::string wrapped;
  Secret key;
};

// The identity key of a known peer (trusted, pending or blocked), by its IK.
using IdentityLookup = std::function<std::optional<RsaPublicKey>(const std::string& identity_id)>;

// Asked when a frame has passed all checks that are cheap, before the operation with the private
// key; false: refused.
using Admit = std::function<bool()>;

struct Receiver {
  std::string identity_id;  // our IK
  RsaPublicKey identity;    // what costs a signature's time when there is none to be verified
  std::uint64_t now = 0;    // seconds; for the expiry of a key statement only
};

// From a frame of which its first two segments have come, and perhaps more; nothing before that,
// when the key has another size than ours, or when it is not admitted.
std::optional<UnwrappedKey> unwrap_early(std::string_view frame_prefix,
                                         const RsaPrivateKey& encryption_key, const Admit& admit);

// Opens and verifies in the order of DESIGN 3.6. A refusal is answered with our key statement,
// whatever its reason. The clock is not judged here: see clocks_agree(). Without `admit` everybody
// is admitted; who was admitted early is not asked about again.
Result<Request> open_request(std::string_view frame, const RsaPrivateKey& encryption_key,
                             const Receiver& receiver, const IdentityLookup& known_identity,
                             const Admit& admit = {}, const UnwrappedKey* early = nullptr);

// False when the request comes from the future or has expired: `skew`.
bool clocks_agree(const Request& request, std::uint64_t now);

}  // namespace p2pchat

#include "protocol/request.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/evp.h"
#include "jose/base64url.h"
#include "jose/json.h"
#include "jose/jwe.h"
#include "jose/jws.h"
#include "protocol/address.h"
#include "protocol/claims.h"

namespace p2pchat {

namespace {

constexpr std::string_view kSealedType = "p2pchat+jwe";
constexpr std::string_view kMessageType = "p2pchat-msg+jwt";
constexpr std::string_view kRegistrationType = "p2pchat-reg+jwt";

std::string_view type_name(RequestType type) {
  return type == RequestType::message ? kMessageType : kRegistrationType;
}

std::optional<RequestType> read_type(std::string_view typ) {
  if (typ == kMessageType) return RequestType::message;
  if (typ == kRegistrationType) return RequestType::registration;
  return std::nullopt;
}

// The key that a request's signature is checked with. Of an unknown sender only a registration can
// be verified, with the key it brings.
std::optional<RsaPublicKey> verification_key(const UnverifiedJws& jws, RequestType type,
                                             const std::optional<KeyStatement>& brought,
                                             const IdentityLookup& known_identity) {
  if (auto known = known_identity(jws.kid())) return known;
  const bool introduces_itself =
      type == RequestType::registration && brought && brought->identity_id == jws.kid();
  if (introduces_itself) return brought->identity;
  return std::nullopt;
}

// What a request costs follows from its bytes alone: whether we know its sender, and the size of
// that key, must not be told by the time of the answer. So a signature that cannot be the sender's
// is held against a modulus of its own size that is nobody's, all ones, so that there is something
// to compute; and each against a key made anew, since OpenSSL is faster with one that it has used.
bool verifies(const UnverifiedJws& jws, const std::optional<RsaPublicKey>& key) {
  if (jws.signature_bytes() > kMaxKeyBits / 8) return false;
  const bool may_be_theirs = key && jws.may_be_of(*key);
  const std::string modulus =
      may_be_theirs ? key->modulus() : std::string(jws.signature_bytes(), '\xFF');
  const auto made_anew = RsaPublicKey::from_components(modulus, kExponent65537);
  const bool is_good = made_anew && jws.verify(*made_anew);
  return may_be_theirs && is_good;
}

// The same for one that does not open, in which there is neither a sender nor a signature. Whoever
// cannot make the tag learns nothing from the little that is left.
void spend_a_verification(const Receiver& receiver, std::string_view message,
                          const IdentityLookup& known_identity) {
  static_cast<void>(known_identity(receiver.identity_id));
  std::string signature(receiver.identity.bytes(), 'x');
  signature.front() = '\0';  // below any modulus
  const auto made_anew = RsaPublicKey::from_components(receiver.identity.modulus(), kExponent65537);
  if (made_anew) static_cast<void>(verify_ps256(made_anew->evp(), message, signature));
}

// The claims that both types have; false when one is missing or breaks its grammar.
bool take_common(JsonObject& claims, const Receiver& receiver, Request& request) {
  const bool version = take_version(claims);
  const auto iss = claims.take_string("iss");
  const auto aud = claims.take_string("aud");
  const auto iat = claims.take_integer("iat");
  const auto exp = claims.take_integer("exp");
  auto jti = claims.take_string("jti");
  const auto rk = claims.take_string("rk");
  if (!version || iss != request.iss || aud != receiver.identity_id || !iat || !exp || !jti ||
      !rk || !take_pad(claims)) {
    return false;
  }
  auto reply_key = decode_base64url(*rk, kReplyKeyBytes);
  if (!reply_key || !is_message_id(*jti) || request.iss == receiver.identity_id) return false;
  if (*exp <= *iat || *exp - *iat > kMaxRequestDays * kSecondsPerDay) return false;
  request.aud = receiver.identity_id;
  request.iat = *iat;
  request.exp = *exp;
  request.jti = *std::move(jti);
  request.reply_key = Secret(*std::move(reply_key));
  return true;
}

bool take_introduction(JsonObject& claims, std::optional<KeyStatement> brought, Request& request) {
  auto addr = claims.take_string("addr");
  auto name = claims.take_string("name");
  if (!addr || !is_address_claim(*addr) || !name || !is_name_hint(*name)) return false;
  if (!brought || brought->identity_id != request.iss) return false;
  request.introduction = Introduction{*std::move(brought), *std::move(addr), *std::move(name)};
  return true;
}

}  // namespace

bool is_name_hint(std::string_view text) {
  if (text.size() > kMaxNameHintBytes || !is_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 = byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (byte < 0x20 || byte == 0x7F || c1) return false;
  }
  return true;
}

RequestSealer::RequestSealer(const KeyStatement& receiver)
    : receiver_id_(receiver.identity_id),
      jwe_(receiver.encryption, receiver.encryption_id, kSealedType) {}

SealedRequest RequestSealer::seal(const Draft& draft, const RsaPrivateKey& identity,
                                  const std::string& identity_id) const {
  std::string reply_key = random_bytes(kReplyKeyBytes);
  const std::string rk = encode_base64url(reply_key);
  const std::string body = encode_base64url(draft.body);
  std::vector<JsonMember> members = {{"v", kProtocolVersion},
                                     {"iss", identity_id},
                                     {"aud", receiver_id_},
                                     {"iat", draft.iat},
                                     {"exp", draft.exp},
                                     {"jti", draft.jti},
                                     {"rk", rk}};
  if (draft.type == RequestType::message) {
    members.emplace_back("body", body);
  } else {
    members.emplace_back("keys", draft.statement_token);
    members.emplace_back("addr", draft.addr);
    members.emplace_back("name", draft.name);
  }
  const std::string signed_token = sign_jws(identity, identity_id, type_name(draft.type),
                                            write_padded_claims(std::move(members)));
  SealedRequest sealed;
  sealed.frame = jwe_.seal(signed_token);
  sealed.reply_key = Secret(std::move(reply_key));
  sealed.frame_hash = sha256(sealed.frame);
  return sealed;
}

SealedRequest seal_request(const Draft& draft, const RsaPrivateKey& identity,
                           const std::string& identity_id, const KeyStatement& receiver) {
  return RequestSealer(receiver).seal(draft, identity, identity_id);
}

std::string content_hash(RequestType type, std::string_view aud, std::string_view body) {
  std::string content(type_name(type));
  content += '\0';
  content += aud;
  content += '\0';
  content += body;
  return sha256(content);
}

std::optional<std::string> recipient_key_id(std::string_view frame_prefix) {
  const std::size_t dot = frame_prefix.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  return SealedJwe::recipient(frame_prefix.substr(0, dot), kSealedType);
}

std::optional<UnwrappedKey> unwrap_early(std::string_view frame_prefix,
                                         const RsaPrivateKey& encryption_key, const Admit& admit) {
  auto wrapped = SealedJwe::encrypted_key(frame_prefix);
  if (!wrapped || wrapped->size() != encryption_key.bytes() || !admit()) return std::nullopt;
  Secret key = *unwrap_key(encryption_key, *wrapped);
  return UnwrappedKey{*std::move(wrapped), std::move(key)};
}

Result<Request> open_request(std::string_view frame, const RsaPrivateKey& encryption_key,
                             const Receiver& receiver, const IdentityLookup& known_identity,
                             const Admit& admit, const UnwrappedKey* early) {
  const Result<SealedJwe> jwe = SealedJwe::parse(frame);
  if (!jwe) return jwe.refusal();
  if (jwe->encrypted_key().size() != encryption_key.bytes()) {
    return Refusal{"an encrypted key of another size"};
  }
  const Secret* content_key = nullptr;
  std::optional<Secret> unwrapped;
  if (early != nullptr && early->wrapped == jwe->encrypted_key()) {
    content_key = &early->key;
  } else {
    if (admit && !admit()) return Refusal{"not admitted"};
    unwrapped = unwrap_key(encryption_key, jwe->encrypted_key());
    content_key = &*unwrapped;
  }
  const auto signed_token = jwe->open(*content_key);
  if (!signed_token) {
    spend_a_verification(receiver, frame, known_identity);
    return Refusal{"it does not open"};
  }

  const Result<UnverifiedJws> jws = UnverifiedJws::parse(*signed_token);
  if (!jws) return jws.refusal();
  const auto type = read_type(jws->typ());
  std::optional<JsonObject> claims = JsonObject::parse(jws->payload());
  if (!type || !claims) return Refusal{"neither a message nor a registration"};
  std::optional<KeyStatement> brought;
  if (*type == RequestType::registration) {
    const auto token = claims->take_string("keys");
    Result<KeyStatement> statement =
        token ? read_key_statement(*token) : Result<KeyStatement>(Refusal{"no key statement"});
    if (statement && !statement->expired(receiver.now)) brought = *std::move(statement);
  }
  if (!verifies(*jws, verification_key(*jws, *type, brought, known_identity))) {
    return Refusal{"its signature does not verify"};
  }

  Request request;
  request.type = *type;
  request.iss = jws->kid();
  if (!take_common(*claims, receiver, request)) return Refusal{"a claim that breaks its rule"};
  if (*type == RequestType::registration) {
    if (!take_introduction(*claims, std::move(brought), request)) {
      return Refusal{"an introduction that breaks its rule"};
    }
  } else {
    auto body = take_body(*claims);
    if (!body) return Refusal{"a body that breaks its rule"};
    request.body = *std::move(body);
  }
  if (!claims->empty()) return Refusal{"a claim that is not listed"};
  request.content_hash = content_hash(*type, request.aud, request.body);
  request.frame_hash = sha256(frame);
  return request;
}

bool clocks_agree(const Request& request, std::uint64_t now) {
  return request.iat <= now + kClockToleranceSeconds && request.exp > now;
}

}  // namespace p2pchat

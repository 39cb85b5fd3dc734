#include "protocol/key_statement.h"

#include "jose/compact.h"
#include "jose/json.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "protocol/claims.h"

namespace p2pchat {

namespace {

std::optional<JsonObject> unverified_claims(std::string_view token) {
  const auto segments = split_segments(token, 3);
  return segments.empty() ? std::nullopt : read_header(segments[1]);
}

}  // namespace

KeyStatement make_key_statement(const RsaPrivateKey& identity, const RsaPublicKey& encryption,
                                std::uint64_t seq, std::uint64_t iat, std::uint64_t exp) {
  KeyStatement statement;
  statement.identity = identity.public_key();
  statement.identity_id = thumbprint(statement.identity);
  statement.encryption = encryption;
  statement.encryption_id = thumbprint(encryption);
  statement.seq = seq;
  statement.iat = iat;
  statement.exp = exp;
  const JwkText jwk = jwk_text(statement.identity);
  const JwkText ek = jwk_text(statement.encryption);
  const std::string claims = write_json({{"v", kProtocolVersion},
                                         {"iss", statement.identity_id},
                                         {"jwk", jwk_members(jwk)},
                                         {"ek", jwk_members(ek)},
                                         {"seq", seq},
                                         {"iat", iat},
                                         {"exp", exp}});
  statement.token = sign_jws(identity, statement.identity_id, kKeyStatementType, claims);
  return statement;
}

Result<KeyStatement> read_key_statement(std::string_view token) {
  const Result<UnverifiedJws> jws = UnverifiedJws::parse(token);
  if (!jws) return jws.refusal();
  if (jws->typ() != kKeyStatementType) return Refusal{"not a key statement"};
  std::optional<JsonObject> claims = JsonObject::parse(jws->payload());
  if (!claims) return Refusal{"its claims are not a JSON object of the closed profile"};
  const bool version = take_version(*claims);
  const auto iss = claims->take_string("iss");
  auto jwk = claims->take_object("jwk");
  auto ek = claims->take_object("ek");
  const auto seq = claims->take_integer("seq");
  const auto iat = claims->take_integer("iat");
  const auto exp = claims->take_integer("exp");
  if (!version || !iss || !jwk || !ek || !seq || !iat || !exp || !claims->empty()) {
    return Refusal{"its claims are not exactly those of a key statement"};
  }
  Result<RsaPublicKey> identity = read_jwk(*std::move(jwk));
  if (!identity) return Refusal{"identity key: " + identity.why()};
  Result<RsaPublicKey> encryption = read_jwk(*std::move(ek));
  if (!encryption) return Refusal{"encryption key: " + encryption.why()};

  KeyStatement statement;
  statement.token = token;
  statement.identity_id = thumbprint(*identity);
  statement.identity = *std::move(identity);
  statement.encryption_id = thumbprint(*encryption);
  statement.encryption = *std::move(encryption);
  statement.seq = *seq;
  statement.iat = *iat;
  statement.exp = *exp;
  if (*iss != statement.identity_id || jws->kid() != statement.identity_id) {
    return Refusal{"it does not name the key that it holds"};
  }
  if (statement.encryption_id == statement.identity_id) {
    return Refusal{"its two keys are the same"};
  }
  if (*exp <= *iat || *exp - *iat > kMaxStatementDays * kSecondsPerDay) {
    return Refusal{"its lifetime is not within 400 days"};
  }
  if (!jws->verify(statement.identity)) return Refusal{"its signature does not verify"};
  return statement;
}

std::optional<RsaPublicKey> statement_identity(std::string_view token) {
  std::optional<JsonObject> claims = unverified_claims(token);
  std::optional<JsonObject> jwk = claims ? claims->take_object("jwk") : std::nullopt;
  if (!jwk) return std::nullopt;
  Result<RsaPublicKey> key = read_jwk(*std::move(jwk));
  if (!key) return std::nullopt;
  return *std::move(key);
}

std::optional<std::uint64_t> statement_expiry(std::string_view token) {
  std::optional<JsonObject> claims = unverified_claims(token);
  return claims ? claims->take_integer("exp") : std::nullopt;
}

SeqOrder compare_seq(const KeyStatement& received, const KeyStatement& stored) {
  if (received.seq > stored.seq) return SeqOrder::newer;
  if (received.seq < stored.seq) return SeqOrder::older;
  return received.encryption_id == stored.encryption_id ? SeqOrder::same : SeqOrder::forked;
}

}  // namespace p2pchat

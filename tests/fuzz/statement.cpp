// Key statements. Target statement takes the claims, signed for Alice by whoever may; card takes a
// whole token, with which nothing but what the owner has signed is accepted.
#include <algorithm>

#include "crypto/evp.h"
#include "fuzz.h"
#include "jose/base64url.h"
#include "jose/jwk.h"
#include "keys.h"
#include "model.h"
#include "protocol/key_statement.h"
#include "trust.h"

namespace p2pchat {

namespace {

std::string token_of(std::string_view claims) {
  const std::string header = write_json(
      {{"alg", "PS256"}, {"kid", alice().statement.identity_id}, {"typ", kKeyStatementType}});
  return encode_base64url(header) + "." + encode_base64url(claims) + "." +
         encode_base64url(std::string(alice().identity.bytes(), 's'));
}

std::string model_thumbprint(const ModelObject& jwk) {
  return encode_base64url(
      sha256(R"({"e":"AQAB","kty":"RSA","n":")" + *member<std::string>(jwk, "n") + "\"}"));
}

bool is_statement(const ModelObject& claims) {
  const auto* v = member<std::uint64_t>(claims, "v");
  const auto* jwk = member<ModelObject>(claims, "jwk");
  const auto* ek = member<ModelObject>(claims, "ek");
  return has_exactly(claims, {"v", "iss", "jwk", "ek", "seq", "iat", "exp"}) && v != nullptr &&
         *v == 1 && jwk != nullptr && ek != nullptr && model_is_jwk(*jwk) && model_is_jwk(*ek) &&
         *jwk != *ek && model_thumbprint(*jwk) == alice().statement.identity_id &&
         is_text(claims, "iss", alice().statement.identity_id) &&
         member<std::uint64_t>(claims, "seq") != nullptr && model_is_lifetime(claims, 400);
}

}  // namespace

FUZZ_TARGET(statement) {
  const JwkText identity = jwk_text(alice().identity.public_key());
  const JwkText encryption = jwk_text(alice().encryption.public_key());
  const std::string text = fill(input, {{"$ALICE", alice().statement.identity_id},
                                        {"$BOB", bob().statement.identity_id},
                                        {"$IDENTITY", identity.n},
                                        {"$ENCRYPTION", encryption.n}});
  const TrustEverything trust;
  const std::string token = token_of(text);
  const Result<KeyStatement> statement = read_key_statement(token);
  const auto claims = model_json(text);
  HOLDS(static_cast<bool>(statement) == (claims && is_statement(*claims)));
  if (!statement) {
    HOLDS(!statement.why().empty());
    return;
  }
  HOLDS(statement->token == token);
  HOLDS(statement_expiry(token) == statement->exp);
  const auto key = statement_identity(token);
  HOLDS(key && thumbprint(*key) == statement->identity_id);
  HOLDS(statement->expired(statement->exp) && !statement->expired(statement->exp - 1));
  HOLDS(compare_seq(*statement, *statement) == SeqOrder::same);
  HOLDS(thumbprint(statement->encryption) == statement->encryption_id);

  const Result<KeyStatement> again = read_key_statement(token_of(write_json(members_of(*claims))));
  HOLDS(again && again->identity_id == statement->identity_id &&
        again->encryption_id == statement->encryption_id && again->seq == statement->seq &&
        again->iat == statement->iat && again->exp == statement->exp);
}

FUZZ_TARGET(card) {
  const std::vector<std::string_view> good = {alice().statement.token, bob().statement.token,
                                              old_statement_of_bob().token,
                                              carol().statement.token};
  const std::string text =
      fill(input, {{"$ALICE", good[0]}, {"$BOB", good[1]}, {"$OLD", good[2]}, {"$CAROL", good[3]}});
  const Result<KeyStatement> statement = read_key_statement(text);
  HOLDS(static_cast<bool>(statement) == (std::find(good.begin(), good.end(), text) != good.end()));
  HOLDS(statement || !statement.why().empty());
  if (!statement) return;
  const auto key = statement_identity(text);
  HOLDS(key && thumbprint(*key) == statement->identity_id);
  HOLDS(statement_expiry(text) == statement->exp);
}

}  // namespace p2pchat

// Public keys as JSON, and the key policy.
#include "jose/jwk.h"

#include "fuzz.h"
#include "keys.h"
#include "model.h"

namespace p2pchat {

FUZZ_TARGET(jwk) {
  const JwkText good = jwk_text(alice().identity.public_key());
  const std::string text = fill(input, {{"$N", good.n}});
  auto object = JsonObject::parse(text);
  const auto model = model_json(text);
  HOLDS(object.has_value() == model.has_value());
  if (!object) return;
  const Result<RsaPublicKey> key = read_jwk(*std::move(object));
  HOLDS(static_cast<bool>(key) == model_is_jwk(*model));
  if (!key) {
    HOLDS(!key.why().empty());
    return;
  }
  const JwkText again = jwk_text(*key);
  HOLDS(is_text(*model, "n", again.n) && is_text(*model, "e", again.e));
  HOLDS(is_thumbprint(thumbprint(*key)));
  const Result<RsaPublicKey> from_pem = RsaPublicKey::from_pem(key->pem());
  HOLDS(from_pem && from_pem->modulus() == key->modulus());
}

}  // namespace p2pchat

// Base64url: one text for each byte string, and nothing else.
#include "jose/base64url.h"

#include "base/text.h"
#include "fuzz.h"
#include "model.h"

namespace p2pchat {

FUZZ_TARGET(base64url) {
  const auto decoded = decode_base64url(input);
  HOLDS(decoded == model_base64url(input));
  if (decoded) HOLDS(encode_base64url(*decoded) == input);

  const std::string text = encode_base64url(input);
  HOLDS(model_base64url(text) == input);
  HOLDS(decode_base64url(text, input.size()) == input);
  HOLDS(!decode_base64url(text, input.size() + 1));

  // The other alphabet, with padding.
  std::string padded = text;
  for (char& c : padded) c = c == '-' ? '+' : c == '_' ? '/' : c;
  padded.append((4 - padded.size() % 4) % 4, '=');
  HOLDS(base64(input) == padded);
}

}  // namespace p2pchat

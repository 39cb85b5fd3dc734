// The structure of signed tokens: a token as it is, or (after a first line "parts") its header,
// payload and signature on a line each, before they are encoded.
#include "jose/jws.h"

#include "fuzz.h"
#include "jose/base64url.h"
#include "jose/compact.h"
#include "model.h"

namespace p2pchat {

namespace {

void check_token(std::string_view token) {
  const auto segments = split_segments(token, 3);
  std::string joined;
  for (const std::string_view segment : segments) {
    HOLDS(segment.find('.') == std::string_view::npos);
    joined += (joined.empty() && segment.data() == token.data() ? "" : ".") + std::string(segment);
  }
  HOLDS(segments.empty() || (segments.size() == 3 && joined == token));

  const auto header = segments.empty() ? std::nullopt : model_base64url(segments[0]);
  const auto members = header ? model_json(*header) : std::nullopt;
  const auto payload = members ? model_base64url(segments[1]) : std::nullopt;
  const auto signature = members ? model_base64url(segments[2]) : std::nullopt;
  const bool good = payload && signature && !signature->empty() &&
                    has_exactly(*members, {"alg", "kid", "typ"}) &&
                    is_text(*members, "alg", "PS256") && member<std::string>(*members, "kid") &&
                    member<std::string>(*members, "typ");
  const Result<UnverifiedJws> jws = UnverifiedJws::parse(token);
  HOLDS(static_cast<bool>(jws) == good);
  if (!jws) {
    HOLDS(!jws.why().empty());
    return;
  }
  HOLDS(jws->kid() == *member<std::string>(*members, "kid"));
  HOLDS(jws->typ() == *member<std::string>(*members, "typ"));
  HOLDS(jws->payload() == *payload);
}

}  // namespace

FUZZ_TARGET(jws) {
  std::string_view rest = input;
  if (take_line(rest) != "parts") return check_token(input);
  const std::string_view header = take_line(rest);
  const std::string_view payload = take_line(rest);
  check_token(encode_base64url(header) + "." + encode_base64url(payload) + "." +
              encode_base64url(rest));
}

}  // namespace p2pchat

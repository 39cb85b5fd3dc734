// The structure of encrypted tokens and their two headers: a token as it is, or (after a first line
// "parts") its header and the lengths of the other segments (a byte each, the first times 4),
// before they are encoded.
#include "jose/jwe.h"

#include "fuzz.h"
#include "jose/base64url.h"
#include "jose/compact.h"
#include "model.h"
#include "protocol/ack.h"
#include "protocol/request.h"

namespace p2pchat {

namespace {

constexpr std::string_view kRequest = "p2pchat+jwe";
constexpr std::string_view kAck = "p2pchat-ack+jwe";

void check_header(std::string_view segment) {
  const auto text = model_base64url(segment);
  const auto header = text ? model_json(*text) : std::nullopt;
  const bool direct = header && has_exactly(*header, {"alg", "enc", "typ"}) &&
                      is_text(*header, "alg", "dir") && is_text(*header, "enc", "A256GCM");
  HOLDS(SealedJwe::is_direct(segment, kAck) == (direct && is_text(*header, "typ", kAck)));
  HOLDS(is_ack_header(segment) == SealedJwe::is_direct(segment, kAck));
  const bool wrapped = header && has_exactly(*header, {"alg", "enc", "kid", "typ", "cty"}) &&
                       is_text(*header, "alg", "RSA-OAEP-256") &&
                       is_text(*header, "enc", "A256GCM") && is_text(*header, "typ", kRequest) &&
                       is_text(*header, "cty", "JWT");
  const auto* kid = wrapped ? member<std::string>(*header, "kid") : nullptr;
  const auto recipient = SealedJwe::recipient(segment, kRequest);
  HOLDS(recipient == (kid != nullptr ? std::optional(*kid) : std::nullopt));
}

void check_token(std::string_view token) {
  const std::size_t dot = token.find('.');
  const std::string_view first = token.substr(0, dot);
  check_header(first);
  // What a listener asks of the beginning of a frame.
  HOLDS(recipient_key_id(token) ==
        (dot == std::string_view::npos ? std::nullopt : SealedJwe::recipient(first, kRequest)));
  const std::size_t second = dot == std::string_view::npos ? dot : token.find('.', dot + 1);
  HOLDS(SealedJwe::encrypted_key(token) ==
        (second == std::string_view::npos
             ? std::nullopt
             : model_base64url(token.substr(dot + 1, second - dot - 1))));

  const auto segments = split_segments(token, 5);
  const bool good = !segments.empty() && model_base64url(segments[1]) &&
                    model_is_base64url(segments[2], 12) && model_base64url(segments[3]) &&
                    model_is_base64url(segments[4], 16);
  const Result<SealedJwe> jwe = SealedJwe::parse(token);
  HOLDS(static_cast<bool>(jwe) == good);
  if (!jwe) {
    HOLDS(!jwe.why().empty());
    return;
  }
  HOLDS(encode_base64url(jwe->encrypted_key()) == segments[1]);
  HOLDS(!jwe->open_direct(Secret(std::string(kContentKeyBytes, 'k'))));
}

}  // namespace

FUZZ_TARGET(jwe) {
  std::string_view rest = input;
  if (take_line(rest) != "parts") return check_token(input);
  std::string token = encode_base64url(take_line(rest));
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t length = i < rest.size() ? static_cast<unsigned char>(rest[i]) : 0;
    token += "." + encode_base64url(std::string(i == 0 ? length * 4 : length, 'x'));
  }
  check_token(token);
}

}  // namespace p2pchat

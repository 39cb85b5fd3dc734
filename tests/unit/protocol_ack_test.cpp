#include "protocol/ack.h"

#include <catch2/catch.hpp>

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "jose/jwe.h"
#include "protocol/claims.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

// Made once: an ack does not change the exchange it answers.
const Exchange& exchange(RequestType type = RequestType::message) {
  static const Exchange message(RequestType::message);
  static const Exchange registration(RequestType::registration);
  return type == RequestType::message ? message : registration;
}

RawObject ack_claims(const Exchange& answered = exchange()) {
  return {{"v", "1"},
          {"iss", json_string(bob_statement().identity_id)},
          {"aud", json_string(alice_statement().identity_id)},
          {"irt", json_string(answered.draft.jti)},
          {"rh", json_string(encode_base64url(answered.sealed.frame_hash))},
          {"st", "\"ok\""},
          {"iat", std::to_string(kNow)},
          {"body", "\"\""},
          {"rc", "0"},
          {"keys", "\"\""},
          {"pad", "\"\""}};
}

Result<Ack> opened(const std::string& claims, const RawObject& header = direct_header()) {
  return open_ack(seal_direct_raw(exchange().sealed.reply_key, header.text(), claims),
                  exchange().expected());
}

bool taken(const RawObject& claims) {
  return static_cast<bool>(opened(claims.text()));
}

}  // namespace

TEST_CASE("ack: what is answered is what is read") {
  const AckStatus status = GENERATE(AckStatus::ok, AckStatus::dup);
  const std::string body =
      GENERATE(as<std::string>{}, std::string(), std::string("\0reply\xFF\n", 8));
  const Ack ack{status, kNow + 1, body, 255, bob_statement().token};
  const auto read = open_ack(seal_ack(ack, exchange().request), exchange().expected());
  REQUIRE(read);
  CHECK(read->status == status);
  CHECK(read->iat == kNow + 1);
  CHECK(read->body == body);
  CHECK(read->rc == 255);
  CHECK(read->keys == bob_statement().token);
}

TEST_CASE("ack: the largest reply is read, and one byte more is refused") {
  Ack ack;
  ack.body = std::string(kMaxBodyBytes, 'x');
  const auto read = open_ack(seal_ack(ack, exchange().request), exchange().expected());
  REQUIRE(read);
  CHECK(read->body == ack.body);
  ack.body += 'x';
  CHECK_FALSE(open_ack(seal_ack(ack, exchange().request), exchange().expected()));
}

TEST_CASE("ack: a status is one that answers this type of request") {
  const auto [name, message, registration] = GENERATE(table<std::string, bool, bool>({
      {"ok", true, false},
      {"dup", true, false},
      {"conflict", true, false},
      {"trusted", false, true},
      {"pending", true, true},
      {"busy", true, true},
      {"skew", true, true},
      {"OK", false, false},
      {"", false, false},
      {"blocked", false, false},
  }));
  CAPTURE(name);
  const RequestType type = GENERATE(RequestType::message, RequestType::registration);
  const Exchange& answered = exchange(type);
  const std::string claims = ack_claims(answered).set("st", json_string(name)).text();
  const std::string token =
      seal_direct_raw(answered.sealed.reply_key, direct_header().text(), claims);
  CHECK(static_cast<bool>(open_ack(token, answered.expected())) ==
        (type == RequestType::message ? message : registration));
}

TEST_CASE("ack: every status is read as it was written") {
  const auto [status, type] = GENERATE(table<AckStatus, RequestType>({
      {AckStatus::ok, RequestType::message},
      {AckStatus::dup, RequestType::message},
      {AckStatus::conflict, RequestType::message},
      {AckStatus::pending, RequestType::message},
      {AckStatus::trusted, RequestType::registration},
      {AckStatus::pending, RequestType::registration},
      {AckStatus::busy, RequestType::registration},
      {AckStatus::skew, RequestType::registration},
  }));
  Ack ack;
  ack.status = status;
  const auto read = open_ack(seal_ack(ack, exchange(type).request), exchange(type).expected());
  REQUIRE(read);
  CHECK(read->status == status);
}

TEST_CASE("ack: only ok and dup carry a reply") {
  const std::string status =
      GENERATE(as<std::string>{}, "ok", "dup", "pending", "busy", "skew", "conflict");
  const bool carries = status == "ok" || status == "dup";
  CAPTURE(status);
  const RawObject claims = ack_claims().set("st", json_string(status));
  CHECK(taken(claims));
  CHECK(taken(RawObject(claims).set("body", "\"AAAA\"")) == carries);
  CHECK(taken(RawObject(claims).set("rc", "1")) == carries);
}

TEST_CASE("ack: claims written by hand are taken, and each is required exactly once") {
  REQUIRE(taken(ack_claims()));
  const std::string name = GENERATE(as<std::string>{}, "v", "iss", "aud", "irt", "rh", "st", "iat",
                                    "body", "rc", "keys", "pad");
  CAPTURE(name);
  CHECK_FALSE(taken(ack_claims().drop(name)));
  CHECK_FALSE(taken(ack_claims().repeat(name)));
}

TEST_CASE("ack: a claim of another type or value is refused") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"v", "2"},
      {"v", "\"1\""},
      {"iss", "\"x\""},
      {"iss", "{}"},
      {"aud", "\"x\""},
      {"aud", "{}"},
      {"irt", "\"AAAAAAAAAAAAAAAAAAAAAA\""},
      {"rh", "\"x\""},
      {"rh", "0"},
      {"st", "0"},
      {"iat", "-1"},
      {"iat", "\"1\""},
      {"iat", "1.5"},
      {"body", "{}"},
      {"body", "\"AP8=\""},
      {"body", "\"A\""},
      {"rc", "256"},
      {"rc", "-1"},
      {"rc", "-0"},
      {"rc", "\"0\""},
      {"keys", "0"},
      {"keys", "{}"},
      {"pad", "\"x\""},
      {"pad", "\"\\n\""},
      {"extra", "\"\""},
      {"exp", "1"},
  }));
  CAPTURE(name, value);
  CHECK_FALSE(taken(ack_claims().set(name, value)));
}

TEST_CASE("ack: an ack of another request is refused") {
  const Exchange other;
  const std::string token = seal_ack(Ack{}, other.request);
  REQUIRE(open_ack(token, other.expected()));
  CHECK_FALSE(open_ack(token, exchange().expected()));
  // Under the right key, and still about another request.
  CHECK_FALSE(taken(ack_claims(other)));
  CHECK_FALSE(taken(ack_claims().set("irt", json_string(other.draft.jti))));
  CHECK_FALSE(
      taken(ack_claims().set("rh", json_string(encode_base64url(other.sealed.frame_hash)))));
  CHECK_FALSE(taken(ack_claims().set("iss", json_string(alice_statement().identity_id))));
  CHECK_FALSE(taken(ack_claims().set("aud", json_string(bob_statement().identity_id))));
}

TEST_CASE("ack: a changed ack is refused") {
  const std::size_t index = GENERATE(as<std::size_t>{}, 0, 2, 3, 4);
  const std::string token = seal_ack(Ack{}, exchange().request);
  CHECK_FALSE(open_ack(with_segment(token, index, with_changed_character(segment(token, index), 5)),
                       exchange().expected()));
}

TEST_CASE("ack: its header is exactly alg, enc and typ") {
  const std::string claims = ack_claims().text();
  CHECK(opened(claims));
  CHECK_FALSE(opened(claims, direct_header().set("typ", "\"p2pchat+jwe\"")));
  CHECK_FALSE(opened(claims, direct_header().set("alg", "\"A256GCMKW\"")));
  CHECK_FALSE(opened(claims, direct_header().set("zip", "\"DEF\"")));
  CHECK_FALSE(opened(claims, direct_header().repeat("alg")));
}

TEST_CASE("ack: its claims are one JSON object and nothing else") {
  const std::string claims = ack_claims().text();
  const std::string text = GENERATE_COPY(as<std::string>{}, std::string(), std::string("[]"),
                                         claims + "x", claims + '\0', "\xEF\xBB\xBF" + claims,
                                         claims + claims, claims.substr(0, claims.size() - 1));
  CHECK_FALSE(opened(text));
}

TEST_CASE("ack: an ack is told from a request by its header") {
  CHECK(is_ack_header(segment(seal_ack(Ack{}, exchange().request), 0)));
  CHECK_FALSE(is_ack_header(segment(exchange().sealed.frame, 0)));
  CHECK_FALSE(is_ack_header(segment(bob_statement().token, 0)));
  CHECK_FALSE(is_ack_header(""));
}

TEST_CASE("ack: its length tells nothing of the reply but its bucket") {
  const auto length_with = [](std::size_t reply, unsigned rc) {
    Ack ack;
    ack.body = std::string(reply, 'x');
    ack.rc = rc;
    return seal_ack(ack, exchange().request).size();
  };
  CHECK(length_with(0, 0) == length_with(100, 255));
  CHECK(length_with(0, 0) < length_with(2000, 0));
}

}  // namespace p2pchat

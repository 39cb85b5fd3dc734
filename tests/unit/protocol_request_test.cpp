#include "protocol/request.h"

#include <dlfcn.h>
#include <openssl/evp.h>

#include <catch2/catch.hpp>

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "protocol/claims.h"
#include "test_keys.h"

namespace {
int verifications = 0;
}

// Stands before OpenSSL's and counts.
extern "C" int EVP_DigestVerify(EVP_MD_CTX* context, const unsigned char* signature,
                                std::size_t signature_size, const unsigned char* message,
                                std::size_t message_size) {
  ++verifications;
  static const auto real =
      reinterpret_cast<decltype(&EVP_DigestVerify)>(dlsym(RTLD_NEXT, "EVP_DigestVerify"));
  return real(context, signature, signature_size, message, message_size);
}

namespace p2pchat {

namespace {

constexpr const char* kMessage = "p2pchat-msg+jwt";
constexpr const char* kRegistration = "p2pchat-reg+jwt";

const std::string& alice_id() {
  return alice_statement().identity_id;
}
const std::string& bob_id() {
  return bob_statement().identity_id;
}

RawObject common_claims() {
  return {{"v", "1"},
          {"iss", json_string(alice_id())},
          {"aud", json_string(bob_id())},
          {"iat", std::to_string(kNow)},
          {"exp", std::to_string(kNow + kSecondsPerDay)},
          {"jti", json_string("AAAAAAAAAAAAAAAAAAAAAA")},
          {"rk", json_string(encode_base64url(std::string(32, 'k')))},
          {"pad", json_string("  ")}};
}

RawObject message_claims() {
  return common_claims().set("body", "\"aGVsbG8\"");
}

RawObject registration_claims() {
  return common_claims()
      .set("keys", json_string(alice_statement().token))
      .set("addr", "\"alice.example:4040\"")
      .set("name", "\"alice\"");
}

std::string sealed_to_bob(const std::string& signed_token) {
  return seal_raw(bob_encryption().public_key(),
                  sealed_header(bob_statement().encryption_id).text(), signed_token);
}

std::string signed_by_alice(const std::string& typ, const std::string& claims) {
  return sign_raw(alice_identity(), signed_header(alice_id(), typ).text(), claims);
}

bool takes(const std::string& typ, const RawObject& claims, bool knows_alice = true) {
  return static_cast<bool>(
      open_as_bob(sealed_to_bob(signed_by_alice(typ, claims.text())), knows_alice));
}

bool takes_message(const RawObject& claims) {
  return takes(kMessage, claims);
}
bool takes_registration(const RawObject& claims) {
  return takes(kRegistration, claims);
}

SealedRequest seal(const Draft& draft) {
  return seal_request(draft, alice_identity(), alice_id(), bob_statement());
}

}  // namespace

TEST_CASE("request: a message comes back whole") {
  Exchange exchange;
  exchange.draft.body = GENERATE(as<std::string>{}, std::string(), std::string("\0bytes\xFF\n", 8),
                                 std::string(kMaxBodyBytes, 'x'));
  const SealedRequest sealed = seal(exchange.draft);
  const auto request = open_as_bob(sealed.frame);
  REQUIRE(request);
  CHECK(request->type == RequestType::message);
  CHECK(request->iss == alice_id());
  CHECK(request->aud == bob_id());
  CHECK(request->iat == exchange.draft.iat);
  CHECK(request->exp == exchange.draft.exp);
  CHECK(request->jti == exchange.draft.jti);
  CHECK(request->body == exchange.draft.body);
  CHECK_FALSE(request->introduction);
  CHECK(request->reply_key.view() == sealed.reply_key.view());
  CHECK(request->frame_hash == sha256(sealed.frame));
  CHECK(sealed.frame_hash == sha256(sealed.frame));
}

TEST_CASE("request: a registration comes back whole, known or not") {
  const bool known = GENERATE(true, false);
  const Exchange exchange(RequestType::registration);
  const auto request = open_as_bob(exchange.sealed.frame, known);
  REQUIRE(request);
  CHECK(request->type == RequestType::registration);
  CHECK(request->iss == alice_id());
  CHECK(request->body.empty());
  REQUIRE(request->introduction);
  CHECK(request->introduction->keys.token == alice_statement().token);
  CHECK(request->introduction->addr == "alice.example:4040");
  CHECK(request->introduction->name == "alice");
}

TEST_CASE("request: a stranger's message does not verify") {
  const Exchange exchange;
  CHECK(open_as_bob(exchange.sealed.frame, true));
  CHECK(open_as_bob(exchange.sealed.frame, false).why() == "its signature does not verify");
}

TEST_CASE("request: requests written by hand are taken, and each claim is required exactly once") {
  REQUIRE(takes_message(message_claims()));
  REQUIRE(takes_registration(registration_claims()));
  const std::string name = GENERATE(as<std::string>{}, "v", "iss", "aud", "iat", "exp", "jti", "rk",
                                    "pad", "body", "keys", "addr", "name");
  CAPTURE(name);
  const bool of_registration = name == "keys" || name == "addr" || name == "name";
  if (!of_registration) {
    CHECK_FALSE(takes_message(message_claims().drop(name)));
    CHECK_FALSE(takes_message(message_claims().repeat(name)));
  }
  if (name != "body") {
    CHECK_FALSE(takes_registration(registration_claims().drop(name)));
    CHECK_FALSE(takes_registration(registration_claims().repeat(name)));
  }
}

TEST_CASE("request: order, spacing and escapes of the claims are the sender's") {
  const std::string spaced = "\n{ \"body\" : \"aGVsbG8\", \"\\u0070ad\":\"\",\"rk\":\"" +
                             encode_base64url(std::string(32, 'k')) +
                             "\",\"jti\":\"AAAAAAAAAAAAAAAAAAAAA\\u0041\",\"exp\":1700000001,"
                             "\"iat\":1700000000,\"aud\":\"" +
                             bob_id() + "\",\"iss\":\"" + alice_id() + "\",\"v\":1 }\t";
  const auto request = open_as_bob(sealed_to_bob(signed_by_alice(kMessage, spaced)));
  REQUIRE(request);
  CHECK(request->jti == "AAAAAAAAAAAAAAAAAAAAAA");
  CHECK(request->body == "hello");
}

TEST_CASE("request: a claim of another type or value is refused") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"v", "2"},
      {"v", "\"1\""},
      {"v", "1e0"},
      {"iss", "\"\""},
      {"iss", "1"},
      {"aud", "\"\""},
      {"aud", "{}"},
      {"aud", "[\"x\"]"},
      {"iat", "-1"},
      {"iat", "\"1700000000\""},
      {"iat", "1700000000.0"},
      {"exp", "null"},
      {"exp", "9007199254740992"},
      {"jti", "\"\""},
      {"jti", "\"AAAAAAAAAAAAAAAAAAAAAB\""},
      {"jti", "\"AAAAAAAAAAAAAAAAAAAAA\""},
      {"jti", "7"},
      {"rk", "\"\""},
      {"rk", "\"AAAAAAAAAAAAAAAAAAAAAA\""},
      {"rk", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\""},
      {"rk", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""},
      {"pad", "\"x\""},
      {"pad", "\"\\t\""},
      {"pad", "0"},
      {"body", "\"aGVsbG8=\""},
      {"body", "\"aGVsbG9\""},
      {"body", "\"a\""},
      {"body", "{}"},
      {"body", "{\"a\":{\"a\":{\"a\":{\"a\":1}}}}"},
      {"keys", "\"\""},
      {"addr", "\"\""},
      {"name", "\"\""},
      {"nbf", "1"},
      {"", "1"},
  }));
  CAPTURE(name, value);
  CHECK_FALSE(takes_message(message_claims().set(name, value)));
}

TEST_CASE("request: a registration with a body, or a statement that is none, is refused") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"body", "\"\""},
      {"keys", "\"\""},
      {"keys", "{}"},
      {"keys", "\"a.b.c\""},
      {"addr", "0"},
      {"name", "0"},
      {"extra", "\"\""},
  }));
  CAPTURE(name, value);
  CHECK_FALSE(takes_registration(registration_claims().set(name, value)));
}

TEST_CASE("request: it is addressed to me, by somebody else, who signed it") {
  CHECK_FALSE(takes_message(message_claims().set("aud", json_string(alice_id()))));
  CHECK_FALSE(takes_message(message_claims().set("iss", json_string(bob_id()))));
  const std::string claims = message_claims().text();
  const std::string header = signed_header(alice_id(), kMessage).text();
  CHECK_FALSE(open_as_bob(sealed_to_bob(sign_raw(stranger_identity(), header, claims))));
  CHECK_FALSE(open_as_bob(sealed_to_bob(sign_raw(bob_identity(), header, claims))));
}

// Strangers' signatures are checked against the receiver's own key: one that it made itself must
// not come back as a message.
TEST_CASE("request: the receiver's own identity is no sender") {
  const std::string claims = message_claims().set("iss", json_string(bob_id())).text();
  const std::string header = signed_header(bob_id(), kMessage).text();
  CHECK_FALSE(open_as_bob(sealed_to_bob(sign_raw(bob_identity(), header, claims))));
  const std::string introduction = registration_claims()
                                       .set("iss", json_string(bob_id()))
                                       .set("keys", json_string(bob_statement().token))
                                       .text();
  const std::string registration = signed_header(bob_id(), kRegistration).text();
  CHECK_FALSE(open_as_bob(sealed_to_bob(sign_raw(bob_identity(), registration, introduction))));
}

TEST_CASE("request: a registration brings the sender's own statement, and a valid one") {
  const bool known = GENERATE(true, false);
  CAPTURE(known);
  const auto takes_with = [&](const KeyStatement& statement) {
    return takes(kRegistration, registration_claims().set("keys", json_string(statement.token)),
                 known);
  };
  const auto alice_from = [](std::uint64_t iat, std::uint64_t exp) {
    return make_key_statement(alice_identity(), alice_encryption().public_key(), 1, iat, exp);
  };
  CHECK(takes_with(alice_from(kNow, kNow + 1)));
  CHECK_FALSE(takes_with(alice_from(kNow - 2, kNow)));
  CHECK_FALSE(takes_with(bob_statement()));
  CHECK_FALSE(takes_with(
      make_key_statement(stranger_identity(), alice_encryption().public_key(), 1, kNow, kNow + 1)));
}

TEST_CASE("request: a statement does not vouch for another signer") {
  const std::string header = signed_header(alice_id(), kRegistration).text();
  const std::string token = sign_raw(stranger_identity(), header, registration_claims().text());
  CHECK_FALSE(open_as_bob(sealed_to_bob(token), GENERATE(true, false)));
}

TEST_CASE("request: it ends after it begins and within 30 days") {
  constexpr std::uint64_t kLongest = kMaxRequestDays * kSecondsPerDay;
  const auto exp_after = [](std::uint64_t seconds) {
    return message_claims().set("exp", std::to_string(kNow + seconds));
  };
  CHECK_FALSE(takes_message(exp_after(0)));
  CHECK(takes_message(exp_after(1)));
  CHECK(takes_message(exp_after(kLongest)));
  CHECK_FALSE(takes_message(exp_after(kLongest + 1)));
  CHECK_FALSE(takes_message(message_claims().set("exp", std::to_string(kNow - 1))));
}

TEST_CASE("request: a name hint is short text without controls") {
  const auto [raw, taken] = GENERATE(table<std::string, bool>({
      {"", true},
      {"alice", true},
      {"\xC3\xA4 \xE2\x80\xAE \xF0\x9F\x98\x80", true},
      {"\xC2\xA0", true},
      {std::string(64, 'a'), true},
      {std::string(65, 'a'), false},
      {std::string(62, 'a') + "\xE2\x82\xAC", false},
      {"\\u0000", false},
      {"a\\nb", false},
      {"\\u001b[2J", false},
      {"\\u001f", false},
      {"\x7F", false},
      {"\xC2\x80", false},
      {"\xC2\x9F", false},
      {"\\u0085", false},
  }));
  CAPTURE(raw);
  CHECK(takes_registration(registration_claims().set("name", json_string(raw))) == taken);
}

TEST_CASE("request: a hint of bytes that are not UTF-8 is none") {
  CHECK(is_name_hint(""));
  CHECK(is_name_hint("alice"));
  CHECK_FALSE(
      is_name_hint(GENERATE(as<std::string>{}, "\xFF", "al\xC2", "\xC0\x80", "\xED\xA0\x80")));
}

TEST_CASE("request: an announced address keeps to its grammar") {
  const auto [addr, taken] = GENERATE(table<std::string, bool>({
      {"", true},
      {":4040", true},
      {"[::1]:4040", true},
      {"192.0.2.7:1", true},
      {"host", false},
      {"-oProxyCommand=x:1", false},
      {"host:99999", false},
      {"host:080", false},
      {"::1:4040", false},
      {"host:80\\n", false},
  }));
  CAPTURE(addr);
  CHECK(takes_registration(registration_claims().set("addr", json_string(addr))) == taken);
}

TEST_CASE("request: its inner token is a message or a registration and matches its claims") {
  CHECK_FALSE(takes("p2pchat-keys+jwt", message_claims()));
  CHECK_FALSE(takes("P2PCHAT-MSG+JWT", message_claims()));
  CHECK_FALSE(takes("", message_claims()));
  CHECK_FALSE(takes(kMessage, registration_claims()));
  CHECK_FALSE(takes(kRegistration, message_claims()));
  CHECK_FALSE(open_as_bob(sealed_to_bob(alice_statement().token)));
}

TEST_CASE("request: an inner token that is none is refused") {
  const std::string good = signed_by_alice(kMessage, message_claims().text());
  REQUIRE(open_as_bob(sealed_to_bob(good)));
  const std::string inner = GENERATE_COPY(
      as<std::string>{}, std::string(), std::string("hello"), good + ".", good + "\n",
      with_segment(good, 2, ""), with_segment(good, 2, with_changed_character(segment(good, 2), 7)),
      sealed_to_bob(good));
  CHECK_FALSE(open_as_bob(sealed_to_bob(inner)));
}

TEST_CASE("request: claims are one JSON object and nothing else") {
  const std::string claims = message_claims().text();
  const std::string text =
      GENERATE_COPY(as<std::string>{}, std::string(), "\xEF\xBB\xBF" + claims, claims + '\0',
                    claims + claims, "[" + claims + "]", claims.substr(1));
  CHECK_FALSE(open_as_bob(sealed_to_bob(signed_by_alice(kMessage, text))));
}

TEST_CASE("request: a request sealed to another key, or changed on the way, does not open") {
  const Exchange exchange;
  const std::string& frame = exchange.sealed.frame;
  const std::size_t index = GENERATE(as<std::size_t>{}, 0, 1, 2, 3, 4);
  CHECK_FALSE(
      open_as_bob(with_segment(frame, index, with_changed_character(segment(frame, index), 6))));
  CHECK_FALSE(open_as_bob(
      seal_request(exchange.draft, alice_identity(), alice_id(), alice_statement()).frame));
}

TEST_CASE("request: the sizes of its parts are exact") {
  const Exchange exchange;
  const auto [index, bytes] = GENERATE(
      table<std::size_t, std::size_t>({{1, 255}, {1, 257}, {2, 11}, {2, 16}, {4, 12}, {4, 17}}));
  CAPTURE(index, bytes);
  const std::string zeros = encode_base64url(std::string(bytes, '\0'));
  CHECK_FALSE(open_as_bob(with_segment(exchange.sealed.frame, index, zeros)));
}

TEST_CASE("request: a content key of another length opens nothing") {
  const std::size_t length = GENERATE(as<std::size_t>{}, 16, 31, 33, 64);
  const std::string token = signed_by_alice(kMessage, message_claims().text());
  CHECK_FALSE(open_as_bob(seal_raw(bob_encryption().public_key(), sealed_header("EK").text(), token,
                                   std::string(length, 'k'))));
}

TEST_CASE("request: its recipient is known as soon as the first segment has come") {
  const Exchange exchange;
  const std::string& frame = exchange.sealed.frame;
  const std::size_t dot = frame.find('.');
  for (std::size_t length = 0; length <= dot; ++length) {
    CAPTURE(length);
    CHECK_FALSE(recipient_key_id(frame.substr(0, length)));
  }
  CHECK(recipient_key_id(frame.substr(0, dot + 1)) == bob_statement().encryption_id);
  CHECK(recipient_key_id(frame) == bob_statement().encryption_id);
}

TEST_CASE("request: what is no sealed request has no recipient") {
  CHECK_FALSE(recipient_key_id(
      GENERATE(as<std::string>{}, "", ".", "keys", "identify", "GET / HTTP/1.1", "e30.")));
  CHECK_FALSE(recipient_key_id(bob_statement().token));
  const std::string zipped = sealed_header("EK").set("zip", "\"DEF\"").text();
  CHECK_FALSE(recipient_key_id(encode_base64url(zipped) + "."));
}

// Else the time of the answer would tell what was wrong, or whom the listener knows.
TEST_CASE("request: whatever is wrong with it costs one look-up and one verification") {
  const Receiver bob{bob_id(), bob_identity().public_key(), kNow};
  const auto check_cost = [&](const std::string& frame, bool knows_alice) {
    int lookups = 0;
    verifications = 0;
    static_cast<void>(open_request(frame, bob_encryption(), bob, [&](const std::string&) {
      ++lookups;
      return knows_alice ? std::optional(alice_identity().public_key()) : std::nullopt;
    }));
    CHECK(lookups == 1);
    CHECK(verifications == 1);
  };
  const std::string frame = Exchange().sealed.frame;
  check_cost(frame, true);
  check_cost(frame, false);
  std::string bad_tag = frame;
  bad_tag[frame.size() - 5] = frame[frame.size() - 5] == 'A' ? 'B' : 'A';
  check_cost(bad_tag, true);
  std::string bad_padding = frame;
  const std::size_t in_key = frame.find('.') + 9;
  bad_padding[in_key] = frame[in_key] == 'A' ? 'B' : 'A';
  check_cost(bad_padding, true);
  const std::size_t bytes = GENERATE(256, 257, 384, 511, 512);
  const std::string token = signed_by_alice(kMessage, message_claims().text());
  const std::string badly_signed = sealed_to_bob(with_segment(
      token, 2, encode_base64url(std::string(1, '\x00') + std::string(bytes - 1, 's'))));
  check_cost(badly_signed, true);
  check_cost(badly_signed, false);
}

TEST_CASE("request: every attempt has a key of its own and the same content") {
  const Exchange exchange;
  const SealedRequest again = seal(exchange.draft);
  CHECK(again.reply_key.view() != exchange.sealed.reply_key.view());
  CHECK(again.reply_key.view().size() == kReplyKeyBytes);
  const auto request = open_as_bob(again.frame);
  REQUIRE(request);
  CHECK(request->jti == exchange.request.jti);
  CHECK(request->content_hash == exchange.request.content_hash);
  CHECK(request->frame_hash != exchange.request.frame_hash);
}

TEST_CASE("request: the content hash tells types, receivers and bodies apart") {
  const std::string hash = content_hash(RequestType::message, "aud", "body");
  CHECK(hash.size() == kDigestBytes);
  CHECK(hash == content_hash(RequestType::message, "aud", "body"));
  CHECK(hash != content_hash(RequestType::registration, "aud", "body"));
  CHECK(hash != content_hash(RequestType::message, "aue", "body"));
  CHECK(hash != content_hash(RequestType::message, "aud", "bodz"));
  CHECK(hash != content_hash(RequestType::message, "audb", "ody"));
  const Exchange exchange;
  CHECK(exchange.request.content_hash == content_hash(RequestType::message, bob_id(), "hello"));
}

TEST_CASE("request: its length tells nothing of the body but its bucket") {
  Draft draft = Exchange().draft;
  const auto length_with = [&](std::size_t bytes) {
    draft.body = std::string(bytes, 'x');
    return seal(draft).frame.size();
  };
  CHECK(length_with(0) == length_with(100));
  CHECK(length_with(0) < length_with(600));
  CHECK(length_with(2000) == length_with(2300));
}

TEST_CASE("request: clocks agree up to ten minutes ahead and until it expires") {
  Request request;
  const auto [iat, exp, agree] = GENERATE(table<std::uint64_t, std::uint64_t, bool>({
      {kNow, kNow + 60, true},
      {kNow + 600, kNow + 900, true},
      {kNow + 601, kNow + 900, false},
      {kNow - 60, kNow + 1, true},
      {kNow - 60, kNow, false},
      {kNow - 60, kNow - 1, false},
      {0, kNow + 1, true},
      {kMaxJsonInteger - 1, kMaxJsonInteger, false},
  }));
  request.iat = iat;
  request.exp = exp;
  CAPTURE(iat, exp);
  CHECK(clocks_agree(request, kNow) == agree);
}

}  // namespace p2pchat

#include "protocol/reply.h"

#include <catch2/catch.hpp>

#include "jose/base64url.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "protocol/claims.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

using namespace std::string_view_literals;

const Exchange& exchange() {
  static const Exchange sent;
  return sent;
}

// A statement of Bob that differs from the stored one in its number and its encryption key.
std::string bob_says(std::uint64_t seq, const RsaPrivateKey& encryption = bob_encryption(),
                     std::uint64_t exp = kNow + kSecondsPerDay) {
  return make_key_statement(bob_identity(), encryption.public_key(), seq, exp - kSecondsPerDay, exp)
      .token;
}

const std::uint64_t kSeq = kNow;  // of bob_statement()

Reply reply_to(std::string_view frame, bool second = false) {
  return read_reply(frame, exchange().expected(), bob_statement(), second, kNow);
}

std::string ack_with(const std::string& name, const std::string& raw) {
  const RawObject claims{{"v", "1"},
                         {"iss", json_string(bob_statement().identity_id)},
                         {"aud", json_string(alice_statement().identity_id)},
                         {"irt", json_string(exchange().draft.jti)},
                         {"rh", json_string(encode_base64url(exchange().sealed.frame_hash))},
                         {"st", "\"busy\""},
                         {"iat", "1"},
                         {"body", "\"\""},
                         {"rc", "0"},
                         {"keys", "\"\""},
                         {"pad", "\"\""}};
  return seal_direct_raw(exchange().sealed.reply_key, direct_header().text(),
                         RawObject(claims).set(name, raw).text());
}

std::string weak_pem() {
  return unchecked_pem(std::string(128, '\x81'), std::string("\x01\x00\x01", 3));
}

std::string weak_statement() {
  const JwkText weak{encode_base64url(std::string(128, '\x81')), "AQAB"};
  const JwkText good = jwk_text(bob_identity().public_key());
  const std::string& id = bob_statement().identity_id;
  return sign_jws(bob_identity(), id, kKeyStatementType,
                  write_json({{"v", kProtocolVersion},
                              {"iss", id},
                              {"jwk", jwk_members(good)},
                              {"ek", jwk_members(weak)},
                              {"seq", kSeq + 1},
                              {"iat", kNow},
                              {"exp", kNow + 1}}));
}

std::optional<KeyStatement> knows_nobody(const std::string& /*identity_id*/) {
  return std::nullopt;
}

std::optional<KeyStatement> knows_bob(const std::string& identity_id) {
  if (identity_id != bob_statement().identity_id) return std::nullopt;
  return bob_statement();
}

// The number of bytes that were taken, fed in pieces of `step`, before the first refusal.
std::size_t taken_of(std::string_view bytes, std::size_t step = 1) {
  ReplyPrefix prefix;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    if (!prefix.feed(bytes.substr(at, step))) return at;
  }
  return bytes.size();
}

}  // namespace

TEST_CASE("reply: the ack of this request is the answer, whatever its status") {
  const AckStatus status = GENERATE(AckStatus::ok, AckStatus::dup, AckStatus::pending,
                                    AckStatus::busy, AckStatus::skew, AckStatus::conflict);
  const bool second = GENERATE(false, true);
  Ack ack;
  ack.status = status;
  const Reply reply = reply_to(seal_ack(ack, exchange().request), second);
  CHECK(reply.row == ReplyRow::ack);
  REQUIRE(reply.ack);
  CHECK(reply.ack->status == status);
}

TEST_CASE("reply: statements of the pinned key are told apart by seq, and by how often they come") {
  const std::uint64_t late = kNow - 1;
  struct Row {
    std::string frame;
    bool second;
    ReplyRow row;
  };
  const Row row = GENERATE_COPY(
      values<Row>({{bob_says(kSeq + 1), false, ReplyRow::newer_keys},
                   {bob_says(kSeq + 1, alice_encryption()), false, ReplyRow::newer_keys},
                   {bob_says(kSeq + 1), true, ReplyRow::not_known},
                   {bob_says(kSeq + 1, bob_encryption(), late), false, ReplyRow::does_not_verify},
                   {bob_says(kSeq + 1, bob_encryption(), late), true, ReplyRow::not_known},
                   {bob_statement().token, false, ReplyRow::not_known},
                   {bob_says(kSeq), false, ReplyRow::not_known},
                   {bob_says(kSeq), true, ReplyRow::not_known},
                   {bob_says(kSeq - 1), false, ReplyRow::not_known},
                   {bob_says(kSeq - 1, alice_encryption()), false, ReplyRow::not_known},
                   {bob_says(kSeq, alice_encryption()), false, ReplyRow::does_not_verify},
                   {bob_says(kSeq, alice_encryption()), true, ReplyRow::does_not_verify}}));
  const Reply reply = reply_to(row.frame, row.second);
  CHECK(reply.row == row.row);
  if (row.row == ReplyRow::newer_keys) {
    REQUIRE(reply.statement);
    CHECK(reply.statement->token == row.frame);
  }
}

TEST_CASE("reply: a statement or PEM of another key says whose it is") {
  const std::string frame =
      GENERATE(as<std::string>{}, alice_statement().token, alice_identity().public_key().pem());
  const bool second = GENERATE(false, true);
  CAPTURE(frame, second);
  const Reply reply = reply_to(frame, second);
  CHECK(reply.row == ReplyRow::other_key);
  CHECK(reply.identity_id == alice_statement().identity_id);
}

TEST_CASE("reply: the PEM or statement of a weak key is told apart") {
  const std::string frame = GENERATE(as<std::string>{}, weak_pem(), weak_statement());
  CAPTURE(frame);
  const Reply reply = reply_to(frame);
  CHECK(reply.row == ReplyRow::weak_key);
  CHECK(reply.why.ends_with("refused key: fewer than 2048 bits"));
}

TEST_CASE("reply: an ack that is not exactly the one of this request does not verify") {
  REQUIRE(reply_to(ack_with("st", "\"busy\"")).row == ReplyRow::ack);
  const auto [name, raw] = GENERATE(table<std::string, std::string>({
      {"st", "\"fine\""},
      {"st", "\"trusted\""},
      {"body", "\"AAAA\""},
      {"rc", "1"},
      {"rh", "\"\""},
      {"irt", "\"AAAAAAAAAAAAAAAAAAAAAA\""},
      {"iss", "\"x\""},
      {"aud", "\"x\""},
      {"v", "2"},
      {"extra", "1"},
  }));
  CAPTURE(name, raw);
  const Reply reply = reply_to(ack_with(name, raw));
  CHECK(reply.row == ReplyRow::does_not_verify);
  CHECK_FALSE(reply.ack);
  CHECK_FALSE(reply.why.empty());
}

TEST_CASE("reply: tokens of this protocol that do not hold do not verify") {
  const std::string ack = seal_ack(Ack{}, exchange().request);
  const std::string statement = bob_says(kSeq + 1);
  const std::string forged =
      sign_raw(stranger_identity(),
               signed_header(bob_statement().identity_id, kKeyStatementType).text(), "{}");
  const std::string frame = GENERATE_COPY(
      as<std::string>{}, with_segment(ack, 4, with_changed_character(segment(ack, 4), 2)),
      seal_ack(Ack{}, Exchange().request), exchange().sealed.frame,
      with_segment(statement, 2, with_changed_character(segment(statement, 2), 2)), forged,
      ack.substr(0, ack.rfind('.')), statement + ".", statement + "\n");
  const Reply reply = reply_to(frame);
  CHECK(reply.row == ReplyRow::does_not_verify);
  CHECK_FALSE(reply.why.empty());
}

TEST_CASE("reply: anything else is not this protocol") {
  const std::string frame = GENERATE(
      as<std::string>{}, std::string(), std::string("HTTP/1.1 400 Bad Request\r\n\r\n"),
      std::string("hello"), std::string("a.b.c"), std::string("a.b.c.d.e"), std::string("...."),
      std::string("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
      std::string("-----BEGIN PUBLIC KEY-----"), bob_identity().public_key().pem(),
      alice_identity().public_key().pem() + alice_identity().public_key().pem(),
      sign_raw(bob_identity(), signed_header("x", "JWT").text(), "{}"),
      seal_direct_raw(exchange().sealed.reply_key, direct_header().set("typ", "\"JWE\"").text(),
                      "{}"));
  CAPTURE(frame);
  CHECK(reply_to(frame).row == ReplyRow::not_protocol);
}

TEST_CASE("reply: the answer to keys is a statement that can be used") {
  const auto none = std::optional<std::string>();
  const Reply reply = read_keys_reply(bob_statement().token, none, knows_nobody, kNow);
  CHECK(reply.row == ReplyRow::newer_keys);
  CHECK(reply.identity_id == bob_statement().identity_id);
  REQUIRE(reply.statement);
  CHECK(reply.statement->encryption_id == bob_statement().encryption_id);
}

TEST_CASE("reply: the answer to keys is compared with what is stored") {
  struct Row {
    std::string frame;
    ReplyRow row;
  };
  const Row row =
      GENERATE(values<Row>({{bob_says(kSeq + 1), ReplyRow::newer_keys},
                            {bob_says(kSeq), ReplyRow::newer_keys},
                            {bob_says(kSeq - 1), ReplyRow::does_not_verify},
                            {bob_says(kSeq, alice_encryption()), ReplyRow::does_not_verify},
                            {bob_says(kSeq + 1, bob_encryption(), kNow), ReplyRow::does_not_verify},
                            {alice_statement().token, ReplyRow::other_key},
                            {alice_identity().public_key().pem(), ReplyRow::other_key},
                            {bob_identity().public_key().pem(), ReplyRow::not_protocol},
                            {weak_pem(), ReplyRow::weak_key},
                            {bob_says(kSeq + 1) + ".", ReplyRow::does_not_verify},
                            {"", ReplyRow::not_protocol},
                            {"SSH-2.0-OpenSSH_9.2\r\n", ReplyRow::not_protocol}}));
  CAPTURE(row.frame);
  CHECK(read_keys_reply(row.frame, bob_statement().identity_id, knows_bob, kNow).row == row.row);
}

TEST_CASE("reply: an ack is no answer to keys") {
  const std::string ack = seal_ack(Ack{}, exchange().request);
  CHECK(read_keys_reply(ack, std::nullopt, knows_nobody, kNow).row == ReplyRow::does_not_verify);
}

TEST_CASE(
    "reply: without a pin any identity answers keys, and the stored one of another is ignored") {
  const Reply reply = read_keys_reply(alice_statement().token, std::nullopt, knows_bob, kNow);
  CHECK(reply.row == ReplyRow::newer_keys);
  CHECK(reply.identity_id == alice_statement().identity_id);
}

TEST_CASE("reply prefix: an answer of this protocol is taken to its end, split at every byte") {
  const std::string frame =
      GENERATE(as<std::string>{}, seal_ack(Ack{}, exchange().request), bob_statement().token,
               bob_identity().public_key().pem(),
               encode_base64url(" \r\n\t" + signed_header("x", kKeyStatementType).text()) + ".a.b");
  CHECK(taken_of(frame, frame.size()) == frame.size());
  CHECK(taken_of(frame) == frame.size());
  for (std::size_t split = 0; split <= frame.size(); ++split) {
    ReplyPrefix prefix;
    const std::string_view bytes = frame;
    if (!prefix.feed(bytes.substr(0, split)) || !prefix.feed(bytes.substr(split))) {
      FAIL_CHECK("refused when split at " << split);
    }
  }
}

TEST_CASE("reply prefix: a foreign greeting is refused within its first bytes") {
  const std::string_view greeting =
      GENERATE("HTTP/1.1 400 Bad Request\r\n"sv, "SSH-2.0-OpenSSH_9.2p1 Debian\r\n"sv,
               "\x15\x03\x01\0\x02\x02\x46"sv, "\x16\x03\x03\0\x7A\x02\0"sv, "220 mail ESMTP\r\n"sv,
               "+OK ready\r\n"sv, "<html>"sv, "\xFF\xFB\x01"sv, "-----BEGIN CERTIFICATE-----\n"sv,
               "-ERR unknown command\r\n"sv, "{\"alg\":\"PS256\"}"sv, "AAAAAAAA"sv, "\n"sv, "[]"sv);
  CAPTURE(greeting);
  CHECK(taken_of(greeting) < 12);
  CHECK(taken_of(greeting) < greeting.size());
  CHECK(taken_of(greeting, greeting.size()) == 0);
}

TEST_CASE("reply prefix: a refusal comes with the byte that makes it impossible") {
  const std::string start = segment(bob_statement().token, 0);
  CHECK(taken_of(start + ".b+c") == start.size() + 2);
  CHECK(taken_of(start + ".b.c.d.e.f") == start.size() + 8);
  CHECK(taken_of(start + ".b.c.d.e\n") == start.size() + 8);
  CHECK(taken_of("-----BEGIN PUBLIC KEY-----\nAAAA\x1B") == 31);
  CHECK(taken_of("-----BEGIN PUBLIC KEY-----\nAAAA\xC3\xBC") == 31);
}

TEST_CASE("reply prefix: nothing, or white space before a header, may still become an answer") {
  CHECK(ReplyPrefix().feed(""));
  CHECK(taken_of(encode_base64url("      ")) == 8);
  CHECK(taken_of("-----BEGIN PUBL") == 15);
}

TEST_CASE("reply prefix: a first segment that has ended and is no header is refused") {
  const std::string bytes = GENERATE(as<std::string>{}, ".", "ICAg.", "e30.", "eyJh.");
  CAPTURE(bytes);
  CHECK(taken_of(bytes) == bytes.size() - 1);
}

TEST_CASE("reply prefix: once refused, it stays refused") {
  const std::string start = segment(bob_statement().token, 0);
  const std::string impossible =
      GENERATE_COPY(as<std::string>{}, start + ".!", start + ".....", std::string("HTTP/"),
                    std::string("-----BEGIN PUBLIC KEY-----\n\x01"));
  ReplyPrefix prefix;
  CHECK_FALSE(prefix.feed(impossible));
  CAPTURE(impossible);
  CHECK_FALSE(prefix.feed("AAAA"));
}

TEST_CASE("reply prefix: a long answer in many pieces is taken") {
  const std::string token = bob_statement().token;
  ReplyPrefix prefix;
  REQUIRE(prefix.feed(token));
  for (int i = 0; i < 100; ++i) REQUIRE(prefix.feed(std::string(10'000, 'A')));
  CHECK_FALSE(prefix.feed("!"));
}

}  // namespace p2pchat

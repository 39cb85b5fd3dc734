// What a client makes of a reply, a row a rule (p2pchat-protocol(7), WHAT A CLIENT MAKES OF THE
// REPLY). The rows are also the files in tests/vectors/client.
#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "jose/jwk.h"
#include "node/outcome.h"
#include "protocol/claims.h"
#include "protocol/reply.h"
#include "scenario.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

std::string text(std::string_view value) {
  return json_string(value);
}

// A request that Alice has sent to Bob, or `keys`.
struct Sent {
  std::string request;  // "message", "registration" or "keys"
  Draft draft;
  SealedRequest sealed;
};

Sent sent(RequestType type) {
  const bool message = type == RequestType::message;
  const FixedRandom random(message ? "a message" : "a registration");
  Sent sent;
  sent.request = message ? "message" : "registration";
  sent.draft.type = type;
  sent.draft.iat = kNow;
  sent.draft.exp = kNow + kSecondsPerDay;
  sent.draft.jti = message_id_for(sent.request);
  sent.draft.body = message ? "hello" : "";
  if (!message) sent.draft.statement_token = published_alice().statement.token;
  sent.sealed = seal_request(sent.draft, published_alice().identity, published_alice().id(),
                             published_bob().statement);
  return sent;
}

const Sent& message() {
  static const Sent one = sent(RequestType::message);
  return one;
}
const Sent& registration() {
  static const Sent one = sent(RequestType::registration);
  return one;
}
const Sent& keys() {
  static const Sent one{"keys", {}, {}};
  return one;
}

RawObject ack_claims(const Sent& to, const std::string& st) {
  return {{"v", "1"},
          {"iss", text(published_bob().id())},
          {"aud", text(published_alice().id())},
          {"irt", text(to.draft.jti)},
          {"rh", text(encode_base64url(to.sealed.frame_hash))},
          {"st", text(st)},
          {"iat", std::to_string(kNow)},
          {"body", "\"\""},
          {"rc", "0"},
          {"keys", "\"\""},
          {"pad", "\"\""}};
}

std::string sealed_ack(const Sent& to, const RawObject& claims,
                       const RawObject& header = direct_header()) {
  std::string json = claims.text();
  const std::size_t pad = json.rfind("\"pad\":\"\"");
  if (pad != std::string::npos) json.insert(pad + 7, padded_length(json.size()) - json.size(), ' ');
  return seal_direct_raw(to.sealed.reply_key, header.text(), json);
}

std::string bob_says(std::uint64_t seq, const RsaPrivateKey& encryption,
                     std::uint64_t exp = kNow + kSecondsPerDay) {
  return make_key_statement(published_bob().identity, encryption.public_key(), seq,
                            exp - kSecondsPerDay, exp)
      .token;
}

std::string statement_with(const std::string& name, const std::string& raw) {
  const JwkText jwk = jwk_text(published_bob().identity.public_key());
  const JwkText ek = jwk_text(published_bob().encryption.public_key());
  const auto key = [](const JwkText& k) {
    return RawObject{{"kty", text("RSA")}, {"n", text(k.n)}, {"e", text(k.e)}}.text();
  };
  RawObject claims{{"v", "1"},
                   {"iss", text(published_bob().id())},
                   {"jwk", key(jwk)},
                   {"ek", key(ek)},
                   {"seq", std::to_string(kNow + 1)},
                   {"iat", std::to_string(kNow)},
                   {"exp", std::to_string(kNow + kSecondsPerDay)}};
  return sign_raw(published_bob().identity,
                  signed_header(published_bob().id(), "p2pchat-keys+jwt").text(),
                  claims.set(name, raw).text());
}

std::string weak_jwk() {
  return RawObject{{"kty", text("RSA")},
                   {"n", text(encode_base64url(std::string(128, '\x81')))},
                   {"e", text("AQAB")}}
      .text();
}

class Rows {
 public:
  explicit Rows(std::vector<Scenario>& scenarios) : scenarios_(scenarios) {}

  // second: the request had been sealed anew already. pin, stored: a name, or "none".
  void add(const std::string& name, const std::string& rule, const Sent& sent,
           const std::string& expect, const std::function<std::string()>& reply,
           bool second = false, const std::string& pin = "bob", const std::string& stored = "bob") {
    Scenario scenario{"client/" + sent.request + "-" + name,
                      {{"rule", rule}, {"now", std::to_string(kNow)}, {"request", sent.request}}};
    auto& lines = scenario.lines;
    lines.emplace_back("pin", pin);
    lines.emplace_back("stored", stored);
    if (sent.request != "keys") {
      lines.emplace_back("attempt", second ? "2" : "1");
      lines.emplace_back("jti", sent.draft.jti);
      lines.emplace_back("rk", encode_base64url(sent.sealed.reply_key.view()));
      lines.emplace_back("frame", sent.sealed.frame);
    }
    const FixedRandom random(scenario.name);
    lines.emplace_back("reply", reply());
    lines.emplace_back("expect", expect);
    scenarios_.push_back(std::move(scenario));
  }

 private:
  std::vector<Scenario>& scenarios_;
};

const char* const kWrong = "65 unknown";
const char* const kForeign = "76 unknown";
const char* const kDistrusted = "77 unknown";

void add_words(Rows& rows) {
  const auto word = [&](const Sent& sent, const std::string& st, const char* expect) {
    rows.add("ack-" + st, "the words of an ack", sent, expect,
             [&] { return sealed_ack(sent, ack_claims(sent, st)); });
  };
  word(message(), "ok", "0 acked");
  word(message(), "dup", "0 acked");
  word(message(), "pending", "77 not taken");
  word(message(), "busy", "75 not taken");
  word(message(), "skew", "75 not taken");
  word(message(), "conflict", "65 failed");
  word(message(), "trusted", kWrong);
  word(message(), "OK", kWrong);
  word(message(), "", kWrong);
  word(message(), "later", kWrong);
  word(registration(), "trusted", "0 done");
  word(registration(), "pending", "0 done");
  word(registration(), "busy", "75 not taken");
  word(registration(), "skew", "75 not taken");
  word(registration(), "ok", kWrong);
  word(registration(), "conflict", kWrong);
  rows.add(
      "ack-ok-second", "an ack of the second attempt is one", message(), "0 acked",
      [] { return sealed_ack(message(), ack_claims(message(), "ok")); }, true);
}

void add_ack_claims(Rows& rows) {
  const std::vector<std::string> claims = {"v",   "iss",  "aud", "irt",  "rh", "st",
                                           "iat", "body", "rc",  "keys", "pad"};
  const auto ack = [&](const std::string& name, const std::string& rule, const char* expect,
                       const std::function<void(RawObject&)>& change) {
    rows.add("ack-" + name, rule, message(), expect, [&] {
      RawObject object = ack_claims(message(), "ok");
      change(object);
      return sealed_ack(message(), object);
    });
  };
  for (const std::string& claim : claims) {
    const bool integer = claim == "v" || claim == "iat" || claim == "rc";
    ack(claim + "-missing", "every claim is required", kWrong,
        [&](RawObject& object) { object.drop(claim); });
    ack(claim + "-twice", "no claim comes twice", kWrong,
        [&](RawObject& object) { object.repeat(claim); });
    ack(claim + (integer ? "-string" : "-number"), "a claim of another type", kWrong,
        [&](RawObject& object) { object.set(claim, integer ? "\"0\"" : "1"); });
  }
  const auto value = [&](const std::string& name, const std::string& claim, const std::string& raw,
                         const char* expect) {
    ack(claim + "-" + name, "grammar of " + claim, expect,
        [&](RawObject& object) { object.set(claim, raw); });
  };
  value("2", "v", "2", kWrong);
  value("of-carol", "iss", text(published_carol().id()), kWrong);
  value("of-carol", "aud", text(published_carol().id()), kWrong);
  value("other", "irt", text(std::string(22, 'A')), kWrong);
  value("other", "rh", text(std::string(43, 'A')), kWrong);
  value("padded", "rh", text(encode_base64url(message().sealed.frame_hash) + "="), kWrong);
  value("1", "rc", "1", "79 acked");
  value("255", "rc", "255", "79 acked");
  value("256", "rc", "256", kWrong);
  value("minus", "rc", "-1", kWrong);
  value("1970", "iat", "0", "0 acked");
  value("reply", "body", "\"AAH_gA\"", "0 acked");
  value("one-more", "body", "\"AAH_g\"", kWrong);
  value("trailing-bits", "body", "\"AAH_gB\"", kWrong);
  value("letter", "pad", "\"x\"", kWrong);
  value("garbage", "keys", "\"garbage\"", "0 acked");
  value("of-carol", "keys", text(published_carol().statement.token), "0 acked");
  value("old", "keys", text(published_old_statement().token), "0 acked");
  ack("extra", "a claim that is not listed", kWrong,
      [](RawObject& object) { object.set("nbf", "1"); });
  ack("body-beside-pending", "body is empty with every st but ok and dup", kWrong,
      [](RawObject& object) { object.set("st", "\"pending\"").set("body", "\"AAH_gA\""); });
  ack("rc-beside-busy", "rc is 0 with every st but ok and dup", kWrong,
      [](RawObject& object) { object.set("st", "\"busy\"").set("rc", "1"); });
}

void add_ack_tokens(Rows& rows) {
  const auto token = [&](const std::string& name, const std::string& rule, const char* expect,
                         const std::function<std::string(std::string)>& change) {
    rows.add("ack-" + name, rule, message(), expect,
             [&] { return change(sealed_ack(message(), ack_claims(message(), "ok"))); });
  };
  token("wrong-rk", "opens under the rk of the request alone", kWrong, [](const std::string&) {
    return seal_direct_raw(Secret(std::string(32, 'k')), direct_header().text(),
                           ack_claims(message(), "ok").text());
  });
  token("of-registration", "an ack of another request", kWrong, [](const std::string&) {
    return sealed_ack(registration(), ack_claims(registration(), "pending"));
  });
  token("tag-changed", "one character changed", kWrong, [](const std::string& ack) {
    return with_segment(ack, 4, with_changed_character(segment(ack, 4), 2));
  });
  token("ciphertext-changed", "one character changed", kWrong, [](const std::string& ack) {
    return with_segment(ack, 3, with_changed_character(segment(ack, 3), 2));
  });
  token("with-key", "the segment of the encrypted key is empty", kWrong,
        [](const std::string& ack) { return with_segment(ack, 1, "AAAA"); });
  token("iv-long", "sizes are exact", kWrong, [](const std::string& ack) {
    return with_segment(ack, 2, encode_base64url(std::string(16, 'i')));
  });
  token("tag-short", "sizes are exact", kWrong, [](const std::string& ack) {
    return with_segment(ack, 4, encode_base64url(std::string(12, 't')));
  });
  token("space-behind", "nothing behind the token", kWrong,
        [](const std::string& ack) { return ack + " "; });
  token("line-break-behind", "nothing behind the token", kWrong,
        [](const std::string& ack) { return ack + "\n"; });
  token("padded", "base64url has no padding", kWrong,
        [](const std::string& ack) { return ack + "="; });
  token("six-segments", "five segments", kWrong, [](const std::string& ack) { return ack + "."; });
  token("header-alone", "a header alone is a token of this version", kWrong,
        [](const std::string& ack) { return segment(ack, 0); });
  token("foreign-octet", "a foreign octet behind the header", kWrong,
        [](const std::string& ack) { return segment(ack, 0) + ".\xE9"; });
  token("four-segments", "five segments", kWrong,
        [](const std::string& ack) { return ack.substr(0, ack.rfind('.')); });
  const auto header = [&](const std::string& name, const std::string& rule, const char* expect,
                          const std::function<void(RawObject&)>& change) {
    token("header-" + name, rule, expect, [&](const std::string&) {
      RawObject object = direct_header();
      change(object);
      return sealed_ack(message(), ack_claims(message(), "ok"), object);
    });
  };
  header("alg-other", "one suite", kWrong,
         [](RawObject& object) { object.set("alg", "\"A256KW\""); });
  header("enc-other", "one suite", kWrong,
         [](RawObject& object) { object.set("enc", "\"A128GCM\""); });
  header("zip", "a member that is not listed", kWrong,
         [](RawObject& object) { object.set("zip", "\"DEF\""); });
  header("enc-missing", "every member is required", kWrong,
         [](RawObject& object) { object.drop("enc"); });
  header("typ-of-request", "a token of this version all the same", kWrong,
         [](RawObject& object) { object.set("typ", "\"p2pchat+jwe\""); });
  header("typ-other", "no token of this version", kForeign,
         [](RawObject& object) { object.set("typ", "\"JWE\""); });
  header("typ-missing", "no token of this version", kForeign,
         [](RawObject& object) { object.drop("typ"); });
}

void add_statements(Rows& rows) {
  const RsaPrivateKey& other = published_carol().encryption;
  const auto both = [&](const std::string& name, const std::string& rule, const char* first,
                        const char* second, const std::function<std::string()>& make) {
    rows.add(name, rule, message(), first, make);
    rows.add(name + "-second", rule, message(), second, make, true);
    rows.add(name, rule, registration(), first, make);
  };
  both("statement-newer", "seal anew, once", "again", kDistrusted,
       [&] { return bob_says(kNow + 1, other); });
  both("statement-newer-expired", "a newer one that has expired", kWrong, kDistrusted,
       [&] { return bob_says(kNow + 1, other, kNow); });
  both("statement-same", "the stored one again", kDistrusted, kDistrusted,
       [] { return published_bob().statement.token; });
  both("statement-older", "one that is older than the stored one", kDistrusted, kDistrusted,
       [] { return published_old_statement().token; });
  both("statement-older-expired", "whether an older one has expired does not matter", kDistrusted,
       kDistrusted, [&] { return bob_says(kNow - 1, other, kNow - 1); });
  both("statement-forked", "two keys under one number", kWrong, kWrong,
       [&] { return bob_says(kNow, other); });
  both("statement-of-carol", "a changed key", kDistrusted, kDistrusted,
       [] { return published_carol().statement.token; });
  both("statement-changed", "a signature that does not verify", kWrong, kWrong, [] {
    const std::string& token = published_bob().statement.token;
    return with_segment(token, 2, with_changed_character(segment(token, 2), 7));
  });
  both("statement-weak", "an encryption key that the policy refuses", kDistrusted, kDistrusted,
       [] { return statement_with("ek", weak_jwk()); });
  both("statement-modulus-too-long", "an encryption key with too long a text", kDistrusted,
       kDistrusted, [] {
         const std::string n(16'388, 'A');
         return statement_with(
             "ek", RawObject{{"kty", text("RSA")}, {"n", text(n)}, {"e", text("AQAB")}}.text());
       });
  both("statement-exponent-3", "an encryption key with another exponent", kDistrusted, kDistrusted,
       [] {
         const std::string n = jwk_text(published_bob().encryption.public_key()).n;
         return statement_with(
             "ek", RawObject{{"kty", text("RSA")}, {"n", text(n)}, {"e", text("Aw")}}.text());
       });
  both("statement-of-ec", "an encryption key that is none of RSA", kWrong, kWrong,
       [] { return statement_with("ek", R"({"kty":"EC","n":"AA","e":"AQAB"})"); });
  both("statement-weak-and-unsigned", "the policy comes before the signature", kDistrusted,
       kDistrusted, [] {
         const std::string token = statement_with("ek", weak_jwk());
         return with_segment(token, 2, encode_base64url("no signature"));
       });
  both("statement-padded", "base64url has no padding", kWrong, kWrong,
       [] { return published_bob().statement.token + "=="; });
  both("statement-extra", "a claim that is not listed", kWrong, kWrong,
       [] { return statement_with("pad", "\"\""); });
  both("statement-401-days", "at most 400 days", kWrong, kWrong,
       [] { return statement_with("exp", std::to_string(kNow + 400 * kSecondsPerDay + 1)); });

  const auto asked = [&](const std::string& name, const std::string& rule, const char* expect,
                         const std::function<std::string()>& make, const std::string& pin = "bob",
                         const std::string& stored = "bob") {
    rows.add(name, rule, keys(), expect, make, false, pin, stored);
  };
  asked("statement-newer", "taken", "0 taken", [&] { return bob_says(kNow + 1, other); });
  asked("statement-same", "taken", "0 taken", [] { return published_bob().statement.token; });
  asked(
      "statement-first", "at first contact any identity is taken", "0 taken",
      [] { return published_carol().statement.token; }, "none", "none");
  asked(
      "statement-expected", "the expected identity", "0 taken",
      [] { return published_bob().statement.token; }, "bob", "none");
  asked(
      "statement-unexpected", "not the expected identity", kDistrusted,
      [] { return published_carol().statement.token; }, "bob", "none");
  asked("statement-older", "a lower number is a token that does not hold", kWrong,
        [] { return published_old_statement().token; });
  asked("statement-forked", "two keys under one number", kWrong,
        [&] { return bob_says(kNow, other); });
  asked("statement-expired", "a statement that has expired", kWrong,
        [&] { return bob_says(kNow + 1, other, kNow); });
  asked("statement-same-expired", "a statement that has expired", kWrong, [] {
    return make_key_statement(published_bob().identity, published_bob().encryption.public_key(),
                              kNow, kNow - 100, kNow)
        .token;
  });
  asked(
      "pem-first", "a PEM answers nothing but identify", kForeign,
      [] { return published_bob().identity.public_key().pem(); }, "none", "none");
  asked("statement-weak", "a key that the policy refuses", kDistrusted,
        [] { return statement_with("ek", weak_jwk()); });
  asked("ack", "an ack is no statement", kWrong,
        [] { return sealed_ack(message(), ack_claims(message(), "ok")); });
}

void add_foreign(Rows& rows) {
  const auto everywhere = [&](const std::string& name, const std::string& rule, const char* expect,
                              const std::function<std::string()>& make) {
    rows.add(name, rule, message(), expect, make);
    rows.add(name, rule, keys(), expect, make);
  };
  everywhere("pem", "the PEM of the pinned identity answers nothing but identify", kForeign,
             [] { return published_bob().identity.public_key().pem(); });
  everywhere("pem-of-carol", "a changed key", kDistrusted,
             [] { return published_carol().identity.public_key().pem(); });
  everywhere("pem-weak", "a key that the policy refuses", kDistrusted, [] {
    return unchecked_pem(std::string(128, '\x81'), std::string("\x01\x00\x01", 3));
  });
  everywhere("pem-crlf", "CR LF is taken for LF", kDistrusted, [] {
    std::string pem = published_carol().identity.public_key().pem();
    for (std::size_t at = pem.find('\n'); at != std::string::npos; at = pem.find('\n', at + 2)) {
      pem.insert(at, "\r");
    }
    return pem;
  });
  everywhere("pem-broken", "a PEM that is none", kForeign, [] {
    std::string pem = published_carol().identity.public_key().pem();
    return pem.replace(100, 3, "!!!");
  });
  everywhere("pem-twice", "several keys", kForeign, [] {
    const std::string pem = published_carol().identity.public_key().pem();
    return pem + pem;
  });
  everywhere("pem-of-ec", "a key that is none of RSA", kForeign, [] {
    return std::string(
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
        "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
        "-----END PUBLIC KEY-----\n");
  });
  everywhere("empty", "an empty frame", kForeign, [] { return std::string(); });
  everywhere("http", "another protocol", kForeign,
             [] { return std::string("HTTP/1.1 400 Bad Request\r\n\r\n"); });
  everywhere("word", "a word", kForeign, [] { return std::string("ok"); });
  everywhere("latin1", "no text", kForeign, [] { return std::string("gr\xFC\xDF dich"); });
  everywhere("other-jws", "a token of somebody else's protocol", kForeign, [] {
    return sign_raw(published_bob().identity, signed_header(published_bob().id(), "JWT").text(),
                    "{}");
  });
  everywhere("version-2", "a token of p2pchat that is not of this version's", kWrong, [] {
    return sign_raw(published_bob().identity,
                    signed_header(published_bob().id(), "p2pchat-keys2+jwt").text(), "{}");
  });
}

const std::vector<Scenario>& rows() {
  static const std::vector<Scenario> rows = client_scenarios();
  return rows;
}

const KeyStatement& bob_statement_stored() {
  return published_bob().statement;
}

Reply reply_of(const Scenario& scenario) {
  const std::string request = scenario.one("request");
  const std::string reply = scenario.one("reply");
  if (request == "keys") {
    const bool pinned = scenario.one("pin") == "bob";
    const bool stored = scenario.one("stored") == "bob";
    return read_keys_reply(
        reply, pinned ? std::optional(published_bob().id()) : std::nullopt,
        [&](const std::string& id) -> std::optional<KeyStatement> {
          if (!stored || id != published_bob().id()) return std::nullopt;
          return bob_statement_stored();
        },
        kNow);
  }
  const bool is_message = request == "message";
  const std::string frame_hash = sha256(scenario.one("frame"));
  const Secret reply_key(*decode_base64url(scenario.one("rk")));
  return read_reply(
      reply,
      {is_message ? RequestType::message : RequestType::registration, published_bob().id(),
       published_alice().id(), scenario.one("jti"), frame_hash, reply_key},
      bob_statement_stored(), scenario.one("attempt") == "2", kNow);
}

// In the words of `expect`.
std::string outcome_in_words(const std::string& request, const Reply& reply) {
  if (reply.row == ReplyRow::newer_keys) return request == "keys" ? "0 taken" : "again";
  const bool is_ack = reply.row == ReplyRow::ack;
  const Outcome outcome = is_ack ? outcome_of(*reply.ack) : outcome_of(reply.row);
  const std::string number = std::to_string(static_cast<int>(outcome.status));
  if (is_ack && request == "registration" && reply.ack->status == AckStatus::pending) {
    return "0 done";
  }
  switch (outcome.state) {
    case MessageState::acked:
      return number + (request == "message" ? " acked" : " done");
    case MessageState::untaken:
      return number + " not taken";
    case MessageState::failed:
      return number + " failed";
    default:
      return number + " unknown";
  }
}

}  // namespace

std::vector<Scenario> client_scenarios() {
  published_statements();  // made before anything is drawn from a row's own randomness
  message();
  registration();
  std::vector<Scenario> scenarios;
  Rows rows(scenarios);
  add_words(rows);
  add_ack_claims(rows);
  add_ack_tokens(rows);
  add_statements(rows);
  add_foreign(rows);
  return scenarios;
}

TEST_CASE("profile: a client makes of every reply what it must") {
  for (const Scenario& scenario : rows()) {
    INFO(scenario.name << ": " << scenario.one("rule"));
    CHECK(outcome_in_words(scenario.one("request"), reply_of(scenario)) == scenario.one("expect"));
  }
}

TEST_CASE("profile: every row of a client has a name of its own") {
  std::set<std::string> names;
  for (const Scenario& scenario : rows()) {
    CAPTURE(scenario.name);
    CHECK(names.insert(scenario.name).second);
  }
}

}  // namespace p2pchat

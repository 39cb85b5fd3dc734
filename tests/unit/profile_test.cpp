// The closed profile, a row a rule: what a listener answers to every way in which a request can be
// right or wrong (p2pchat-protocol(7), REQUESTS AND REPLIES to MESSAGE SEMANTICS). The rows are
// also the files in tests/vectors/listener.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <set>
#include <sstream>
#include <tuple>

#include "base/clock.h"
#include "crypto/evp.h"
#include "jose/base64url.h"
#include "jose/jwk.h"
#include "net/dial.h"
#include "net/exchange.h"
#include "node/responder.h"
#include "protocol/claims.h"
#include "scenario.h"
#include "test_home.h"
#include "test_keys.h"
#include "test_listening.h"

namespace p2pchat {

namespace {

constexpr const char* kMessage = "p2pchat-msg+jwt";
constexpr const char* kRegistration = "p2pchat-reg+jwt";
constexpr const char* kStatement = "statement";
constexpr const char* kOk = "ack ok";
constexpr const char* kSkew = "ack skew";

std::string text(std::string_view value) {
  return json_string(value);
}
std::string number(std::uint64_t value) {
  return std::to_string(value);
}

// A request from Alice to Bob, every part of which can be made wrong before it is put together.
struct Hand {
  const Person* sender = &published_alice();
  std::string typ;
  RawObject sealed;  // header of the JWE
  RawObject header;  // of the JWS
  RawObject claims;

  Hand(const std::string& type, const std::string& id_name)
      : typ(type),
        sealed(sealed_header(published_bob().statement.encryption_id)),
        header(signed_header(published_alice().id(), type)),
        claims({{"v", "1"},
                {"iss", text(published_alice().id())},
                {"aud", text(published_bob().id())},
                {"iat", number(kNow)},
                {"exp", number(kNow + kSecondsPerDay)},
                {"jti", text(message_id_for(id_name))},
                {"rk", text(encode_base64url(random_bytes(kReplyKeyBytes)))}}) {
    if (type == kMessage) {
      claims.set("body", "\"aGVsbG8\"");
    } else {
      claims.set("keys", text(published_alice().statement.token))
          .set("addr", "\"alice.example:4040\"")
          .set("name", "\"alice\"");
    }
    claims.set("pad", "\"\"");
  }

  // The same from somebody else.
  void from(const Person& person) {
    sender = &person;
    header.set("kid", text(person.id()));
    claims.set("iss", text(person.id()));
    if (typ == kRegistration) claims.set("keys", text(person.statement.token));
  }

  // An empty pad is filled as the page says; another one stays as it is.
  std::string claims_text() const {
    std::string json = claims.text();
    const std::size_t pad = json.rfind("\"pad\":\"\"");
    if (pad == std::string::npos) return json;
    json.insert(pad + 7, padded_length(json.size()) - json.size(), ' ');
    return json;
  }
  std::string token() const { return sign_raw(sender->identity, header.text(), claims_text()); }
  std::string frame() const { return frame_of(token()); }
  // Sealed with this header around any text.
  std::string frame_of(std::string_view plaintext) const {
    return seal_raw(published_bob().encryption.public_key(), sealed.text(), plaintext);
  }
};

using Make = std::function<std::string(Hand)>;
using Change = std::function<void(Hand&)>;

// Collects rows, each under a name of its own.
class Rows {
 public:
  // Any frame, given a good message to start from.
  void frame(const std::string& name, const std::string& rule, const std::string& expect,
             const Make& make) {
    add(name, rule, expect, [&](const std::string& full) { return make(Hand(kMessage, full)); });
  }
  void message(const std::string& name, const std::string& rule, const std::string& expect,
               const Change& change) {
    frame(name, rule, expect, [&](Hand hand) {
      change(hand);
      return hand.frame();
    });
  }
  void registration(const std::string& name, const std::string& rule, const std::string& expect,
                    const Change& change) {
    add(name, rule, expect, [&](const std::string& full) {
      Hand hand(kRegistration, full);
      change(hand);
      return hand.frame();
    });
  }
  // One more frame of the last row.
  void then(const std::string& frame, const std::string& expect) {
    scenarios_.back().lines.emplace_back("frame", frame);
    scenarios_.back().lines.emplace_back("expect", expect);
  }
  std::string last_frame() const { return scenarios_.back().all("frame").back(); }
  // Of the next row: the largest expiry that Bob has ever forgotten.
  void purged(std::uint64_t mark) { purged_ = mark; }

  std::vector<Scenario> take() { return std::move(scenarios_); }

 private:
  void add(const std::string& name, const std::string& rule, const std::string& expect,
           const std::function<std::string(const std::string&)>& make) {
    Scenario scenario{"listener/" + name, {{"rule", rule}, {"now", number(kNow)}}};
    if (purged_ != 0) scenario.lines.emplace_back("purged", number(purged_));
    purged_ = 0;
    const FixedRandom random(scenario.name);
    scenario.lines.emplace_back("frame", make(scenario.name));
    scenario.lines.emplace_back("expect", expect);
    scenarios_.push_back(std::move(scenario));
  }

  std::vector<Scenario> scenarios_;
  std::uint64_t purged_ = 0;
};

// ---- 1: what is no sealed request

void add_plain_frames(Rows& rows) {
  const auto plain = [&](const std::string& name, const std::string& rule,
                         const std::string& expect, const std::string& frame) {
    rows.frame("frame-" + name, rule, expect, [&](const Hand&) { return frame; });
  };
  plain("identify", "the original program's request", "pem", "identify");
  plain("identify-capitals", "in any case of its letters", "pem", "IDENTIFY");
  plain("identify-mixed", "in any case of its letters", "pem", "iDentiFy");
  plain("identify-space", "a single octet more makes another request of it", kStatement,
        "identify ");
  plain("identify-short", "a single octet less as well", kStatement, "identif");
  plain("keys", "asks for the key statement", kStatement, "keys");
  plain("keys-capitals", "anything else gets the key statement too", kStatement, "KEYS");
  plain("empty", "an empty frame is anything else", kStatement, "");
  plain("http", "so is another protocol", kStatement, "GET / HTTP/1.1\r\nHost: bob\r\n\r\n");
  plain("foreign-octet", "an octet outside 0x20 to 0x7e", kStatement, "keys\x80");
  plain("register-of-old", "a command of the original program", kStatement,
        "register 192.0.2.7 4040");
  plain("own-statement", "a statement is no request", kStatement, published_bob().statement.token);
  plain("dots", "five empty segments", kStatement, "....");
  rows.frame("frame-own-ack", "an ack is no request", kStatement, [](const Hand&) {
    return seal_direct_raw(Secret(std::string(32, 'k')), direct_header().text(), "{}");
  });
  rows.frame("frame-jws", "a signed message that is not sealed", kStatement,
             [](const Hand& hand) { return hand.token(); });
  rows.frame("frame-space-behind", "a token with a space behind it", kStatement,
             [](const Hand& hand) { return hand.frame() + " "; });
  rows.frame("frame-space-before", "a token with a space before it", kStatement,
             [](const Hand& hand) { return " " + hand.frame(); });
  rows.frame("frame-line-break", "a token with a line break in it", kStatement,
             [](const Hand& hand) { return hand.frame().insert(200, "\n"); });
  rows.frame("frame-json-serialization", "JSON serialization does not exist here", kStatement,
             [](const Hand& hand) {
               const std::string token = hand.frame();
               return "{\"protected\":\"" + segment(token, 0) + "\",\"encrypted_key\":\"" +
                      segment(token, 1) + "\",\"iv\":\"" + segment(token, 2) +
                      "\",\"ciphertext\":\"" + segment(token, 3) + "\",\"tag\":\"" +
                      segment(token, 4) + "\"}";
             });
}

// ---- 2: the segments of the JWE

void add_segments(Rows& rows) {
  const std::vector<std::string> names = {"header", "key", "iv", "ciphertext", "tag"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto damaged = [&](const std::string& what, const std::string& rule,
                             const std::function<std::string(std::string)>& damage) {
      rows.frame("jwe-" + names[i] + "-" + what, rule, kStatement, [&](const Hand& hand) {
        const std::string token = hand.frame();
        return with_segment(token, i, damage(segment(token, i)));
      });
    };
    damaged("padded", "base64url has no padding", [](const std::string& s) { return s + "="; });
    damaged("one-more", "base64url of 4 k + 1 characters", [](std::string s) {
      while (s.size() % 4 != 1) s += 'A';
      return s;
    });
    damaged("foreign", "plain base64 is another alphabet",
            [](std::string s) { return s.replace(3, 1, "+"); });
    damaged("space", "no white space inside", [](std::string s) { return s.insert(4, " "); });
    damaged("empty", "an empty segment", [](const std::string&) { return ""; });
  }
  rows.frame("jwe-tag-trailing-bits", "bits that encode nothing are zero", kStatement,
             [](const Hand& hand) {
               std::string token = hand.frame();
               // Of the last of 22 characters four bits encode nothing.
               token.back() = token.back() == 'A' ? 'B' : static_cast<char>(token.back() + 1);
               return token;
             });
  rows.frame("jwe-four-segments", "four segments", kStatement, [](const Hand& hand) {
    const std::string token = hand.frame();
    return token.substr(0, token.rfind('.'));
  });
  rows.frame("jwe-six-segments", "six segments", kStatement,
             [](const Hand& hand) { return hand.frame() + ".AAAA"; });
  rows.frame("jwe-dot-behind", "an empty sixth segment", kStatement,
             [](const Hand& hand) { return hand.frame() + "."; });
  const auto sized = [&](const std::string& name, std::size_t index, std::size_t bytes) {
    rows.frame(name, "sizes are exact", kStatement, [=](const Hand& hand) {
      return with_segment(hand.frame(), index, encode_base64url(std::string(bytes, 'x')));
    });
  };
  sized("jwe-key-short", 1, 255);
  sized("jwe-key-long", 1, 257);
  sized("jwe-iv-short", 2, 11);
  sized("jwe-iv-long", 2, 16);
  sized("jwe-tag-short", 4, 12);
  sized("jwe-tag-long", 4, 32);
  for (const std::size_t index : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{4}}) {
    rows.frame("jwe-" + names[index] + "-changed", "one character changed", kStatement,
               [=](const Hand& hand) {
                 const std::string token = hand.frame();
                 return with_segment(token, index,
                                     with_changed_character(segment(token, index), 2));
               });
  }
  rows.frame("jwe-header-respaced", "the header is authenticated as it stands", kStatement,
             [](const Hand& hand) {
               std::string json = hand.sealed.text();
               return with_segment(hand.frame(), 0, encode_base64url(json.insert(1, " ")));
             });
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{16}, std::size_t{24}, std::size_t{31}, std::size_t{33}}) {
    rows.frame("jwe-content-key-" + std::to_string(bytes), "the content key has 32 octets",
               kStatement, [=](const Hand& hand) {
                 return seal_raw(published_bob().encryption.public_key(), hand.sealed.text(),
                                 hand.token(), std::string(bytes, 'c'));
               });
  }
  rows.frame("jwe-to-alice", "sealed to somebody else under my name", kStatement,
             [](const Hand& hand) {
               return seal_raw(published_alice().encryption.public_key(), hand.sealed.text(),
                               hand.token());
             });
  rows.frame(
      "jwe-to-identity", "the identity key never decrypts", kStatement, [](const Hand& hand) {
        return seal_raw(published_bob().identity.public_key(), hand.sealed.text(), hand.token());
      });
}

// ---- 3: members of a header

// Each member missing, twice, of another type and of another value.
void add_header_rows(Rows& rows, const std::string& prefix, RawObject Hand::*header,
                     const std::vector<std::string>& members) {
  for (const std::string& member : members) {
    rows.message(prefix + "-" + member + "-missing", "every member is required", kStatement,
                 [=](Hand& hand) { (hand.*header).drop(member); });
    rows.message(prefix + "-" + member + "-twice", "no member comes twice", kStatement,
                 [=](Hand& hand) { (hand.*header).repeat(member); });
    rows.message(prefix + "-" + member + "-number", "a member of another type", kStatement,
                 [=](Hand& hand) { (hand.*header).set(member, "1"); });
    rows.message(prefix + "-" + member + "-null", "null occurs nowhere", kStatement,
                 [=](Hand& hand) { (hand.*header).set(member, "null"); });
    rows.message(prefix + "-" + member + "-array", "arrays occur nowhere", kStatement,
                 [=](Hand& hand) { (hand.*header).set(member, "[\"x\"]"); });
    rows.message(prefix + "-" + member + "-empty", "a member of another value", kStatement,
                 [=](Hand& hand) { (hand.*header).set(member, "\"\""); });
  }
}

void add_header_values(Rows& rows, const std::string& prefix, RawObject Hand::*header,
                       const std::string& member, const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    rows.message(prefix + "-" + member + "-" + value, "another " + member + " is refused by name",
                 kStatement, [=](Hand& hand) { (hand.*header).set(member, text(value)); });
  }
}

// Members that libraries know and that are not listed.
void add_header_extras(Rows& rows, const std::string& prefix, RawObject Hand::*header) {
  const JwkText jwk = jwk_text(published_alice().identity.public_key());
  const std::string key =
      RawObject{{"kty", text("RSA")}, {"n", text(jwk.n)}, {"e", text(jwk.e)}}.text();
  const std::vector<std::pair<std::string, std::string>> extras = {
      {"crit", "[\"exp\"]"},  {"zip", "\"DEF\""},
      {"jwk", key},           {"jku", "\"https://example.com/keys\""},
      {"x5c", "[\"MIIB\"]"},  {"x5u", "\"https://example.com/cert\""},
      {"b64", "false"},       {"epk", key},
      {"apu", "\"QWxpY2U\""}, {"p2c", "1000000"},
      {"p2s", "\"c2FsdA\""},  {"exp", number(kNow + 1)},
      {"p2pchat", "\"\""},
  };
  for (const auto& [name, value] : extras) {
    rows.message(prefix + "-extra-" + name, "a member that is not listed", kStatement,
                 [=](Hand& hand) { (hand.*header).set(name, value); });
  }
}

void add_header_forms(Rows& rows, const std::string& prefix,
                      const std::function<std::string(const Hand&, const std::string&)>& with_text,
                      RawObject Hand::*header) {
  const auto form = [&](const std::string& name, const std::string& rule, const std::string& expect,
                        const std::function<std::string(std::string)>& write) {
    rows.frame(prefix + "-" + name, rule, expect,
               [&](const Hand& hand) { return with_text(hand, write((hand.*header).text())); });
  };
  form("spaced", "white space is the writer's", kOk,
       [](std::string json) { return "\t" + json.insert(1, " \r\n") + "\n"; });
  form("escaped", "escapes are the writer's", kOk,
       [](std::string json) { return json.replace(json.find("\"alg\""), 5, "\"\\u0061lg\""); });
  form("twice-by-escape", "names are compared without their escapes", kStatement,
       [](std::string json) {
         return json.replace(json.size() - 1, 1, ",\"\\u0061lg\":\"PS256\"}");
       });
  form("byte-order-mark", "no byte order mark", kStatement,
       [](const std::string& json) { return "\xEF\xBB\xBF" + json; });
  form("behind", "nothing behind the object", kStatement,
       [](const std::string& json) { return json + "{}"; });
  form("comma", "no trailing comma", kStatement,
       [](std::string json) { return json.insert(json.size() - 1, ","); });
  form("comment", "no comments", kStatement,
       [](const std::string& json) { return json + "/* */"; });
  form("array", "one object, not an array of one", kStatement,
       [](const std::string& json) { return "[" + json + "]"; });
  form("latin1", "UTF-8 alone", kStatement,
       [](std::string json) { return json.insert(json.size() - 1, ",\"x\":\"\xE9\""); });
  form("not-json", "JSON alone", kStatement, [](const std::string&) { return "alg=PS256"; });
}

void add_headers(Rows& rows) {
  add_header_rows(rows, "jwe", &Hand::sealed, {"alg", "enc", "kid", "typ", "cty"});
  add_header_values(rows, "jwe", &Hand::sealed, "alg",
                    {"none", "dir", "RSA1_5", "RSA-OAEP", "RSA-OAEP-512", "ECDH-ES", "A256KW",
                     "PBES2-HS256+A128KW", "rsa-oaep-256"});
  add_header_values(rows, "jwe", &Hand::sealed, "enc",
                    {"A128GCM", "A192GCM", "A256CBC-HS512", "none"});
  add_header_values(rows, "jwe", &Hand::sealed, "typ",
                    {"p2pchat-ack+jwe", "P2PCHAT+JWE", "JWE", "p2pchat+jwe2"});
  add_header_values(rows, "jwe", &Hand::sealed, "cty", {"jwt", "JWS"});
  rows.message("jwe-kid-of-identity", "kid is that of an encryption key", kStatement,
               [](Hand& hand) { hand.sealed.set("kid", text(published_bob().id())); });
  rows.message("jwe-kid-of-alice", "kid is that of a key of mine", kStatement, [](Hand& hand) {
    hand.sealed.set("kid", text(published_alice().statement.encryption_id));
  });
  rows.message("jwe-kid-padded", "a kid is compared as it stands", kStatement, [](Hand& hand) {
    hand.sealed.set("kid", text(published_bob().statement.encryption_id + "="));
  });
  rows.message("jwe-members-turned", "the order of members is the writer's", kOk, [](Hand& hand) {
    hand.sealed = RawObject{{"cty", text("JWT")}, {"typ", text("p2pchat+jwe")}};
    hand.sealed.set("kid", text(published_bob().statement.encryption_id))
        .set("enc", text("A256GCM"))
        .set("alg", text("RSA-OAEP-256"));
  });
  add_header_extras(rows, "jwe", &Hand::sealed);
  add_header_forms(
      rows, "jwe",
      [](const Hand& hand, const std::string& json) {
        return seal_raw(published_bob().encryption.public_key(), json, hand.token());
      },
      &Hand::sealed);

  add_header_rows(rows, "jws", &Hand::header, {"alg", "kid", "typ"});
  add_header_values(rows, "jws", &Hand::header, "alg",
                    {"none", "HS256", "RS256", "PS384", "PS512", "ES256", "EdDSA", "ps256"});
  add_header_values(
      rows, "jws", &Hand::header, "typ",
      {"JWT", "p2pchat-keys+jwt", "p2pchat-reg+jwt", "p2pchat+jwe", "P2PCHAT-MSG+JWT"});
  add_header_extras(rows, "jws", &Hand::header);
  rows.message("jws-extra-cty", "a member that is not listed", kStatement,
               [](Hand& hand) { hand.header.set("cty", "\"JWT\""); });
  add_header_forms(
      rows, "jws",
      [](const Hand& hand, const std::string& json) {
        return hand.frame_of(sign_raw(hand.sender->identity, json, hand.claims_text()));
      },
      &Hand::header);
}

// ---- 4: the JWS and its signature

void add_signatures(Rows& rows) {
  const auto token = [&](const std::string& name, const std::string& rule,
                         const std::function<std::string(const Hand&)>& make) {
    rows.frame("jws-" + name, rule, kStatement,
               [&](const Hand& hand) { return hand.frame_of(make(hand)); });
  };
  const auto signed_as = [](const Hand& hand, std::string_view alg,
                            const std::function<std::string(std::string)>& signature) {
    const std::string input =
        encode_base64url(RawObject(hand.header).set("alg", text(alg)).text()) + "." +
        encode_base64url(hand.claims_text());
    return input + "." + encode_base64url(signature(input));
  };
  token("unsigned", "none is no algorithm, with an empty signature either", [&](const Hand& hand) {
    return signed_as(hand, "none", [](const std::string&) { return std::string(); });
  });
  token("hmac-of-public-key", "a public key is no secret of an HMAC", [&](const Hand& hand) {
    return signed_as(hand, "HS256", [](const std::string& input) {
      return hmac_sha256(published_alice().identity.public_key().pem(), input);
    });
  });
  token("rs256", "PKCS #1 v1.5 under its own name", [&](const Hand& hand) {
    return signed_as(hand, "RS256", [&](const std::string& input) {
      return sign_pkcs1(hand.sender->identity, input);
    });
  });
  token("rs256-as-ps256", "PKCS #1 v1.5 under the name of PS256", [&](const Hand& hand) {
    return signed_as(hand, "PS256", [&](const std::string& input) {
      return sign_pkcs1(hand.sender->identity, input);
    });
  });
  for (const int salt : {0, 20, 31, 33, 64}) {
    token("salt-" + std::to_string(salt), "the salt has 32 octets", [&](const Hand& hand) {
      return signed_as(hand, "PS256", [&](const std::string& input) {
        return sign_pss(hand.sender->identity, input, salt);
      });
    });
  }
  token("signature-changed", "one character changed", [](const Hand& hand) {
    const std::string jws = hand.token();
    return with_segment(jws, 2, with_changed_character(segment(jws, 2), 7));
  });
  token("payload-changed", "what is signed is the text, not the JSON", [](const Hand& hand) {
    const std::string jws = hand.token();
    return with_segment(jws, 1, encode_base64url(hand.claims_text() + " "));
  });
  token("signature-empty", "an empty signature",
        [](const Hand& hand) { return with_segment(hand.token(), 2, ""); });
  token("signature-short", "a signature has as many octets as the modulus", [](const Hand& hand) {
    return with_segment(hand.token(), 2, encode_base64url(std::string(255, 's')));
  });
  token("signature-long", "a signature has as many octets as the modulus", [](const Hand& hand) {
    const std::string signature = *decode_base64url(segment(hand.token(), 2));
    return with_segment(hand.token(), 2, encode_base64url(std::string(1, '\0') + signature));
  });
  token("signature-padded", "base64url has no padding",
        [](const Hand& hand) { return hand.token() + "="; });
  token("signature-trailing-bits", "bits that encode nothing are zero", [](const Hand& hand) {
    std::string jws = hand.token();
    jws.back() = jws.back() == 'A' ? 'B' : static_cast<char>(jws.back() + 1);
    return jws;
  });
  token("two-segments", "two segments", [](const Hand& hand) {
    const std::string jws = hand.token();
    return jws.substr(0, jws.rfind('.'));
  });
  token("four-segments", "four segments", [](const Hand& hand) { return hand.token() + ".AAAA"; });
  token("line-break-behind", "nothing but the token is sealed",
        [](const Hand& hand) { return hand.token() + "\n"; });
  token("detached", "a detached payload does not exist here",
        [](const Hand& hand) { return with_segment(hand.token(), 1, ""); });
  token("json-serialization", "JSON serialization does not exist here", [](const Hand& hand) {
    const std::string jws = hand.token();
    return "{\"protected\":\"" + segment(jws, 0) + "\",\"payload\":\"" + segment(jws, 1) +
           "\",\"signature\":\"" + segment(jws, 2) + "\"}";
  });
  token("bare-claims", "claims that nobody signed",
        [](const Hand& hand) { return hand.claims_text(); });
  token("key-statement", "a key statement is no request",
        [](const Hand&) { return published_alice().statement.token; });

  rows.message("jws-of-carol", "somebody else's signature under Alice's name", kStatement,
               [](Hand& hand) { hand.sender = &published_carol(); });
  rows.message(
      "jws-by-encryption-key", "an encryption key never signs", kStatement, [](Hand& hand) {
        static const Person crossed{published_alice().encryption, published_alice().identity, {}};
        hand.sender = &crossed;
      });
  rows.message("jws-kid-of-stranger", "a message of an unknown sender", kStatement,
               [](Hand& hand) { hand.from(published_carol()); });
  rows.message("jws-kid-not-iss", "kid and iss are one", kStatement,
               [](Hand& hand) { hand.claims.set("iss", text(published_dave().id())); });
  rows.message("jws-of-myself", "my own identity as the sender", kStatement,
               [](Hand& hand) { hand.from(published_bob()); });
}

// ---- 5: claims

std::vector<std::string> common_claims() {
  return {"v", "iss", "aud", "iat", "exp", "jti", "rk", "pad"};
}

void add_claim_rows(Rows& rows) {
  const auto all = [&](auto add, const std::string& prefix, std::vector<std::string> claims,
                       const std::vector<std::string>& own) {
    claims.insert(claims.end(), own.begin(), own.end());
    for (const std::string& claim : claims) {
      const bool integer = claim == "v" || claim == "iat" || claim == "exp";
      add(prefix + claim + "-missing", "every claim is required",
          [=](Hand& hand) { hand.claims.drop(claim); });
      add(prefix + claim + "-twice", "no claim comes twice",
          [=](Hand& hand) { hand.claims.repeat(claim); });
      add(prefix + claim + (integer ? "-string" : "-number"), "a claim of another type",
          [=](Hand& hand) { hand.claims.set(claim, integer ? "\"1\"" : "1"); });
      add(prefix + claim + "-null", "null occurs nowhere",
          [=](Hand& hand) { hand.claims.set(claim, "null"); });
      add(prefix + claim + "-true", "true occurs nowhere",
          [=](Hand& hand) { hand.claims.set(claim, "true"); });
      add(prefix + claim + "-object", "an object where none belongs",
          [=](Hand& hand) { hand.claims.set(claim, "{}"); });
    }
  };
  all([&](const auto& name, const auto& rule,
          const Change& change) { rows.message(name, rule, kStatement, change); },
      "claim-", common_claims(), {"body"});
  all([&](const auto& name, const auto& rule,
          const Change& change) { rows.registration(name, rule, kStatement, change); },
      "registration-", {}, {"keys", "addr", "name"});

  const std::vector<std::pair<std::string, std::string>> extras = {
      {"nbf", number(kNow)}, {"sub", "\"\""}, {"body2", "\"\""}, {"", "1"}, {"keys", "\"\""}};
  for (const auto& [name, value] : extras) {
    rows.message("claim-extra-" + (name.empty() ? "nameless" : name), "a claim that is not listed",
                 kStatement, [=](Hand& hand) { hand.claims.set(name, value); });
  }
  rows.registration("registration-extra-body", "a registration has no body", kStatement,
                    [](Hand& hand) { hand.claims.set("body", "\"\""); });
  rows.message("claim-deep", "objects are at most four deep", kStatement,
               [](Hand& hand) { hand.claims.set("x", R"({"a":{"a":{"a":{"a":1}}}})"); });
  rows.message("claim-order", "the order of claims is the writer's", kOk, [](Hand& hand) {
    const std::string v = "1";
    hand.claims.drop("v").set("v", v);
  });
}

// A claim with one value after the other.
void add_values(Rows& rows, const std::string& claim,
                const std::vector<std::tuple<std::string, std::string, const char*>>& values) {
  for (const auto& [name, value, expect] : values) {
    rows.message("claim-" + claim + "-" + name, "grammar of " + claim, expect,
                 [claim = claim, value = value](Hand& hand) { hand.claims.set(claim, value); });
  }
}

std::string characters(const std::string& first, std::size_t count) {
  return text(first + std::string(count - first.size(), 'A'));
}

void add_claim_values(Rows& rows) {
  add_values(rows, "v",
             {{"0", "0", kStatement},
              {"2", "2", kStatement},
              {"fraction", "1.0", kStatement},
              {"exponent", "1e0", kStatement},
              {"minus", "-1", kStatement},
              {"leading-zero", "01", kStatement}});
  add_values(rows, "iss",
             {{"empty", "\"\"", kStatement},
              {"of-bob", text(published_bob().id()), kStatement},
              {"with-prefix", text("SHA256:" + published_alice().id()), kStatement}});
  add_values(
      rows, "aud",
      {{"empty", "\"\"", kStatement},
       {"of-carol", text(published_carol().id()), kStatement},
       {"of-alice", text(published_alice().id()), kStatement},
       {"array-of-one", "[" + text(published_bob().id()) + "]", kStatement},
       {"array-of-two", "[" + text(published_bob().id()) + "," + text(published_carol().id()) + "]",
        kStatement}});
  add_values(rows, "iat",
             {{"fraction", number(kNow) + ".0", kStatement},
              {"exponent", "17e8", kStatement},
              {"minus-zero", "-0", kStatement},
              {"too-large", "9007199254740992", kStatement},
              {"as-exp", number(kNow + kSecondsPerDay), kStatement},
              {"behind-exp", number(kNow + kSecondsPerDay + 1), kStatement},
              {"600-ahead", number(kNow + 600), kOk},
              {"601-ahead", number(kNow + 601), kSkew},
              {"before-exp", number(kNow + kSecondsPerDay - 1), kSkew},
              {"29-days-ago", number(kNow - 29 * kSecondsPerDay), kOk},
              {"30-days-ago", number(kNow - 29 * kSecondsPerDay - 1), kStatement}});
  add_values(rows, "exp",
             {{"now", number(kNow), kStatement},
              {"next-second", number(kNow + 1), kOk},
              {"30-days", number(kNow + 30 * kSecondsPerDay), kOk},
              {"beyond-30-days", number(kNow + 30 * kSecondsPerDay + 1), kStatement},
              {"largest-integer", "9007199254740991", kStatement}});
  add_values(rows, "jti",
             {{"empty", "\"\"", kStatement},
              {"21", characters("", 21), kStatement},
              {"23", characters("", 23), kStatement},
              {"zeros", characters("", 22), kOk},
              {"hyphen", characters("-", 22), kOk},
              {"trailing-bits", text(std::string(21, 'A') + "B"), kStatement},
              {"padded", text(std::string(22, 'A') + "=="), kStatement}});
  add_values(rows, "rk",
             {{"empty", "\"\"", kStatement},
              {"31-octets", characters("", 42), kStatement},
              {"33-octets", characters("", 44), kStatement},
              {"trailing-bits", text(std::string(42, 'A') + "B"), kStatement},
              {"padded", text(std::string(43, 'A') + "="), kStatement},
              {"space", text(std::string(43, 'A') + " "), kStatement}});
  add_values(rows, "pad",
             {{"one", "\" \"", kOk},
              {"off-the-ladder", text(std::string(77, ' ')), kOk},
              {"escaped", "\"\\u0020\"", kOk},
              {"tab", "\"\\t\"", kStatement},
              {"letter", "\" x \"", kStatement},
              {"no-break-space", "\"\\u00a0\"", kStatement}});
  add_values(rows, "body",
             {{"empty", "\"\"", kOk},
              {"any-octets", "\"AAH_gA\"", kOk},
              {"escaped", "\"\\u0061GVsbG8\"", kOk},
              {"padded", "\"aGVsbG8=\"", kStatement},
              {"trailing-bits", "\"aGVsbG9\"", kStatement},
              {"one-more", "\"aGVsb\"", kStatement},
              {"space", "\"aGVs bG8\"", kStatement},
              {"line-break", "\"aGVs\\nbG8\"", kStatement},
              {"foreign", "\"aGVs+G8\"", kStatement},
              {"lone-surrogate", "\"\\ud800\"", kStatement}});
}

void add_clocks(Rows& rows) {
  rows.message("clock-expired", "expired by the listener's clock", kSkew, [](Hand& hand) {
    hand.claims.set("iat", number(kNow - 100)).set("exp", number(kNow));
  });
  rows.message("clock-last-second", "not yet expired", kOk, [](Hand& hand) {
    hand.claims.set("iat", number(kNow - 100)).set("exp", number(kNow + 1));
  });
  rows.message("clock-1970", "long expired", kSkew,
               [](Hand& hand) { hand.claims.set("iat", "0").set("exp", "1"); });
  rows.message("clock-far-future", "from the future", kSkew, [](Hand& hand) {
    hand.claims.set("iat", "9007199254740990").set("exp", "9007199254740991");
  });
  rows.purged(kNow + 50);
  rows.message("clock-purged", "no id of that expiry can be told from one that was forgotten",
               kSkew, [](Hand& hand) { hand.claims.set("exp", number(kNow + 50)); });
  rows.purged(kNow + 50);
  rows.message("clock-above-purged", "above the largest expiry ever forgotten", kOk,
               [](Hand& hand) { hand.claims.set("exp", number(kNow + 51)); });
  rows.message("clock-skew-of-pending", "the clock comes before the standing", kSkew,
               [](Hand& hand) {
                 hand.from(published_dave());
                 hand.claims.set("iat", number(kNow + 601));
               });
  rows.registration("clock-registration", "a registration has the same clock", kSkew,
                    [](Hand& hand) { hand.claims.set("iat", number(kNow + 601)); });
}

// ---- 6: registrations

std::string bad_statement(const std::string& name, const std::string& raw) {
  const JwkText jwk = jwk_text(published_alice().identity.public_key());
  const JwkText ek = jwk_text(published_alice().encryption.public_key());
  const auto key = [](const JwkText& k) {
    return RawObject{{"kty", text("RSA")}, {"n", text(k.n)}, {"e", text(k.e)}}.text();
  };
  RawObject claims{{"v", "1"},
                   {"iss", text(published_alice().id())},
                   {"jwk", key(jwk)},
                   {"ek", key(ek)},
                   {"seq", number(kNow)},
                   {"iat", number(kNow)},
                   {"exp", number(kNow + 14 * kSecondsPerDay)}};
  return sign_raw(published_alice().identity,
                  signed_header(published_alice().id(), "p2pchat-keys+jwt").text(),
                  claims.set(name, raw).text());
}

std::string raw_jwk(const std::string& n, const std::string& e) {
  return RawObject{{"kty", text("RSA")}, {"n", text(n)}, {"e", text(e)}}.text();
}

// A modulus of so many bits that is no product of anything in particular.
std::string modulus(std::size_t bits, char last = '\x81') {
  std::string bytes(bits / 8, '\x81');
  bytes.back() = last;
  return encode_base64url(bytes);
}

void add_statements(Rows& rows) {
  const auto with_keys = [&](const std::string& name, const std::string& rule, const char* expect,
                             const std::function<std::string()>& keys) {
    rows.registration("keys-" + name, rule, expect, [&](Hand& hand) {
      hand.claims.set("keys", text(keys())).set("iat", number(kNow + 1));
    });
  };
  const auto changed = [&](const std::string& name, const std::string& rule,
                           const std::string& claim, const std::string& raw) {
    with_keys(name, rule, kStatement, [&] { return bad_statement(claim, raw); });
  };
  const JwkText own = jwk_text(published_alice().identity.public_key());
  const JwkText good = jwk_text(published_carol().encryption.public_key());
  with_keys("good", "a statement that holds", "ack trusted",
            [] { return published_alice().statement.token; });
  with_keys("newer", "a newer statement", "ack trusted", [&] {
    return make_key_statement(published_alice().identity, published_carol().encryption.public_key(),
                              kNow + 1, kNow, kNow + 100)
        .token;
  });
  with_keys("lower-seq", "keys that have fallen behind what is stored", kStatement,
            [] { return bad_statement("seq", number(kNow - 1)); });
  with_keys("same-seq-other-key", "two keys under one number", kStatement,
            [&] { return bad_statement("ek", raw_jwk(good.n, good.e)); });
  with_keys("of-carol", "the statement of somebody else", kStatement,
            [] { return published_carol().statement.token; });
  with_keys("empty", "no statement", kStatement, [] { return std::string(); });
  with_keys("signature-changed", "a signature that does not verify", kStatement, [] {
    const std::string& token = published_alice().statement.token;
    return with_segment(token, 2, with_changed_character(segment(token, 2), 7));
  });
  with_keys("expired", "a statement that has expired", kStatement, [] {
    return make_key_statement(published_alice().identity, published_alice().encryption.public_key(),
                              kNow + 1, kNow - 100, kNow)
        .token;
  });
  changed("401-days", "at most 400 days", "exp", number(kNow + 400 * kSecondsPerDay + 1));
  changed("exp-as-iat", "iat before exp", "exp", number(kNow));
  changed("one-key", "the two keys are two", "ek", raw_jwk(own.n, own.e));
  changed("extra-claim", "a claim that is not listed", "pad", "\"\"");
  changed("seq-string", "a claim of another type", "seq", text(number(kNow)));
  changed("exponent-3", "the exponent is 65537", "ek", raw_jwk(good.n, "Aw"));
  changed("exponent-1", "the exponent is 65537", "ek", raw_jwk(good.n, "AQ"));
  changed("exponent-0", "the exponent is 65537", "ek", raw_jwk(good.n, "AA"));
  changed("exponent-long", "e without leading zero octets", "ek", raw_jwk(good.n, "AAEAAQ"));
  changed("modulus-1024", "a modulus has 2048 bits or more", "ek", raw_jwk(modulus(1024), "AQAB"));
  changed("modulus-2040", "a modulus has 2048 bits or more", "ek", raw_jwk(modulus(2040), "AQAB"));
  changed("modulus-4104", "a modulus has 4096 bits or less", "ek", raw_jwk(modulus(4104), "AQAB"));
  changed("modulus-even", "a modulus is odd", "ek", raw_jwk(modulus(2048, '\x80'), "AQAB"));
  changed("modulus-leading-zero", "n without leading zero octets", "ek",
          raw_jwk(encode_base64url(std::string(1, '\0') + *decode_base64url(good.n)), "AQAB"));
  changed("modulus-padded", "base64url has no padding", "ek", raw_jwk(good.n + "==", "AQAB"));
  changed("jwk-of-ec", "RSA keys alone", "ek", R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})");
  changed(
      "jwk-private", "a private key is no public one", "ek",
      RawObject{{"kty", text("RSA")}, {"n", text(good.n)}, {"e", text("AQAB")}, {"d", text(good.n)}}
          .text());
  changed("jwk-with-alg", "exactly kty, n and e", "ek",
          RawObject{{"kty", text("RSA")},
                    {"n", text(good.n)},
                    {"e", text("AQAB")},
                    {"alg", text("RSA-OAEP-256")}}
              .text());
}

void add_introductions(Rows& rows) {
  const auto valued = [&](const std::string& claim, const std::string& name,
                          const std::string& value, const char* expect) {
    rows.registration("registration-" + claim + "-" + name, "grammar of " + claim, expect,
                      [&](Hand& hand) { hand.claims.set(claim, text(value)); });
  };
  const char* const trusted = "ack trusted";
  valued("addr", "empty", "", trusted);
  valued("addr", "port", ":4040", trusted);
  valued("addr", "ipv4", "192.0.2.7:1", trusted);
  valued("addr", "ipv6", "[2001:db8::7]:65535", trusted);
  valued("addr", "ipv6-with-ipv4", "[::ffff:192.0.2.7]:4040", trusted);
  valued("addr", "longest-name", std::string(253, 'a') + ":4040", trusted);
  valued("addr", "name-too-long", std::string(254, 'a') + ":4040", kStatement);
  valued("addr", "option", "-oProxyCommand=x:4040", kStatement);
  valued("addr", "no-port", "alice.example", kStatement);
  valued("addr", "port-0", ":0", kStatement);
  valued("addr", "port-65536", ":65536", kStatement);
  valued("addr", "port-leading-zero", ":04040", kStatement);
  valued("addr", "port-99999", "alice.example:99999", kStatement);
  valued("addr", "port-signed", ":+4040", kStatement);
  valued("addr", "bare-ipv6", "2001:db8::7:4040", kStatement);
  valued("addr", "zone", "[fe80::1%eth0]:4040", kStatement);
  valued("addr", "space", "alice example:4040", kStatement);
  valued("addr", "underscore", "alice_example:4040", kStatement);
  valued("addr", "slash", "alice/../bob:4040", kStatement);
  valued("addr", "10-kilobytes", std::string(10'000, 'a') + ":4040", kStatement);
  valued("name", "empty", "", trusted);
  valued("name", "64-octets", std::string(64, 'n'), trusted);
  valued("name", "65-octets", std::string(65, 'n'), kStatement);
  valued("name", "utf-8", "Zo\xC3\xAB \xE7\x8B\xAC", trusted);
  valued("name", "quotes-escaped", "\\\"; rm -rf \\\\", trusted);
  valued("name", "control-escaped", "\\u001b[2J", kStatement);
  valued("name", "line-break-escaped", "two\\nlines", kStatement);
  valued("name", "delete", "\x7F", kStatement);
  valued("name", "c1-escaped", "\\u009b", kStatement);
  valued("name", "lone-surrogate", "\\udc00", kStatement);
  valued("name", "surrogate-pair", "\\ud83d\\ude00", trusted);
  valued("name", "invalid-utf-8", "\xC3", kStatement);
  valued("name", "overlong", "\xC0\xAF", kStatement);
}

// ---- 7: standing and ids

void add_standings(Rows& rows) {
  rows.message("message", "a message of a trusted sender", kOk, [](Hand&) {});
  rows.frame("message-to-old-key", "sealed to the previous key; the ack tells the new one",
             "ack ok with keys", [](Hand hand) {
               hand.sealed.set("kid", text(published_old_statement().encryption_id));
               return seal_raw(published_old_encryption().public_key(), hand.sealed.text(),
                               hand.token());
             });
  rows.message("message-of-pending", "a message of a pending sender", "ack pending",
               [](Hand& hand) { hand.from(published_dave()); });
  rows.message("message-again", "the same frame again", kOk, [](Hand&) {});
  rows.then(rows.last_frame(), "ack dup");
  const auto second = [&](const std::string& name, const std::string& rule, const char* expect,
                          const Change& change) {
    rows.message(name, rule, kOk, [](Hand&) {});
    const FixedRandom random(name + ", second");
    Hand hand(kMessage, "listener/" + name);
    change(hand);
    rows.then(hand.frame(), expect);
  };
  second("message-sealed-anew", "the same id and body, sealed anew", "ack dup", [](Hand& hand) {
    hand.claims.set("iat", number(kNow + 1)).set("exp", number(kNow + 100));
  });
  second("message-conflict", "the same id with another body", "ack conflict",
         [](Hand& hand) { hand.claims.set("body", "\"d29ybGQ\""); });
  second("message-conflict-empty", "the same id with no body", "ack conflict",
         [](Hand& hand) { hand.claims.set("body", "\"\""); });
  second("message-id-of-pending", "nobody else's ids are looked up", "ack pending",
         [](Hand& hand) { hand.from(published_dave()); });

  rows.registration("registration-of-trusted", "a trusted sender's", "ack trusted", [](Hand&) {});
  rows.registration("registration-of-pending", "a pending sender's", "ack pending",
                    [](Hand& hand) { hand.from(published_dave()); });
  rows.registration("registration-of-stranger", "a stranger becomes a pending peer", "ack pending",
                    [](Hand& hand) { hand.from(published_carol()); });
  rows.registration("registration-again", "the same frame again", "ack trusted", [](Hand&) {});
  rows.then(rows.last_frame(), "ack trusted");
  rows.registration("registration-then-message", "a stranger that has registered is known",
                    "ack pending", [](Hand& hand) { hand.from(published_carol()); });
  {
    const FixedRandom random("registration-then-message, second");
    Hand hand(kMessage, "listener/registration-then-message");
    hand.from(published_carol());
    rows.then(hand.frame(), "ack pending");
  }
  rows.registration("registration-signed-by-carol", "a statement does not vouch for a thief",
                    kStatement, [](Hand& hand) { hand.sender = &published_carol(); });
  rows.registration("registration-of-myself", "my own identity as the sender", kStatement,
                    [](Hand& hand) { hand.from(published_bob()); });
  rows.registration("registration-to-carol", "for somebody else", kStatement,
                    [](Hand& hand) { hand.claims.set("aud", text(published_carol().id())); });
}

}  // namespace

std::vector<Scenario> listener_scenarios() {
  published_statements();  // made before anything is drawn from a row's own randomness
  published_old_statement();
  Rows rows;
  add_plain_frames(rows);
  add_segments(rows);
  add_headers(rows);
  add_signatures(rows);
  add_claim_rows(rows);
  add_claim_values(rows);
  add_clocks(rows);
  add_statements(rows);
  add_introductions(rows);
  add_standings(rows);
  return rows.take();
}

// ---- what Bob makes of them

namespace {

// Bob's folder and what stands in it before each row.
class Bob {
 public:
  Bob() {
    freeze_unix_clock(kNow);
    write_file(home_.home().identity_file(), published_bob().identity.pem().view());
    home_.add_encryption_key(published_bob().statement, published_bob().encryption);
    home_.add_encryption_key(published_old_statement(), published_old_encryption());
    database_.emplace(home_.state());
  }
  ~Bob() { freeze_unix_clock(std::nullopt); }
  Bob(const Bob&) = delete;
  Bob& operator=(const Bob&) = delete;

  const Home& home() const { return home_.home(); }

  void reset(const Scenario& scenario) {
    WriteTransaction transaction(*database_);
    for (const char* table : {"messages", "peers", "marks"}) {
      database_->sqlite().exec(std::string("DELETE FROM ") + table);
    }
    if (scenario.has("purged")) {
      database_->sqlite().exec("INSERT INTO marks VALUES ('purged_exp', " + scenario.one("purged") +
                               ")");
    }
    add(published_alice(), PeerStatus::trusted, "alice");
    add(published_dave(), PeerStatus::pending, "");
    transaction.commit();
  }

  Database& database() { return *database_; }
  Database another() { return home_.state(); }

 private:
  void add(const Person& person, PeerStatus status, const std::string& name) {
    PeerRow row;
    row.identity = person.id();
    row.status = status;
    row.name = name;
    row.statement = person.statement.token;
    Peers(*database_).insert(row);
  }

  TestHome home_;
  std::optional<Database> database_;
};

// A request that opens, whoever signed it.
std::optional<Request> opened(const std::string& frame) {
  const std::vector<const Person*> known = {&published_alice(), &published_dave()};
  const auto key_id = recipient_key_id(frame);
  const bool old = key_id == published_old_statement().encryption_id;
  Result<Request> request =
      open_request(frame, old ? published_old_encryption() : published_bob().encryption,
                   {published_bob().id(), published_bob().identity.public_key(), kNow},
                   [&](const std::string& id) -> std::optional<RsaPublicKey> {
                     for (const Person* person : known) {
                       if (person->id() == id) return person->identity.public_key();
                     }
                     if (id == published_carol().id())
                       return published_carol().identity.public_key();
                     return std::nullopt;
                   });
  if (!request) return std::nullopt;
  return *std::move(request);
}

std::string word_of(const Ack& ack) {
  static const std::map<AckStatus, std::string> words = {{AckStatus::ok, "ok"},
                                                         {AckStatus::dup, "dup"},
                                                         {AckStatus::trusted, "trusted"},
                                                         {AckStatus::pending, "pending"},
                                                         {AckStatus::busy, "busy"},
                                                         {AckStatus::skew, "skew"},
                                                         {AckStatus::conflict, "conflict"}};
  return "ack " + words.at(ack.status) + (ack.keys.empty() ? "" : " with keys");
}

// What a reply is, in the words of `expect`; what is neither is said as it is.
std::string name_of_reply(const std::string& frame, const std::string& reply) {
  if (reply == published_bob().statement.token) return kStatement;
  if (reply == published_bob().identity.public_key().pem()) return "pem";
  const auto request = opened(frame);
  if (!request) return reply;
  const Result<Ack> ack = open_ack(reply, {request->type, published_bob().id(), request->iss,
                                           request->jti, request->frame_hash, request->reply_key});
  return ack ? word_of(*ack) : ack.why();
}

const std::vector<Scenario>& rows() {
  static const std::vector<Scenario> rows = listener_scenarios();
  return rows;
}

// Every row through `answer`, which gives the reply to a frame.
void check_rows(Bob& bob, const std::function<std::string(const std::string&)>& answer) {
  for (const Scenario& scenario : rows()) {
    bob.reset(scenario);
    const std::vector<std::string> frames = scenario.all("frame");
    const std::vector<std::string> expected = scenario.all("expect");
    for (std::size_t i = 0; i < frames.size(); ++i) {
      INFO(scenario.name << ": " << scenario.one("rule"));
      CHECK(name_of_reply(frames[i], answer(frames[i])) == expected[i]);
    }
  }
}

}  // namespace

TEST_CASE("profile: every row has a name of its own, and one reply a frame") {
  std::set<std::string> names;
  for (const Scenario& scenario : rows()) {
    CAPTURE(scenario.name);
    CHECK(names.insert(scenario.name).second);
    CHECK(scenario.all("frame").size() == scenario.all("expect").size());
  }
  CHECK(rows().size() >= 80);
  WARN(rows().size() << " rows");
}

TEST_CASE("profile: the pure functions answer every row as they must") {
  Bob bob;
  const Identity identity{published_bob().identity, published_bob().id()};
  LiveKeyring keyring(bob.home(), identity, 7);
  Responder responder(identity, keyring, bob.another(), Inbox(bob.home(), {}));
  check_rows(bob, [&](const std::string& frame) {
    const auto opened = responder.open(frame);
    if (!opened.request) return opened.reply;
    WriteTransaction transaction(bob.database());
    const Verdict verdict =
        responder.decide(bob.database(), *opened.request, {"192.0.2.7", "192.0.2.7"});
    transaction.commit();
    return responder.seal(opened, verdict);
  });
}

TEST_CASE("profile: a live listener answers every row as it must") {
  Bob bob;
  bob.reset({});
  const CapturedStdout nobody_reads;
  ListenOptions options;
  options.address = "127.0.0.1";
  options.forever = true;
  options.format = [](const Received&) { return std::string(); };
  Listening listening(bob.home(), options);
  const std::string address = listening.address();
  const auto port = static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
  check_rows(bob, [&](const std::string& frame) {
    const Deadline deadline(kPatience);
    const Dialed line = dial("127.0.0.1", port, deadline);
    return exchange(line.socket.get(), line.socket.get(), frame, deadline,
                    [](std::string_view) { return true; })
        .reply;
  });
}

}  // namespace p2pchat

// The worked example of p2pchat-protocol(7): every value in it is what the code makes today. In the
// page's source a line `.\" value NAME` stands before the display that holds the value.
#include <catch2/catch.hpp>
#include <functional>
#include <map>

#include "crypto/evp.h"
#include "jose/base64url.h"
#include "jose/jwe.h"
#include "jose/jwk.h"
#include "protocol/claims.h"
#include "scenario.h"
#include "test_home.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

constexpr std::size_t kLineCharacters = 64;
constexpr std::string_view kDisplayBegin = ".Bd -literal -offset indent -compact\n";
constexpr std::string_view kDisplayEnd = ".Ed\n";

using Values = std::map<std::string, std::string>;

std::string page_path() {
  return P2PCHAT_SOURCE_DIR "/man/p2pchat-protocol.7";
}

// Lines of mdoc that show the value: a break after each kLineCharacters.
std::string displayed(std::string_view value) {
  std::string lines;
  while (!value.empty()) {
    std::size_t length = std::min({kLineCharacters, value.find('\n'), value.size()});
    // A count of spaces stays in one piece.
    const std::size_t count = value.substr(0, length).rfind('(');
    if (count != std::string_view::npos && value.find(')', count) >= length) length = count;
    std::string line(value.substr(0, length));
    value.remove_prefix(line.size());
    if (value.starts_with('\n')) value.remove_prefix(1);
    // A hyphen would be typeset, a dot in front would be a macro.
    for (std::size_t at = line.find('-'); at != std::string::npos; at = line.find('-', at + 2)) {
      line.insert(at, "\\");
    }
    if (line.starts_with('.')) line.insert(0, "\\&");
    lines += line + "\n";
  }
  return lines;
}

// The value named in `page`, as mdoc; or the page with another one in its place.
std::pair<std::size_t, std::size_t> place_of(const std::string& page, const std::string& name) {
  const std::string mark = ".\\\" value " + name + "\n" + std::string(kDisplayBegin);
  const std::size_t begin = page.find(mark);
  INFO(name << " is not on the page, or more than once");
  REQUIRE(begin != std::string::npos);
  REQUIRE(page.find(mark, begin + 1) == std::string::npos);
  const std::size_t from = begin + mark.size();
  return {from, page.find(kDisplayEnd, from) - from};
}

std::string json_of(std::string_view token, std::size_t index) {
  return *decode_base64url(segment(token, index));
}

std::string counted_pad(std::string json) {
  const std::size_t pad = json.rfind("\"pad\":\"") + 7;
  const std::size_t spaces = json.rfind('"') - pad;
  return json.replace(pad, spaces, "(" + std::to_string(spaces) + " spaces)");
}

std::string without_keys(std::string json) {
  const std::size_t keys = json.find("\"keys\":\"") + 8;
  return json.replace(keys, json.find('"', keys) - keys, "(the statement)");
}

void add_key(Values& values, const std::string& name, const RsaPrivateKey& key) {
  values[name + ".n"] = jwk_text(key.public_key()).n;
  values[name + ".d"] = encode_base64url(private_exponent(key));
}

void add_statement(Values& values) {
  const FixedRandom random("statement of bob");  // as scenario.cpp makes the published one
  const KeyStatement& said = published_bob().statement;
  const KeyStatement again =
      make_key_statement(published_bob().identity, published_bob().encryption.public_key(),
                         said.seq, said.iat, said.exp);
  values["statement.salt"] = encode_base64url(FixedRandom::taken(32).at(0));
  REQUIRE(again.token == said.token);
  values["statement.token"] = again.token;
  values["statement.header"] = json_of(again.token, 0);
  values["statement.claims"] = json_of(again.token, 1);
}

// Draws in the order of seal_request(): content key, seed, rk, salt; and the IV.
SealedRequest add_request(Values& values, const std::string& name, const Draft& draft) {
  const FixedRandom random("worked example, " + name);
  SealedRequest sealed = seal_request(draft, published_alice().identity, published_alice().id(),
                                      published_bob().statement);
  const std::vector<std::string> drawn = FixedRandom::taken(32);
  REQUIRE(drawn.size() == 4);
  const Secret content_key = unwrap_content_key(published_bob().encryption.evp(),
                                                *decode_base64url(segment(sealed.frame, 1)));
  REQUIRE(content_key.view() == drawn[0]);
  REQUIRE(sealed.reply_key.view() == drawn[2]);
  const std::string jws = *SealedJwe::parse(sealed.frame)->open(content_key);
  values[name + ".rk"] = encode_base64url(drawn[2]);
  values[name + ".header"] = json_of(jws, 0);
  values[name + ".claims"] = counted_pad(json_of(jws, 1));
  values[name + ".salt"] = encode_base64url(drawn[3]);
  values[name + ".jws"] = jws;
  values[name + ".drawn"] = encode_base64url(drawn[0]) + "\n" + encode_base64url(drawn[1]) + "\n" +
                            segment(sealed.frame, 2);
  values[name + ".frame"] = sealed.frame;
  return sealed;
}

Draft draft_of(RequestType type, const std::string& id) {
  Draft draft;
  draft.type = type;
  draft.iat = kNow;
  draft.exp = kNow + (type == RequestType::message ? 7 * kSecondsPerDay : 3600);
  draft.jti = message_id_for(id);
  return draft;
}

void add_registration(Values& values) {
  Draft draft = draft_of(RequestType::registration, "worked example, registration");
  draft.statement_token = published_alice().statement.token;
  draft.addr = ":4040";
  draft.name = "alice";
  const SealedRequest sealed = add_request(values, "registration", draft);
  values["registration.keys"] = draft.statement_token;
  {
    const FixedRandom again("statement of alice");
    const KeyStatement& said = published_alice().statement;
    REQUIRE(make_key_statement(published_alice().identity,
                               published_alice().encryption.public_key(), said.seq, said.iat,
                               said.exp)
                .token == said.token);
    values["registration.keys.salt"] = encode_base64url(FixedRandom::taken(32).at(0));
  }
  values["registration.claims"] = without_keys(values["registration.claims"]);
  values["registration.sealed"] = json_of(sealed.frame, 0);
}

void add_message_and_ack(Values& values) {
  Draft draft = draft_of(RequestType::message, "worked example, message");
  draft.body = "hello";
  const SealedRequest sealed = add_request(values, "message", draft);

  const Result<Request> request = open_request(
      sealed.frame, published_bob().encryption,
      {published_bob().id(), published_bob().identity.public_key(), kNow},
      [](const std::string&) { return std::optional(published_alice().identity.public_key()); });
  REQUIRE(request);
  values["ack.hashes"] =
      encode_base64url(request->frame_hash) + "\n" + encode_base64url(request->content_hash);
  const FixedRandom random("worked example, ack");
  Ack ack;
  ack.iat = kNow;
  const std::string frame = seal_ack(ack, *request);
  values["ack.header"] = json_of(frame, 0);
  values["ack.claims"] = counted_pad(*SealedJwe::parse(frame)->open_direct(request->reply_key));
  values["ack.iv"] = segment(frame, 2);
  values["ack.frame"] = frame;
}

Values worked_example() {
  published_statements();  // made before anything else is drawn
  Values values;
  add_key(values, "alice-identity", published_alice().identity);
  add_key(values, "alice-encryption", published_alice().encryption);
  add_key(values, "bob-identity", published_bob().identity);
  add_key(values, "bob-encryption", published_bob().encryption);
  for (const Person* person : {&published_alice(), &published_bob()}) {
    values["thumbprints"] += person->id() + "\n" + person->statement.encryption_id + "\n";
  }
  add_statement(values);
  add_registration(values);
  add_message_and_ack(values);
  return values;
}

}  // namespace

TEST_CASE("worked example: every value on the page is what the code makes") {
  const std::string page = read_file(page_path());
  for (const auto& [name, value] : worked_example()) {
    const auto [from, size] = place_of(page, name);
    CAPTURE(name);
    CHECK(page.substr(from, size) == displayed(value));
  }
}

// Hidden: run by tests/vectors/regenerate.
TEST_CASE("worked example: is written", "[.][regenerate]") {
  std::string page = read_file(page_path());
  for (const auto& [name, value] : worked_example()) {
    const auto [from, size] = place_of(page, name);
    page.replace(from, size, displayed(value));
  }
  write_file(page_path(), page, 0644);
}

}  // namespace p2pchat

#include "keys.h"

#include <fstream>
#include <iterator>

#include "fuzz.h"

namespace p2pchat {

namespace {

std::string read_key_file(const std::string& name) {
  std::ifstream file(P2PCHAT_SOURCE_DIR "/tests/vectors/keys/" + name);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  HOLDS(!text.empty());
  return text;
}

KeyStatement read_statement(const std::string& name) {
  std::string token = read_key_file(name + ".statement");
  token.pop_back();  // the line feed
  Result<KeyStatement> statement = read_key_statement(token);
  HOLDS(statement);
  return *std::move(statement);
}

RsaPrivateKey read_key(const std::string& name) {
  Result<RsaPrivateKey> key = RsaPrivateKey::from_pem(read_key_file(name + ".pem"));
  HOLDS(key);
  return *std::move(key);
}

Party read_party(const std::string& name) {
  Party party{
      read_key(name + "-identity"), read_key(name + "-encryption"), read_statement(name), {}};
  party.pem = party.identity.public_key().pem();
  return party;
}

}  // namespace

const Party& alice() {
  static const Party party = read_party("alice");
  return party;
}

const Party& bob() {
  static const Party party = read_party("bob");
  return party;
}

const Party& carol() {
  static const Party party = read_party("carol");
  return party;
}

const KeyStatement& old_statement_of_bob() {
  static const KeyStatement statement = read_statement("bob-old");
  return statement;
}

}  // namespace p2pchat

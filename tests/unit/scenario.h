// The published scenarios of tests/vectors: who takes part, how a file is written and read, and the
// source of randomness that makes them the same at every regeneration. tests/vectors/README.md
// describes them to those who read them with a program of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/rsa_key.h"
#include "protocol/key_statement.h"

namespace p2pchat {

// tests/vectors of the source tree.
std::string published_folder();

// Bob listens; he trusts Alice, Dave is pending there, Carol is unknown. Their keys are in
// tests/vectors/keys.
struct Person {
  RsaPrivateKey identity;
  RsaPrivateKey encryption;
  KeyStatement statement;  // said at kNow

  const std::string& id() const { return statement.identity_id; }
};
const Person& published_alice();
const Person& published_bob();
const Person& published_carol();
const Person& published_dave();
// Bob's encryption key before the present one, with its statement.
const RsaPrivateKey& published_old_encryption();
const KeyStatement& published_old_statement();
// "bob", "bob-old" ... and the tokens, as they stand in tests/vectors/keys/*.statement.
std::map<std::string, std::string> published_statements();

// Lines `name: value` in a fixed order; a name may come again. In a file, octets that are not
// printable ASCII, and backslashes, are written as \xNN.
struct Scenario {
  std::string name;  // of the file, without ".txt", below tests/vectors: "listener/enc-missing"
  std::vector<std::pair<std::string, std::string>> lines;

  // All values of that name, in order.
  std::vector<std::string> all(std::string_view line) const;
  // The only one; the test fails when there is none or more.
  std::string one(std::string_view line) const;
  bool has(std::string_view line) const { return !all(line).empty(); }
};

std::string scenario_text(const Scenario& scenario);
// Every file in that folder of tests/vectors, sorted by name.
std::vector<Scenario> read_scenarios(const std::string& folder);
void write_scenarios(const std::string& folder, const std::vector<Scenario>& scenarios);

// The rows of profile_test.cpp and of profile_replies_test.cpp: tests/vectors/listener and client.
std::vector<Scenario> listener_scenarios();
std::vector<Scenario> client_scenarios();

// While it lives, OpenSSL's random bytes are a function of `seed`, of how many are asked for at
// once, and of how often so many have been: a stream for each length, so that the blinding of a
// private key, which comes and goes, shifts nobody else's.
class FixedRandom {
 public:
  explicit FixedRandom(std::string_view seed);
  ~FixedRandom();
  FixedRandom(const FixedRandom&) = delete;
  FixedRandom& operator=(const FixedRandom&) = delete;

  // What was handed out in pieces of that length, in order.
  static std::vector<std::string> taken(std::size_t length);
};

}  // namespace p2pchat

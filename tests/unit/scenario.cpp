#include "scenario.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "crypto/evp.h"
#include "protocol/claims.h"
#include "test_home.h"
#include "test_keys.h"

namespace p2pchat {

namespace {

namespace fs = std::filesystem;

RsaPrivateKey published_key(const std::string& name) {
  auto key = RsaPrivateKey::from_pem(read_file(published_folder() + "/keys/" + name + ".pem"));
  if (!key) throw std::runtime_error(name + ": " + key.why());
  return *std::move(key);
}

KeyStatement said(const std::string& name, const RsaPrivateKey& identity,
                  const RsaPrivateKey& encryption, std::uint64_t time) {
  const FixedRandom random("statement of " + name);
  return make_key_statement(identity, encryption.public_key(), time, time,
                            time + 14 * kSecondsPerDay);
}

Person published_person(const std::string& name) {
  Person person{published_key(name + "-identity"), published_key(name + "-encryption"), {}};
  person.statement = said(name, person.identity, person.encryption, kNow);
  return person;
}

std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7E && c != '\\') {
      text += c;
      continue;
    }
    std::array<char, 5> escape{};
    std::snprintf(escape.data(), escape.size(), "\\x%02x", byte);
    text += escape.data();
  }
  return text;
}

std::string unescaped(std::string_view text) {
  constexpr std::size_t kEscapeSize = 4;
  std::string value;
  while (!text.empty()) {
    if (!text.starts_with("\\x")) {
      value += text.front();
      text.remove_prefix(1);
      continue;
    }
    value += static_cast<char>(std::stoi(std::string(text.substr(2, 2)), nullptr, 16));
    text.remove_prefix(kEscapeSize);
  }
  return value;
}

// The state of the one FixedRandom there is.
std::string random_seed;
std::map<std::size_t, std::vector<std::string>> random_pieces;

// SHA-256 here must not ask for random bytes itself, and does not.
int fixed_bytes(unsigned char* out, int count) {
  const auto length = static_cast<std::size_t>(count);
  std::vector<std::string>& pieces = random_pieces[length];
  const std::string label =
      random_seed + "/" + std::to_string(length) + "/" + std::to_string(pieces.size());
  std::string bytes;
  while (bytes.size() < length) bytes += sha256(label + "/" + std::to_string(bytes.size()));
  bytes.resize(length);
  std::copy(bytes.begin(), bytes.end(), out);
  pieces.push_back(std::move(bytes));
  return 1;
}

int fixed_status() {
  return 1;
}

}  // namespace

std::string published_folder() {
  return P2PCHAT_SOURCE_DIR "/tests/vectors";
}

const Person& published_alice() {
  static const Person alice = published_person("alice");
  return alice;
}

const Person& published_bob() {
  static const Person bob = published_person("bob");
  return bob;
}

const Person& published_carol() {
  static const Person carol = published_person("carol");
  return carol;
}

const Person& published_dave() {
  static const Person dave = published_person("dave");
  return dave;
}

const RsaPrivateKey& published_old_encryption() {
  static const RsaPrivateKey key = published_key("bob-old-encryption");
  return key;
}

const KeyStatement& published_old_statement() {
  static const KeyStatement statement = said("bob before", published_bob().identity,
                                             published_old_encryption(), kNow - 7 * kSecondsPerDay);
  return statement;
}

std::map<std::string, std::string> published_statements() {
  return {{"alice", published_alice().statement.token},
          {"bob", published_bob().statement.token},
          {"bob-old", published_old_statement().token},
          {"carol", published_carol().statement.token},
          {"dave", published_dave().statement.token}};
}

std::vector<std::string> Scenario::all(std::string_view line) const {
  std::vector<std::string> values;
  for (const auto& [name_of_line, value] : lines) {
    if (name_of_line == line) values.push_back(value);
  }
  return values;
}

std::string Scenario::one(std::string_view line) const {
  const std::vector<std::string> values = all(line);
  INFO(name << ": lines " << line << ": " << values.size());
  REQUIRE(values.size() == 1);
  return values.front();
}

std::string scenario_text(const Scenario& scenario) {
  std::string text;
  for (const auto& [name, value] : scenario.lines) text += name + ": " + escaped(value) + "\n";
  return text;
}

std::vector<Scenario> read_scenarios(const std::string& folder) {
  std::vector<Scenario> scenarios;
  for (const auto& entry : fs::directory_iterator(published_folder() + "/" + folder)) {
    Scenario scenario;
    scenario.name = folder + "/" + entry.path().stem().string();
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      const std::size_t colon = line.find(": ");
      INFO(scenario.name << ": " << line);
      REQUIRE(colon != std::string::npos);
      scenario.lines.emplace_back(line.substr(0, colon), unescaped(line.substr(colon + 2)));
    }
    scenarios.push_back(std::move(scenario));
  }
  std::sort(scenarios.begin(), scenarios.end(),
            [](const Scenario& a, const Scenario& b) { return a.name < b.name; });
  return scenarios;
}

void write_scenarios(const std::string& folder, const std::vector<Scenario>& scenarios) {
  fs::remove_all(published_folder() + "/" + folder);
  fs::create_directories(published_folder() + "/" + folder);
  for (const Scenario& scenario : scenarios) {
    std::ofstream(published_folder() + "/" + scenario.name + ".txt") << scenario_text(scenario);
  }
}

// The engine of a whole process may be replaced by the old interface alone.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

FixedRandom::FixedRandom(std::string_view seed) {
  static const RAND_METHOD method = {nullptr, fixed_bytes, nullptr,
                                     nullptr, fixed_bytes, fixed_status};
  random_seed = seed;
  random_pieces.clear();
  RAND_set_rand_method(&method);
}

FixedRandom::~FixedRandom() {
  RAND_set_rand_method(nullptr);
}

#pragma GCC diagnostic pop

std::vector<std::string> FixedRandom::taken(std::size_t length) {
  return random_pieces[length];
}

}  // namespace p2pchat

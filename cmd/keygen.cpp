// p2pchat keygen: make the identity, or show it.
#include <unistd.h>

#include <array>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "command.h"
#include "node/config.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "output.h"
#include "terminal.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"", "bits", "Size of the keys (default: 3072)", "2048|3072|4096"},
    Option{"", "if-missing", "Exit 0 and print the fingerprint when there is an identity already"},
    Option{"", "force", "Replace an identity that is there already"},
    Option{"", "passphrase-file", "Encrypt the keys with the first line of this file", "FILE"},
    Option{"", "rotate", "Make a new encryption key now"},
    Option{"", "public", "Print the identity's public key as PEM, create nothing"},
    Option{"", "fingerprint", "Print the identity's fingerprint, create nothing"},
    Option{"", "card", "Print the identity's card, create nothing"},
};

unsigned bits_option(const Call& call) {
  const std::string text = call.text("bits").value_or(std::to_string(kDefaultKeyBits));
  for (const unsigned bits : {2048U, 3072U, 4096U}) {
    if (text == std::to_string(bits)) return bits;
  }
  throw Error(Status::usage, "not a key size: " + in_quotes(text), "2048, 3072 or 4096");
}

// Those that only show something, of which one at a time goes, and nothing else with it.
constexpr std::array kShows = {"public", "fingerprint", "card"};

void refuse_conflicts(const Call& call) {
  std::string shown;
  for (const std::string option : kShows) {
    if (!call.has(option)) continue;
    if (!shown.empty()) {
      throw Error(Status::usage, "--" + shown + " and --" + option + " exclude each other");
    }
    shown = option;
  }
  for (const std::string option : {"bits", "if-missing", "force", "rotate"}) {
    if (!call.has(option)) continue;
    if (!shown.empty()) {
      throw Error(Status::usage, "--" + shown + " creates nothing", "leave out --" + option);
    }
    if (call.has("rotate") && option != "rotate") {
      throw Error(Status::usage, "--rotate and --" + option + " exclude each other");
    }
  }
  if (call.has("if-missing") && call.has("force")) {
    throw Error(Status::usage, "--if-missing and --force exclude each other");
  }
}

bool show(const Call& call, const Home& home) {
  if (call.has("public")) {
    print(load_identity(home).key.public_key().pem());
  } else if (call.has("fingerprint")) {
    print(fingerprint(load_identity(home).id) + "\n");
  } else if (call.has("card")) {
    const KeyStatement card = own_card(home);
    print(card.token + "\n");
    if (card.expired(unix_now())) {
      say("this card has expired; " + own_command("keygen --rotate makes a new one"));
    }
  } else {
    return false;
  }
  return true;
}

void rotate(const Home& home, const Config& config) {
  const auto keyring = load_keyring(home, load_identity(home), config.rotate_days(), Renewal::now);
  if (is_terminal(STDERR_FILENO)) {
    say("new encryption key, valid until " + rfc3339(keyring->current().statement.exp));
  }
}

Present present_option(const Call& call) {
  if (call.has("if-missing")) return Present::keep;
  return call.has("force") ? Present::replace : Present::refuse;
}

int run(const Call& call) {
  require_arguments(call, 0, 0);
  refuse_conflicts(call);
  const unsigned bits = bits_option(call);
  Home home = call.home;
  if (const auto file = call.text("passphrase-file")) home.set_passphrase_file(*file);
  if (show(call, home)) return 0;
  const Config config = Config::load(home);
  if (call.has("rotate")) {
    rotate(home, config);
    return 0;
  }
  if (is_terminal(STDERR_FILENO) && !home.has_identity()) {
    say("making two keys of " + std::to_string(bits) + " bits ...");
  }
  const Created created = create_identity(home, bits, config.rotate_days(), present_option(call));
  if (created.is_new) {
    say("identity made in " + in_quotes(home.folder()) +
        "; its fingerprint is what others compare:");
  }
  print(fingerprint(created.identity.id) + "\n");
  return 0;
}

}  // namespace

const Command kKeygenCommand = {
    "keygen",
    "[--bits 2048|3072|4096] [--if-missing | --force] [--passphrase-file FILE] | "
    "--rotate | --public | --fingerprint | --card",
    "make this node's identity, or show it",
    kOptions,
    {},
    run,
};

}  // namespace p2pchat

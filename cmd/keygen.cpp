// p2pchat keygen: make the identity, or show it.
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "command.h"
#include "node/config.h"
#include "node/identity.h"
#include "output.h"
#include "terminal.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"", "bits", "Size of the keys: 2048, 3072 (default) or 4096", "BITS"},
    Option{"", "if-missing", "Exit 0 and print the fingerprint when there is an identity already"},
    Option{"", "force", "Replace an identity that is there already"},
    Option{"", "public", "Print the identity's public key as PEM, create nothing"},
    Option{"", "fingerprint", "Print the identity's fingerprint, create nothing"},
};

unsigned bits_option(const Call& call) {
  const std::string text = call.text("bits").value_or(std::to_string(kDefaultKeyBits));
  for (const unsigned bits : {2048U, 3072U, 4096U}) {
    if (text == std::to_string(bits)) return bits;
  }
  throw Error(Status::usage, "not a key size: " + in_quotes(text), "2048, 3072 or 4096");
}

void refuse_conflicts(const Call& call) {
  const bool shows = call.has("public") || call.has("fingerprint");
  const bool makes = call.has("bits") || call.has("if-missing") || call.has("force");
  if (call.has("public") && call.has("fingerprint")) {
    throw Error(Status::usage, "--public and --fingerprint exclude each other");
  }
  if (shows && makes) {
    throw Error(Status::usage, "--public and --fingerprint create nothing",
                "leave out --bits, --if-missing and --force");
  }
  if (call.has("if-missing") && call.has("force")) {
    throw Error(Status::usage, "--if-missing and --force exclude each other");
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
  if (call.has("public")) {
    print(load_identity(call.home).key.public_key().pem());
    return 0;
  }
  if (call.has("fingerprint")) {
    print(fingerprint(load_identity(call.home).id) + "\n");
    return 0;
  }
  const Config config = Config::load(call.home);
  if (is_terminal(2) && !call.home.has_identity()) {
    say("making two keys of " + std::to_string(bits) + " bits ...");
  }
  const Created created =
      create_identity(call.home, bits, config.rotate_days(), present_option(call));
  if (created.is_new) {
    say("identity made in " + in_quotes(call.home.folder()) +
        "; its fingerprint is what others compare:");
  }
  print(fingerprint(created.identity.id) + "\n");
  return 0;
}

}  // namespace

const Command kKeygenCommand = {
    "keygen",
    "[--bits 2048|3072|4096] [--if-missing | --force] | --public | --fingerprint",
    "make this node's identity, or show it",
    kOptions,
    run,
};

}  // namespace p2pchat

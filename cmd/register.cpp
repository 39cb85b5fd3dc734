// p2pchat register: get to know a peer and introduce ourselves.
#include <pwd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "command.h"
#include "node/address_book.h"
#include "node/config.h"
#include "node/identity.h"
#include "node/outbox.h"
#include "node/registrar.h"
#include "outcome.h"
#include "output.h"
#include "terminal.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"", "expect", "Refuse any other key than this one", "SHA256:..."},
    Option{"", "announce", "Where they can reach us: [HOST]:PORT, or none", "ADDRESS"},
    Option{"", "as", "What we call ourselves (default: the login name)", "MYNAME"},
    Option{"", "via", "Reach them through this command ('' for none any more); %h %p: the address",
           "CMD"},
    Option{"", "card", "Pin the key of this card, without a network; - is standard input", "FILE"},
    Option{"", "replace", "Let the key given by --expect take the place of the pinned one"},
};

std::string login_name() {
  const passwd* entry = getpwuid(geteuid());
  const std::string name = entry == nullptr ? "" : entry->pw_name;
  return is_peer_name(name) ? name : "";
}

std::string read_card(const std::string& file) {
  constexpr std::size_t kMostBytes = 65'536;
  std::string card = file == "-" ? read_to_end(STDIN_FILENO, kMostBytes, "standard input")
                                 : read_input_file(file, kMostBytes);
  if (card.size() > kMostBytes) {
    throw Error(Status::data, "not a card: more than 64 KiB");
  }
  return card;
}

int pin_card(const Call& call, const Registration& registration) {
  for (const std::string option : {"announce", "as"}) {
    if (call.has(option)) {
      throw Error(Status::usage, "--" + option + " and --card exclude each other",
                  "with a card nobody is asked or told anything");
    }
  }
  const std::string key = register_card(call.home, registration, read_card(*call.text("card")));
  say("registered " + in_quotes(registration.name) +
      " from its card; this node has not been introduced there");
  print(key + "\n");
  return 0;
}

Registered introduce(const Call& call, const Config& config, const Registration& registration) {
  try {
    return register_peer(call.home, config, registration, send_time(config, std::nullopt, 0));
  } catch (const Error& error) {
    throw with_way_out(error, registration.name);
  }
}

int run(const Call& call) {
  require_arguments(call, 1, 2);
  Registration registration;
  registration.name = call.arguments()[0];
  if (call.arguments().size() > 1) registration.address = call.arguments()[1];
  registration.expected = call.text("expect");
  registration.replace = call.has("replace");
  registration.via = call.text("via");
  registration.card_file = call.text("card");
  if (call.has("card")) return pin_card(call, registration);
  registration.announced = call.text("announce");
  registration.name_hint = call.text("as").value_or(login_name());

  const Config config = Config::load(call.home);
  const Registered registered = introduce(call, config, registration);
  const std::string peer = in_quotes(registration.name);
  if (registered.trusted_there) {
    say("registered " + peer + ", which trusts this node");
  } else {
    say("registered " + peer + "; this node is pending there, they accept it with: p2pchat " +
        accept_command(registered.our_fingerprint.substr(kFingerprintPrefix.size()),
                       registration.name_hint));
  }
  print(registered.fingerprint + "\n");
  return 0;
}

}  // namespace

const Command kRegisterCommand = {
    "register",
    "NAME [HOST[:PORT]] [--expect SHA256:...] [--announce [HOST]:PORT|none] [--as MYNAME] "
    "[--via CMD] [--replace] | NAME [HOST[:PORT]] --card FILE|- [--expect SHA256:...] [--via CMD] "
    "[--replace]",
    "get to know a peer, pin its key and introduce this node",
    kOptions,
    {WordKind::trusted_peer, WordKind::host},
    run,
};

}  // namespace p2pchat

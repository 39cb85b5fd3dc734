// p2pchat register: get to know a peer and introduce ourselves.
#include <pwd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "command.h"
#include "node/address_book.h"
#include "node/config.h"
#include "node/identity.h"
#include "node/outbox.h"
#include "node/registrar.h"
#include "output.h"
#include "terminal.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"", "expect", "Refuse any other key than this one", "SHA256:..."},
    Option{"", "announce", "Where they can reach us: [HOST]:PORT, or none", "ADDRESS"},
    Option{"", "as", "What we call ourselves (default: the login name)", "MYNAME"},
    Option{"", "replace", "Let the key given by --expect take the place of the pinned one"},
};

std::string login_name() {
  const passwd* entry = getpwuid(geteuid());
  const std::string name = entry == nullptr ? "" : entry->pw_name;
  return is_peer_name(name) ? name : "";
}

int run(const Call& call) {
  require_arguments(call, 1, 2);
  Registration registration;
  registration.name = call.arguments()[0];
  if (call.arguments().size() > 1) registration.address = call.arguments()[1];
  registration.expected = call.text("expect");
  registration.announced = call.text("announce");
  registration.replace = call.has("replace");
  registration.name_hint = call.text("as").value_or(login_name());

  const Config config = Config::load(call.home);
  const Registered registered =
      register_peer(call.home, config, registration, send_time(config, std::nullopt, 0));
  const std::string peer = in_quotes(registration.name);
  if (registered.trusted_there) {
    say("registered " + peer + ", which trusts this node");
  } else {
    say("registered " + peer + "; this node is pending there, they accept it with: " +
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
    "[--replace]",
    "get to know a peer, pin its key and introduce this node",
    kOptions,
    run,
};

}  // namespace p2pchat

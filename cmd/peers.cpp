// p2pchat peers: whom this node knows, and whom it trusts.
#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "command.h"
#include "node/address_book.h"
#include "output.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"", "pending", "List only strangers that wait to be accepted"},
    Option{"", "names", "List only the names of trusted peers"},
    Option{"", "json", "One JSON object a line"},
    Option{"", "as", "With accept: the name to give", "NAME"},
    Option{"", "expect", "With accept: refuse any other key than this one", "SHA256:..."},
};

std::string status_of(const PeerInfo& peer) {
  return peer.trusted ? "trusted" : "pending";
}

std::string time_text(std::uint64_t time) {
  return time == 0 ? "never" : rfc3339(time);
}

JsonField time_field(std::string name, std::uint64_t time) {
  if (time == 0) return {std::move(name), nullptr};
  return {std::move(name), rfc3339(time)};
}

std::string json_of(const PeerInfo& peer) {
  return json_line({{"name", peer.name},
                    {"status", status_of(peer)},
                    {"address", peer.address},
                    {"fingerprint", peer.fingerprint},
                    {"calls_itself", peer.hint},
                    time_field("first_seen", peer.first_seen),
                    time_field("last_seen", peer.last_seen)});
}

std::vector<std::string> row_of(const PeerInfo& peer) {
  std::vector<std::string> row = {peer.trusted ? peer.name : "-", status_of(peer),
                                  peer.address.empty() ? "-" : peer.address, peer.fingerprint,
                                  time_text(peer.last_seen)};
  if (!peer.trusted) row.push_back("calls itself " + in_double_quotes(peer.hint));
  return row;
}

void list(const Call& call, AddressBook& book) {
  std::vector<PeerInfo> peers = book.list();
  std::erase_if(peers, [&](const PeerInfo& peer) {
    return (call.has("pending") && peer.trusted) || (call.has("names") && !peer.trusted);
  });
  std::string text;
  std::vector<std::vector<std::string>> rows;
  for (const PeerInfo& peer : peers) {
    if (call.has("names")) {
      text += peer.name + "\n";
    } else if (call.has("json")) {
      text += json_of(peer);
    } else {
      rows.push_back(row_of(peer));
    }
  }
  print(text + table(rows));
}

void show(const Call& call, AddressBook& book) {
  const PeerInfo peer = book.show(call.arguments()[1]);
  if (call.has("json")) return print(json_of(peer));
  print(table({{"name", peer.trusted ? peer.name : "-"},
               {"status", status_of(peer)},
               {"fingerprint", peer.fingerprint},
               {"address", peer.address.empty() ? "-" : peer.address},
               {"announced", peer.announced_address.empty() ? "-" : peer.announced_address},
               {"calls itself", in_double_quotes(peer.hint)},
               {"first seen", time_text(peer.first_seen)},
               {"last seen", time_text(peer.last_seen)},
               {"keys until", time_text(peer.keys_expire)}}));
}

void accept(const Call& call, AddressBook& book) {
  const auto name = call.text("as");
  if (!name) {
    throw Error(Status::usage, "accept needs a name for the peer",
                "p2pchat peers accept " + shell_word(call.arguments()[1]) + " --as NAME");
  }
  print(book.accept(call.arguments()[1], *name, call.text("expect")).fingerprint + "\n");
}

void reject(const Call& call, AddressBook& book) {
  book.reject(call.arguments()[1]);
}

void remove(const Call& call, AddressBook& book) {
  book.remove(call.arguments()[1]);
}

struct Verb {
  std::string_view name;
  void (*run)(const Call& call, AddressBook& book);
  std::string_view options;  // those that it takes, each after a space
};
constexpr std::array kVerbs = {
    Verb{"", list, " pending names json"},
    Verb{"show", show, " json"},
    Verb{"accept", accept, " as expect"},
    Verb{"reject", reject, ""},
    Verb{"remove", remove, ""},
};

const Verb& verb_of(const Call& call) {
  const std::string name = call.arguments().empty() ? "" : call.arguments()[0];
  const auto* verb =
      std::find_if(kVerbs.begin(), kVerbs.end(), [&](const Verb& v) { return v.name == name; });
  if (verb == kVerbs.end()) {
    throw Error(Status::usage, "unknown verb " + in_quotes(name), "show, accept, reject or remove");
  }
  return *verb;
}

void refuse_conflicts(const Call& call, const Verb& verb) {
  for (const std::string option : {"pending", "names", "json", "as", "expect"}) {
    if (call.has(option) && verb.options.find(" " + option) == std::string_view::npos) {
      const std::string verb_name = verb.name.empty() ? "a list" : std::string(verb.name);
      throw Error(Status::usage, "--" + option + " does not go with " + verb_name);
    }
  }
  const int forms = static_cast<int>(call.has("pending")) + static_cast<int>(call.has("names"));
  if (forms > 1 || (call.has("names") && call.has("json"))) {
    throw Error(Status::usage, "--names goes with neither --pending nor --json");
  }
}

int run(const Call& call) {
  const Verb& verb = verb_of(call);
  refuse_conflicts(call, verb);
  const std::size_t wanted = verb.name.empty() ? 0 : 2;
  require_arguments(call, wanted, wanted);
  AddressBook book(call.home);
  verb.run(call, book);
  return 0;
}

}  // namespace

const Command kPeersCommand = {
    "peers",
    "[--pending | --names] [--json] | show PEER [--json] | "
    "accept SHA256:PREFIX --as NAME [--expect SHA256:...] | reject SHA256:PREFIX | remove PEER",
    "list peers, decide about strangers",
    kOptions,
    run,
};

}  // namespace p2pchat

// p2pchat peers: whom this node knows, and whom it trusts.
#include <algorithm>
#include <array>
#include <functional>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "command.h"
#include "node/address_book.h"
#include "node/config.h"
#include "node/identity.h"
#include "node/outbox.h"
#include "node/ping.h"
#include "outcome.h"
#include "output.h"
#include "terminal.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"", "pending", "List only strangers that wait to be accepted"},
    Option{"", "names", "List only the names of trusted peers"},
    Option{"z", "null", "End each line of --names, --format and --porcelain with NUL"},
    Option{"", "json", "One JSON object a line"},
    Option{"", "format",
           "One line a peer: %p name, %s status, %a address, %f fingerprint, "
           "%h what it calls itself, %t last seen",
           "FORMAT"},
    Option{"", "porcelain", "Lines that never change their form", "v1"},
    Option{"", "as", "With accept: the name to give", "NAME"},
    Option{"", "expect", "With accept: refuse any other key than this one", "SHA256:..."},
    Option{"", "replace", "With accept: the expected key takes the place of the one of that name"},
    Option{"", "confirm", "With verify: the digits are the same on both sides"},
    Option{"W", "timeout", "With ping: give up after this time", "TIME"},
};

// ---- how a peer is shown

// One word.
std::string status_word(const PeerInfo& peer) {
  switch (peer.status) {
    case PeerStatus::pending:
      return "pending";
    case PeerStatus::blocked:
      return "blocked";
    case PeerStatus::trusted:
      break;
  }
  switch (peer.trust) {
    case Trust::first_use:
      return "first-use";
    case Trust::verified:
      return "verified";
    case Trust::accepted:
      break;
  }
  return "trusted";
}

std::string status_text(const PeerInfo& peer) {
  const std::string word = status_word(peer);
  return word == "first-use" ? "trusted (first use)" : word;
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

std::string time_text(std::uint64_t time) {
  return time == 0 ? "never" : rfc3339(time);
}

Record record_of(const PeerInfo& peer) {
  return {text_field("name", peer.name, 'p'),
          text_field("status", status_word(peer), 's'),
          text_field("address", peer.address, 'a'),
          text_field("fingerprint", peer.fingerprint, 'f'),
          {"calls_itself", peer.hint, 'h', in_double_quotes(peer.hint)},
          time_field("first_seen", peer.first_seen),
          time_field("last_seen", peer.last_seen, 't')};
}

std::optional<Template> format_option(const Call& call) {
  constexpr std::string_view kLetters = "psafht";
  const auto text = call.text("format");
  return text ? std::optional<Template>(Template(*text, kLetters)) : std::nullopt;
}

// Frozen: tests/cli/peers.golden. Scripts rely on each field and its place.
std::string porcelain_of(const PeerInfo& peer) {
  std::string line;
  for (const std::string& field : {status_word(peer), or_dash(peer.name), or_dash(peer.address),
                                   peer.fingerprint, std::to_string(peer.last_seen)}) {
    line += field + "\t";
  }
  return line + in_double_quotes(peer.hint);
}

std::vector<std::string> row_of(const PeerInfo& peer) {
  std::vector<std::string> row = {or_dash(peer.name), status_text(peer), or_dash(peer.address),
                                  peer.fingerprint, time_text(peer.last_seen)};
  if (peer.name.empty()) row.push_back("calls itself " + in_double_quotes(peer.hint));
  return row;
}

// ---- the verbs

int list(const Call& call) {
  std::vector<PeerInfo> peers = AddressBook(call.home).list();
  std::erase_if(peers, [&](const PeerInfo& peer) {
    return (call.has("pending") && peer.status != PeerStatus::pending) ||
           (call.has("names") && peer.status != PeerStatus::trusted);
  });
  const char end = call.has("null") ? '\0' : '\n';
  const std::optional<Template> format = format_option(call);
  std::string text;
  std::vector<std::vector<std::string>> rows;
  for (const PeerInfo& peer : peers) {
    if (call.has("names")) {
      text += peer.name + end;
    } else if (call.has("porcelain")) {
      text += porcelain_of(peer) + end;
    } else if (call.has("json")) {
      text += json_line(record_of(peer));
    } else if (format) {
      text += format->expand(record_of(peer), true) + end;
    } else {
      rows.push_back(row_of(peer));
    }
  }
  print(text + table(rows));
  return 0;
}

int show(const Call& call) {
  const PeerInfo peer = AddressBook(call.home).show(call.arguments()[1]);
  if (call.has("json")) {
    print(json_line(record_of(peer)));
    return 0;
  }
  if (const auto format = format_option(call)) {
    print(format->expand(record_of(peer), true) + "\n");
    return 0;
  }
  print(table({{"name", or_dash(peer.name)},
               {"status", status_text(peer)},
               {"fingerprint", peer.fingerprint},
               {"address", or_dash(peer.address)},
               {"announced", or_dash(peer.announced_address)},
               {"via", or_dash(escape_for_terminal(peer.via))},
               {"calls itself", in_double_quotes(peer.hint)},
               {"first seen", time_text(peer.first_seen)},
               {"last seen", time_text(peer.last_seen)},
               {"keys until", time_text(peer.keys_expire)}}));
  return 0;
}

int accept(const Call& call) {
  const std::string& stranger = call.arguments()[1];
  const auto name = call.text("as");
  if (!name) {
    const std::string hint = is_peer_name(stranger) ? "SHA256:... --as " + stranger
                                                    : shell_word(stranger) + " --as NAME";
    throw Error(Status::usage, "accept needs a name for the peer",
                own_command("peers accept ") + hint);
  }
  print(AddressBook(call.home)
            .accept(stranger, *name, call.text("expect"), call.has("replace"))
            .fingerprint +
        "\n");
  return 0;
}

int verify(const Call& call) {
  AddressBook book(call.home);
  const std::string& peer = call.arguments()[1];
  if (call.has("confirm")) {
    book.confirm(peer);
    return 0;
  }
  print(book.digits(peer, load_identity(call.home).id) + "\n");
  return 0;
}

std::string json_of(const Ping& ping, const std::string& peer, Status status) {
  Record fields = {
      {"peer", peer}, {"address", ping.address}, {"status", static_cast<std::uint64_t>(status)}};
  const auto text_or_null = [](std::string name, const std::optional<std::string>& text) {
    return text ? Field{std::move(name), *text} : Field{std::move(name), nullptr};
  };
  std::optional<std::string> layer;
  std::optional<std::string> why;
  if (ping.failed) layer = layer_name(*ping.failed);
  if (ping.error) why = ping.error->what();
  fields.push_back(text_or_null("failed", layer));
  fields.push_back(text_or_null("error", why));
  if (ping.clock_ahead_seconds) {
    fields.push_back({"clock_ahead", *ping.clock_ahead_seconds});
  } else {
    fields.push_back({"clock_ahead", nullptr});
  }
  for (const auto& [passed, time] : ping.passed) {
    const std::string name = layer_name(passed) + "_us";
    if (time) {
      fields.push_back({name, static_cast<std::uint64_t>(time->count())});
    } else {
      fields.push_back({name, nullptr});
    }
  }
  return json_line(fields);
}

std::string text_of(const Ping& ping) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [layer, time] : ping.passed) {
    rows.push_back({layer_name(layer), "ok", time ? std::to_string(time->count()) + " us" : ""});
  }
  if (ping.failed) rows.push_back({layer_name(*ping.failed), "failed"});
  return table(rows);
}

int ping(const Call& call) {
  const std::string& peer = call.arguments()[1];
  const Config config = Config::load(call.home);
  const auto time = send_time(config, time_option(call, "timeout"), 0);
  const Ping result = ping_peer(call.home, config, peer, time);
  const Status status = result.error ? result.error->status() : Status::ok;
  print(call.has("json") ? json_of(result, peer, status) : text_of(result));
  if (!result.error) return 0;
  throw Error(status, layer_name(*result.failed) + ": " + result.error->what(),
              with_way_out(*result.error, peer).hint());
}

int block(const Call& call) {
  AddressBook(call.home).block(call.arguments()[1]);
  return 0;
}
int unblock(const Call& call) {
  AddressBook(call.home).unblock(call.arguments()[1]);
  return 0;
}
int reject(const Call& call) {
  AddressBook(call.home).reject(call.arguments()[1]);
  return 0;
}
int remove(const Call& call) {
  AddressBook(call.home).remove(call.arguments()[1]);
  return 0;
}
int rename(const Call& call) {
  AddressBook(call.home).rename(call.arguments()[1], call.arguments()[2]);
  return 0;
}
int export_card(const Call& call) {
  print(AddressBook(call.home).card(call.arguments()[1]) + "\n");
  return 0;
}

constexpr std::array kVerbs = {
    Verb{"", 0, 0, {}, " pending names null json format porcelain ", list},
    Verb{"show", 1, 1, {WordKind::peer}, " json format ", show},
    Verb{"accept", 1, 1, {WordKind::pending_peer}, " as expect replace ", accept},
    Verb{"reject", 1, 1, {WordKind::pending_peer}, "", reject},
    Verb{"block", 1, 1, {WordKind::peer}, "", block},
    Verb{"unblock", 1, 1, {WordKind::peer}, "", unblock},
    Verb{"remove", 1, 1, {WordKind::peer}, "", remove},
    Verb{"rename", 2, 2, {WordKind::peer, WordKind::text}, "", rename},
    Verb{"export", 1, 1, {WordKind::trusted_peer}, "", export_card},
    Verb{"verify", 1, 1, {WordKind::trusted_peer}, " confirm ", verify},
    Verb{"ping", 1, 1, {WordKind::trusted_peer}, " json timeout ", ping},
};

void refuse_conflicts(const Call& call) {
  refuse_together(call, {"names", "json", "format", "porcelain"});
  refuse_together(call, {"names", "pending"});
  if (call.has("null") && !call.has("names") && !call.has("porcelain") && !call.has("format")) {
    throw Error(Status::usage, "-z goes with --names, --format or --porcelain alone");
  }
  if (const auto version = call.text("porcelain"); version && *version != "v1") {
    throw Error(Status::usage, "no porcelain " + in_quotes(*version), "--porcelain=v1");
  }
}

int run(const Call& call) {
  const Verb& verb = verb_of(call);
  refuse_conflicts(call);
  call.home.require_identity();
  return verb.run(call);
}

}  // namespace

const Command kPeersCommand = {
    "peers",
    "[--pending | --names [-z]] [--json | --format FORMAT [-z] | --porcelain=v1 [-z]] | "
    "show PEER [--json | --format FORMAT] | "
    "accept SHA256:PREFIX --as NAME [--expect SHA256:... [--replace]] | reject SHA256:PREFIX | "
    "block PEER | "
    "unblock PEER | remove PEER | rename PEER NAME | export PEER | verify PEER [--confirm] | "
    "ping NAME [-W TIME] [--json]",
    "list peers, decide whom to trust",
    kOptions,
    {},
    run,
    true,
    kVerbs,
};

}  // namespace p2pchat

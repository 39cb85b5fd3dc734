// p2pchat listen: receive messages and registrations.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <limits>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "command.h"
#include "node/config.h"
#include "node/inetd.h"
#include "node/listener.h"
#include "node/outbox.h"
#include "terminal.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"p", "port", "Port to listen on, 0 for any free one", "PORT"},
    Option{"a", "address", "Address to listen on (default: all)", "ADDR"},
    Option{"k", "keep", "Go on until a signal"},
    Option{"n", "count", "Go on until so many messages are written", "COUNT"},
    Option{"W", "timeout", "End with status 124 when the time is over first", "TIME"},
    Option{"", "reply", "Answer each message with this text and a newline", "TEXT"},
    Option{"", "trust", "Whom to trust: pinned (default), or first-use, strangers that register",
           "pinned|first-use"},
    Option{"", "inetd", "Serve one exchange on descriptors 0 and 1"},
    Option{"", "raw", "Add no newline, escape nothing"},
};

std::uint16_t port_option(const Call& call, const Config& config) {
  const auto text = call.text("port");
  if (!text) return config.listen_port();
  const auto port = read_listen_port(*text);
  if (!port) throw Error(Status::usage, "not a port: " + in_quotes(*text), "0 to 65535");
  return *port;
}

std::string address_option(const Call& call, const Config& config) {
  const auto text = call.text("address");
  if (!text) return config.listen_address();
  const auto address = read_listen_address(*text);
  if (!address) {
    throw Error(Status::usage, "not an address to listen on: " + in_quotes(*text),
                "* or an address of this machine; -p gives the port");
  }
  return *address;
}

std::optional<std::uint64_t> count_option(const Call& call) {
  const auto text = call.text("count");
  if (!text) return std::nullopt;
  if (call.has("keep")) throw Error(Status::usage, "-k and -n exclude each other");
  const auto count = parse_unsigned(*text, std::numeric_limits<std::uint32_t>::max());
  if (!count || *count == 0) throw Error(Status::usage, "not a count: " + in_quotes(*text));
  return count;
}

std::string reply_option(const Call& call) {
  auto text = call.text("reply");
  if (!text) return {};
  if (!call.has("raw")) *text += '\n';
  if (text->size() > kMaxLetterBytes) {
    throw Error(Status::data, "the reply is longer than 1 MiB");
  }
  return *text;
}

bool first_use_option(const Call& call) {
  const std::string text = call.text("trust").value_or("pinned");
  if (text == "first-use") return true;
  if (text == "pinned") return false;
  throw Error(Status::usage, "not a policy: " + in_quotes(text), "pinned or first-use");
}

// On a terminal one record a message, whose text cannot pass for another record; elsewhere the
// body.
Formatter formatter(bool raw) {
  if (raw) return [](const Received& message) { return message.body; };
  if (is_terminal(STDOUT_FILENO)) {
    return [](const Received& message) {
      return rfc3339(message.time) + " " + message.peer + ": " +
             escape_for_terminal(message.body, "  ") + "\n";
    };
  }
  return [](const Received& message) { return message.body + "\n"; };
}

void say_stranger(const Stranger& stranger) {
  const std::string who =
      stranger.fingerprint + " calls itself " + in_double_quotes(stranger.hint) + "; ";
  if (stranger.name.empty()) {
    say("pending: " + who + "accept with: " + stranger.accept_command);
  } else {
    say("trusted (first use): " + who + "its name here is " + stranger.name +
        ", compare keys with: p2pchat peers verify " + stranger.name);
  }
  if (stranger.claimed_name.empty()) return;
  say("changed key? " + stranger.fingerprint + " claims the address " + stranger.claimed_address +
      " of " + in_quotes(stranger.claimed_name) + ", which is pinned to " +
      stranger.claimed_fingerprint + "; if its key has changed: " + stranger.replace_command);
}

// Nothing but the exchange may be written where standard error is the connection, too.
bool is_connection(int descriptor) {
  struct stat streams[2] = {};
  return fstat(STDOUT_FILENO, &streams[0]) == 0 && fstat(descriptor, &streams[1]) == 0 &&
         S_ISSOCK(streams[1].st_mode) && streams[0].st_ino == streams[1].st_ino &&
         streams[0].st_dev == streams[1].st_dev;
}

int run_inetd(const Call& call) {
  for (const std::string option : {"port", "address", "keep", "count", "timeout"}) {
    if (call.has(option)) {
      throw Error(Status::usage, "--" + option + " does not go with --inetd");
    }
  }
  InboxRules rules;
  rules.reply = reply_option(call);
  rules.first_use = first_use_option(call);
  serve_inetd(call.home, Config::load(call.home), rules, [](const Stranger& stranger) {
    if (!is_connection(STDERR_FILENO)) say_stranger(stranger);
  });
  return 0;
}

int run(const Call& call) {
  require_arguments(call, 0, 0);
  if (call.has("inetd")) return run_inetd(call);
  const Config config = Config::load(call.home);
  ListenOptions options;
  options.address = address_option(call, config);
  options.port = port_option(call, config);
  options.forever = call.has("keep");
  options.count = count_option(call);
  options.time_limit = time_option(call, "timeout");
  options.rules.reply = reply_option(call);
  options.rules.first_use = first_use_option(call);
  options.format = formatter(call.has("raw"));
  const ListenEvents events{
      [](const std::string& address) { say("listening on " + address); },
      say_stranger,
      [](const Error& error) {
        say_error(std::string("nothing is taken now: ") + error.what(), {});
      },
  };

  const ListenEnd end = listen(call.home, config, options, events);
  if (end.signal_number != 0) {
    if (options.forever && end.signal_number == SIGTERM) return 0;
    die_by_signal(end.signal_number);
  }
  return end.reached ? 0 : static_cast<int>(Status::timeout);
}

}  // namespace

const Command kListenCommand = {
    "listen",
    "[-p PORT] [-a ADDR] [-k | -n COUNT] [-W TIME] [--reply TEXT] [--trust pinned|first-use] "
    "[--raw] "
    "| --inetd [--reply TEXT] [--trust pinned|first-use] [--raw]",
    "receive messages and registrations",
    kOptions,
    run,
};

}  // namespace p2pchat

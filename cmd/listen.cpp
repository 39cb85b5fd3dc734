// p2pchat listen: receive messages and registrations.
#include <unistd.h>

#include <csignal>
#include <limits>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "command.h"
#include "node/config.h"
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
    Option{"", "raw", "Add no newline, escape nothing"},
};

std::uint16_t port_option(const Call& call, const Config& config) {
  const auto text = call.text("port");
  if (!text) return config.listen_port();
  const auto port = parse_unsigned(*text, std::numeric_limits<std::uint16_t>::max());
  if (!port) throw Error(Status::usage, "not a port: " + in_quotes(*text), "0 to 65535");
  return static_cast<std::uint16_t>(*port);
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
  say("pending: " + stranger.fingerprint + " calls itself " + in_double_quotes(stranger.hint) +
      "; accept with: " + stranger.accept_command);
}

int run(const Call& call) {
  require_arguments(call, 0, 0);
  const Config config = Config::load(call.home);
  ListenOptions options;
  options.address = address_option(call, config);
  options.port = port_option(call, config);
  options.forever = call.has("keep");
  options.count = count_option(call);
  options.time_limit = time_option(call, "timeout");
  options.reply = reply_option(call);
  options.format = formatter(call.has("raw"));
  const ListenEvents events{[](const std::string& address) { say("listening on " + address); },
                            say_stranger};

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
    "[-p PORT] [-a ADDR] [-k | -n COUNT] [-W TIME] [--reply TEXT] [--raw]",
    "receive messages and registrations",
    kOptions,
    run,
};

}  // namespace p2pchat

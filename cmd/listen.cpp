// p2pchat listen: receive messages and registrations.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "base/service.h"
#include "base/text.h"
#include "command.h"
#include "node/config.h"
#include "node/inetd.h"
#include "node/listener.h"
#include "node/outbox.h"
#include "output.h"
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
    Option{"", "exec", "Answer each message with what this program writes; ends our options",
           "CMD [ARG]...", true},
    Option{"", "exec-timeout", "How long the program may take (default: 20s)", "TIME"},
    Option{"", "exec-output", "How much it may write (default: 1M)", "SIZE"},
    Option{"", "jobs", "How many of it may run side by side (default: 1)", "N"},
    Option{"", "trust", "Whom to trust: pinned (default), or first-use, strangers that register",
           "pinned|first-use"},
    Option{"", "inetd", "Serve one exchange on descriptors 0 and 1"},
    Option{"", "json", "Write one JSON object a message and line"},
    Option{"", "format",
           "Write a line a message: %p peer, %f fingerprint, %i id, %t time, %b the message",
           "FORMAT"},
    Option{"", "raw", "Add no newline, escape nothing"},
    Option{"", "escape", "Escape what a terminal would obey, also in a pipe"},
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

void refuse_conflicts(const Call& call) {
  refuse_mixed_formats(call);
  for (const std::string option : {"reply", "json", "format", "raw", "escape"}) {
    refuse_together(call, {option, "exec"});
  }
  for (const std::string option : {"exec-timeout", "exec-output", "jobs"}) {
    if (call.has(option) && !call.has("exec")) {
      throw Error(Status::usage, "--" + option + " goes with --exec alone");
    }
  }
  if (call.has("exec") && first_use_option(call)) {
    throw Error(Status::usage, "--exec and --trust first-use exclude each other",
                "strangers must not start programs");
  }
  for (const std::string option :
       {"port", "address", "keep", "count", "timeout", "json", "format", "escape", "jobs"}) {
    if (call.has(option) && call.has("inetd")) {
      throw Error(Status::usage, "--" + option + " does not go with --inetd");
    }
  }
  if (call.has("keep") && call.has("count")) {
    throw Error(Status::usage, "-k and -n exclude each other");
  }
}

std::optional<HandlerCommand> handler_option(const Call& call) {
  if (!call.has("exec")) return std::nullopt;
  HandlerCommand handler;
  handler.argv = call.options.rest;
  if (handler.argv.empty()) throw Error(Status::usage, "--exec needs a command");
  if (const int error = cannot_run(handler.argv[0]); error != 0) {
    throw Error(Status::no_input,
                "cannot run " + in_quotes(handler.argv[0]) + ": " + errno_text(error),
                handler.argv[0].find(' ') == std::string::npos
                    ? ""
                    : "its arguments are words of their own: --exec " +
                          escape_for_terminal(handler.argv[0]));
  }
  handler.time_limit = time_option(call, "exec-timeout").value_or(handler.time_limit);
  if (const auto text = call.text("exec-output")) {
    const auto size = parse_size(*text, kMaxLetterBytes);
    if (!size) {
      throw Error(Status::usage, "not a size: " + in_quotes(*text),
                  "a number of bytes, or with a unit: 64K 1M, which is the most");
    }
    handler.output_limit = *size;
  }
  return handler;
}

unsigned jobs_option(const Call& call) {
  constexpr std::uint64_t kMostJobs = 256;
  const auto text = call.text("jobs");
  if (!text) return 1;
  const auto jobs = parse_unsigned(*text, kMostJobs);
  if (!jobs || *jobs == 0) {
    throw Error(Status::usage, "not a number of jobs: " + in_quotes(*text),
                "1 to " + std::to_string(kMostJobs));
  }
  return static_cast<unsigned>(*jobs);
}

Record record_of(const Received& message) {
  return {text_field("id", message.id, 'i'), text_field("peer", message.peer, 'p'),
          text_field("fingerprint", message.fingerprint, 'f'),
          time_field("time", message.time, 't'), bytes_field("text", "data", message.body, 'b')};
}
constexpr std::string_view kLetters = "pfitb";

// On a terminal one record a message, whose text cannot pass for another record; elsewhere the
// body.
Formatter formatter(const Call& call) {
  const bool raw = call.has("raw");
  const bool terminal = is_terminal(STDOUT_FILENO);
  const bool escape = call.has("escape") || (terminal && !raw);
  const std::string end = raw ? "" : "\n";
  if (call.has("json"))
    return [](const Received& message) { return json_line(record_of(message)); };
  if (const auto text = call.text("format")) {
    return [format = Template(*text, kLetters), escape, end](const Received& message) {
      return format.expand(record_of(message), escape) + end;
    };
  }
  return [terminal = terminal && !raw, escape, end](const Received& message) {
    const std::string head = terminal ? rfc3339(message.time) + " " + message.peer + ": " : "";
    return head + (escape ? escape_for_terminal(message.body, "  ") : message.body) + end;
  };
}

void say_stranger(const Stranger& stranger) {
  const std::string who =
      stranger.fingerprint + " calls itself " + in_double_quotes(stranger.hint) + "; ";
  if (stranger.name.empty()) {
    say("pending: " + who + "accept with: " + stranger.accept_command);
  } else {
    say("trusted (first use): " + who + "its name here is " + stranger.name +
        ", compare keys with: " + own_command("peers verify ") + stranger.name);
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

void say_line_of_handler(const std::string& id, std::string_view line) {
  say("handler " + id + ": " + escape_for_terminal(line));
}

void say_interrupted(const Received& message) {
  say("interrupted: the handler of message " + message.id + " from " + in_quotes(message.peer) +
      " was running when its listener died, and is not run again");
}

int run_inetd(const Call& call) {
  InboxRules rules;
  rules.reply = reply_option(call);
  rules.first_use = first_use_option(call);
  const auto handler = handler_option(call);
  const bool may_speak = !is_connection(STDERR_FILENO);
  const InetdEvents events{
      [may_speak](const Stranger& stranger) {
        if (may_speak) say_stranger(stranger);
      },
      [may_speak](const std::string& id, std::string_view line) {
        if (may_speak) say_line_of_handler(id, line);
      },
      [may_speak](const Received& message) {
        if (may_speak) say_interrupted(message);
      },
  };
  serve_inetd(call.home, Config::load(call.home), rules, handler, events);
  return 0;
}

// The socket that a service manager has opened for us, if it has.
Fd socket_from(std::vector<Fd>& handed, const Call& call) {
  if (handed.empty()) return {};
  if (handed.size() > 1) {
    throw Error(Status::usage,
                std::to_string(handed.size()) + " sockets are handed over (LISTEN_FDS), not one",
                "a socket unit for p2pchat has one ListenStream=");
  }
  for (const std::string option : {"port", "address"}) {
    if (call.has(option)) {
      throw Error(Status::usage,
                  "--" + option + " does not go with a socket that is handed over (LISTEN_FDS)",
                  "ListenStream= of the socket unit says where");
    }
  }
  return std::move(handed.front());
}

int run(const Call& call) {
  require_arguments(call, 0, 0);
  refuse_conflicts(call);
  ServiceEnvironment service = take_service_environment();
  if (call.has("inetd")) return run_inetd(call);
  Fd socket = socket_from(service.sockets, call);
  const Config config = Config::load(call.home);
  ListenOptions options;
  options.address = address_option(call, config);
  options.port = port_option(call, config);
  options.forever = call.has("keep");
  options.count = count_option(call);
  options.time_limit = time_option(call, "timeout");
  options.rules.reply = reply_option(call);
  options.rules.first_use = first_use_option(call);
  options.format = formatter(call);
  options.handler = handler_option(call);
  options.jobs = jobs_option(call);
  bool ready = false;
  const ListenEvents events{
      [&](const std::string& address) {
        say("listening on " + address);
        notify_manager(service.notify_address, "READY=1\nSTATUS=listening on " + address);
        ready = true;
      },
      say_stranger,
      say_line_of_handler,
      say_interrupted,
      [](const Error& error) {
        say_error(std::string("nothing is taken now: ") + error.what(), {});
      },
      [&] {
        // Without a port when enough messages wait: it has begun all the same.
        notify_manager(service.notify_address, ready ? "STOPPING=1" : "READY=1\nSTOPPING=1");
      },
  };

  const ListenEnd end = listen(call.home, config, options, events, std::move(socket));
  if (end.signal_number != 0) {
    if (options.forever && end.signal_number == SIGTERM) return 0;
    die_by_signal(end.signal_number);
  }
  return end.reached ? 0 : static_cast<int>(Status::timeout);
}

}  // namespace

const Command kListenCommand = {
    "listen",
    "[-p PORT] [-a ADDR] [-k | -n COUNT] [-W TIME] [--inetd] [--trust pinned|first-use] "
    "[--json | --format FORMAT] [--raw | --escape] [--reply TEXT | [--exec-timeout TIME] "
    "[--exec-output SIZE] [--jobs N] --exec CMD [ARG]...]",
    "receive messages and registrations",
    kOptions,
    {},
    run,
};

}  // namespace p2pchat

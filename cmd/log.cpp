// p2pchat log: what was sent and received.
#include <unistd.h>

#include <array>
#include <limits>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "command.h"
#include "node/follower.h"
#include "node/history.h"
#include "output.h"
#include "terminal.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"", "since", "Only messages of that time or later", "TIME"},
    Option{"", "sent", "Only messages that this node has sent"},
    Option{"", "received", "Only messages that this node has received"},
    Option{"n", "count", "Only the newest messages; with --follow, the next", "COUNT"},
    Option{"", "follow", "Go on with every new message"},
    Option{"W", "timeout", "With --follow: end with status 124 when the time is over", "TIME"},
    Option{"", "json", "One JSON object a line"},
    Option{"", "format",
           "One line a message: %p peer, %f fingerprint, %i id, %t time, %b text, "
           "%d direction, %s state, %r reply",
           "FORMAT"},
    Option{"", "raw", "The text of messages alone: add nothing, escape nothing"},
    Option{"", "escape", "Escape as on a terminal"},
    Option{"", "forget", "Delete the text of the messages with this peer", "PEER"},
    Option{"", "before", "Delete only, or with everybody, the text from before that time", "TIME"},
};

// ---- what is asked for

// A time, or how long ago.
std::optional<std::uint64_t> moment_option(const Call& call, std::string_view option) {
  const auto text = call.text(option);
  if (!text) return std::nullopt;
  if (const auto moment = parse_rfc3339(*text)) return moment;
  if (const auto ago = parse_duration(*text)) {
    const auto seconds =
        static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::seconds>(*ago).count());
    const std::uint64_t now = unix_now();
    return now > seconds ? now - seconds : 0;
  }
  throw Error(Status::usage, "not a time: " + in_quotes(*text),
              "2026-11-23T03:39:58Z or 2026-11-23, in UTC; or how long ago: 30s 5m 2h 1d");
}

HistoryQuery query_of(const Call& call) {
  HistoryQuery query;
  if (!call.arguments().empty()) query.peer = call.arguments()[0];
  if (call.has("sent")) query.direction = Direction::out;
  if (call.has("received")) query.direction = Direction::in;
  query.since = moment_option(call, "since").value_or(0);
  return query;
}

// ---- how a message is shown

std::string direction_text(const HistoryEntry& entry) {
  return entry.direction == Direction::in ? "in" : "out";
}

Record record_of(const HistoryEntry& entry) {
  return {text_field("id", entry.id, 'i'),
          text_field("peer", entry.peer, 'p'),
          text_field("fingerprint", entry.fingerprint, 'f'),
          time_field("time", entry.time, 't'),
          text_field("direction", direction_text(entry), 'd'),
          text_field("state", state_text(entry.state), 's'),
          {"exit", std::uint64_t{entry.exit}},
          entry.body ? bytes_field("text", "data", *entry.body, 'b') : Field{"text", nullptr, 'b'},
          bytes_field("reply", "reply_data", entry.reply, 'r')};
}

// What went otherwise than the reader of a message would think, as " [failed, deleted]".
std::string remarks_of(const HistoryEntry& entry) {
  std::string remarks;
  const auto add = [&](const std::string& remark) {
    remarks += (remarks.empty() ? " [" : ", ") + remark;
  };
  switch (entry.state) {
    case MessageState::interrupted:
    case MessageState::queued:
    case MessageState::unknown:
    case MessageState::untaken:
    case MessageState::failed:
      add(state_text(entry.state));
      break;
    case MessageState::handled:
    case MessageState::acked:
      if (entry.exit != 0) add("exit " + std::to_string(entry.exit));
      break;
    case MessageState::print:
    case MessageState::printed:
    case MessageState::exec:
    case MessageState::handling:
      break;
  }
  if (!entry.body) add("deleted");
  return remarks.empty() ? "" : remarks + "]";
}

// Remarks stand before the colon, where no text can imitate them.
std::string line_of(const HistoryEntry& entry, bool escaped) {
  const std::string heading = rfc3339(entry.time) +
                              (entry.direction == Direction::in ? " <- " : " -> ") + entry.peer +
                              remarks_of(entry);
  if (!entry.body) return heading + "\n";
  return heading + ": " + (escaped ? escape_for_terminal(*entry.body, "  ") : *entry.body) + "\n";
}

EntryFormatter formatter(const Call& call) {
  constexpr std::string_view kLetters = "pfitbdsr";
  const bool raw = call.has("raw");
  const bool escaped = call.has("escape") || (!raw && is_terminal(STDOUT_FILENO));
  if (call.has("json")) {
    return [](const HistoryEntry& entry) { return json_line(record_of(entry)); };
  }
  if (const auto text = call.text("format")) {
    return [format = Template(*text, kLetters), escaped, raw](const HistoryEntry& entry) {
      return format.expand(record_of(entry), escaped) + (raw ? "" : "\n");
    };
  }
  if (raw) return [](const HistoryEntry& entry) { return entry.body.value_or(""); };
  return [escaped](const HistoryEntry& entry) { return line_of(entry, escaped); };
}

// ---- what it does

int forget(const Call& call) {
  for (const Option& option : kOptions) {
    const std::string name(option.name);
    if (call.has(name) && name != "forget" && name != "before") {
      throw Error(Status::usage, "--" + name + " does not go with --forget and --before");
    }
  }
  require_arguments(call, 0, 0);
  forget_history(call.home, call.text("forget"),
                 moment_option(call, "before").value_or(std::numeric_limits<std::uint64_t>::max()));
  return 0;
}

int follow(const Call& call) {
  const FollowOptions options{count_option(call), time_option(call, "timeout")};
  const FollowEnd end = follow_history(call.home, query_of(call), options, formatter(call));
  if (end.signal_number != 0) die_by_signal(end.signal_number);
  return end.reached ? 0 : static_cast<int>(Status::timeout);
}

int run(const Call& call) {
  if (call.has("forget") || call.has("before")) return forget(call);
  require_arguments(call, 0, 1);
  refuse_together(call, {"sent", "received"});
  refuse_mixed_formats(call);
  if (call.has("follow")) return follow(call);
  if (call.has("timeout")) throw Error(Status::usage, "-W goes with --follow alone");
  write_history(call.home, query_of(call), count_option(call), formatter(call), print);
  return 0;
}

}  // namespace

const Command kLogCommand = {
    "log",
    "[PEER] [--since TIME] [--sent | --received] [-n COUNT] [--follow [-W TIME]] "
    "[--json | --format FORMAT] [--raw | --escape] | --forget PEER [--before TIME] | "
    "--before TIME",
    "show what was sent and received",
    kOptions,
    {WordKind::peer},
    run,
};

}  // namespace p2pchat

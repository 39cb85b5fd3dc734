// p2pchat queue: messages that could not be delivered yet.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "command.h"
#include "node/config.h"
#include "node/queue.h"
#include "outcome.h"
#include "output.h"
#include "terminal.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"", "now", "With flush: also what is to be tried later"},
    Option{"W", "timeout", "With flush and retry: give up after this time", "TIME"},
    Option{"", "json", "One JSON object a line"},
    Option{"", "format",
           "One line a message: %i id, %p peer, %f fingerprint, %s status, %t time, "
           "%x expiry, %a attempts, %n next attempt, %b bytes, %e error",
           "FORMAT"},
    Option{"z", "null", "End each line with NUL"},
};

std::string end_of_line(const Call& call) {
  return {call.has("null") ? '\0' : '\n'};
}

std::string with_end_of_line(const Call& call, std::string line) {
  if (line.ends_with('\n')) line.pop_back();
  return line + end_of_line(call);
}

// ---- list

std::string status_word(const QueueItem& item) {
  return item.message.entry.failed ? "failed" : "queued";
}

Record record_of(const QueueItem& item) {
  const QueuedMessage& message = item.message;
  const auto number = [](std::string name, std::uint64_t value, char letter) {
    return Field{std::move(name), value, letter, std::to_string(value)};
  };
  return {text_field("id", message.jti, 'i'),
          text_field("peer", item.peer, 'p'),
          text_field("fingerprint", item.fingerprint, 'f'),
          text_field("status", status_word(item), 's'),
          time_field("time", message.time, 't'),
          time_field("expires", message.exp, 'x'),
          number("attempts", message.entry.attempts, 'a'),
          time_field("next", item.next, 'n'),
          number("bytes", message.bytes, 'b'),
          text_field("error", message.entry.why, 'e')};
}

// When it is tried next.
std::string next_text(const QueueItem& item) {
  if (item.message.entry.failed) return "-";
  return item.next == 0 ? "now" : rfc3339(item.next);
}

std::vector<std::string> row_of(const QueueItem& item) {
  const QueuedMessage& message = item.message;
  return {message.jti,          item.peer,
          status_word(item),    next_text(item),
          rfc3339(message.exp), message.entry.why.empty() ? "-" : message.entry.why};
}

int list(const Call& call) {
  constexpr std::string_view kLetters = "ipfstxanbe";
  const Config config = Config::load(call.home);
  const auto text = call.text("format");
  const auto format = text ? std::optional(Template(*text, kLetters)) : std::nullopt;
  std::string lines;
  std::vector<std::vector<std::string>> rows;
  for (const QueueItem& item : Queue(call.home, config).list()) {
    if (call.has("json")) {
      lines += with_end_of_line(call, json_line(record_of(item)));
    } else if (format) {
      lines += format->expand(record_of(item), true) + end_of_line(call);
    } else if (call.has("null")) {
      lines += with_end_of_line(call, table({row_of(item)}));
    } else {
      rows.push_back(row_of(item));
    }
  }
  print(lines + table(rows));
  return 0;
}

// ---- flush and retry

// Tells what becomes of each message, as it comes to be known.
class Report {
 public:
  explicit Report(const Call& call, std::uint64_t expected) : call_(call), expected_(expected) {}

  void begin() { show(""); }

  void add(const QueueEvent& event) {
    const Sent& sent = event.sent;
    counts_[static_cast<std::size_t>(event.fate)] += 1;
    show_progress("");
    const int status = status_of(sent, false);
    if (call_.has("json") && !lost_) {
      try {
        print(with_end_of_line(call_, json_line(record_of(sent, event.id, status))));
      } catch (const Error& error) {
        lost_ = error;
      }
    }
    if (status != 0) fail(event, status);
    show(sent.peer);
  }

  void fail(const std::string& text, const std::string& hint, Status status) {
    note(static_cast<int>(status));
    show_progress("");
    say_error(text, hints_.insert(hint).second ? hint : "");
  }

  std::uint64_t waiting() const { return counts_[static_cast<std::size_t>(QueueFate::waiting)]; }

  // Returns the exit status: the first that asks for somebody, else that of waiting.
  int end(std::uint64_t waiting) {
    show_progress("");
    if (is_terminal(STDERR_FILENO)) {
      say(std::to_string(counts_[0]) + " delivered, " + std::to_string(waiting) + " waiting, " +
          std::to_string(counts_[2]) + " failed");
    }
    if (lost_) {
      say_error(lost_->what(), "");
      return static_cast<int>(lost_->status());
    }
    return status_;
  }

 private:
  void fail(const QueueEvent& event, int status) {
    const Error error = queue_error(event);
    fail(error.what(), error.hint(), static_cast<Status>(status));
  }

  void note(int status) {
    const bool waits = status == static_cast<int>(Status::try_later);
    if (status_ == 0 || (status_ == static_cast<int>(Status::try_later) && !waits)) {
      status_ = status;
    }
  }

  void show(const std::string& peer) {
    const std::uint64_t done = counts_[0] + counts_[1] + counts_[2];
    show_progress(std::to_string(done) + " of " + std::to_string(std::max(done, expected_)) +
                  (peer.empty() ? "" : ": " + peer));
  }

  const Call& call_;
  std::uint64_t expected_;
  std::array<std::uint64_t, 3> counts_{};  // by fate
  std::set<std::string> hints_{""};
  std::optional<Error> lost_;  // why standard output could not be written
  int status_ = 0;
};

int flush(const Call& call) {
  set_patience(kOutcomePatience);
  FlushOptions options;
  if (call.arguments().size() > 1) options.peer = call.arguments()[1];
  options.now = call.has("now");
  options.time = time_option(call, "timeout");
  const Config config = Config::load(call.home);
  Queue queue(call.home, config);
  Report report(call, queue.count_waiting(options.peer));
  report.begin();
  const FlushEnd end = queue.flush(options, [&](const QueueEvent& event) { report.add(event); });
  for (const std::string& peer : end.busy) {
    report.fail("another process delivers to " + in_quotes(peer), "", Status::try_later);
  }
  if (end.late) report.fail("the time is over", "", Status::try_later);
  const int status = report.end(end.waiting);
  if (end.signal_number != 0) die_by_signal(end.signal_number);
  return status;
}

QueueChoice choice_of(const Call& call) {
  QueueChoice choice{call.arguments()[1]};
  if (call.arguments().size() > 2) choice.peer = call.arguments()[2];
  return choice;
}

int retry(const Call& call) {
  set_patience(kOutcomePatience);
  const auto time = time_option(call, "timeout");
  const Config config = Config::load(call.home);
  Queue queue(call.home, config);
  const QueueChoice choice = choice_of(call);
  Report report(call, queue.chosen(choice).size());
  report.begin();
  const int signal_number =
      queue.retry(choice, time, [&](const QueueEvent& event) { report.add(event); });
  const int status = report.end(report.waiting());
  if (signal_number != 0) die_by_signal(signal_number);
  return status;
}

int drop(const Call& call) {
  const Config config = Config::load(call.home);
  Queue(call.home, config).drop(choice_of(call));
  return 0;
}

constexpr std::array kVerbs = {
    Verb{"", 0, 0, {}, " json format null ", list},
    Verb{"list", 0, 0, {}, " json format null ", list},
    Verb{"flush", 0, 1, {WordKind::trusted_peer}, " now timeout json null ", flush},
    Verb{"retry", 1, 2, {WordKind::queued, WordKind::trusted_peer}, " timeout json null ", retry},
    Verb{"drop", 1, 2, {WordKind::queued, WordKind::trusted_peer}, "", drop},
};

int run(const Call& call) {
  const Verb& verb = verb_of(call);
  refuse_together(call, {"json", "format"});
  if (call.has("null") && !call.has("json") && (verb.run == flush || verb.run == retry)) {
    throw Error(Status::usage, "-z goes with --json");
  }
  call.home.require_identity();
  return verb.run(call);
}

}  // namespace

const Command kQueueCommand = {
    "queue",
    "[list] [--json | --format FORMAT] [-z] | flush [PEER] [--now] [-W TIME] [--json [-z]] | "
    "retry ID [PEER] [-W TIME] [--json [-z]] | drop ID [PEER]",
    "show what could not be delivered yet, and deliver it",
    kOptions,
    {},
    run,
    true,
    kVerbs,
};

}  // namespace p2pchat

// p2pchat send: one message to one or several peers.
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "command.h"
#include "node/address_book.h"
#include "node/config.h"
#include "node/outbox.h"
#include "outcome.h"
#include "output.h"
#include "terminal.h"

namespace p2pchat {

namespace {

constexpr std::array kOptions = {
    Option{"m", "message", "The message; standard input is not read", "TEXT"},
    Option{"f", "file", "The message is in this file; standard input is not read", "FILE"},
    Option{"q", "quiet", "Do not print the reply"},
    Option{"", "json", "Print an object for each peer instead of the reply"},
    Option{"", "propagate", "Exit with the status of the peer's handler"},
    Option{"W", "timeout", "Give up after this time", "TIME"},
    Option{"", "queue", "Keep what cannot be delivered now for p2pchat queue flush"},
    Option{"", "expire", "For so long the message may be delivered, 7 days by default", "TIME"},
    Option{"", "id", "An id of your own: the same id is delivered once", "ID"},
    Option{"", "binary", "Any bytes, not only UTF-8; implies --raw"},
    Option{"", "raw", "Take off no final newline, escape nothing"},
    Option{"", "escape", "Escape what a terminal would obey in the reply, also in a pipe"},
};

bool is_raw(const Call& call) {
  return call.has("raw") || call.has("binary");
}

// A command line for one who has typed the text where the peers are.
std::string use_m(const Call& call) {
  std::string text = "TEXT";
  std::string peers;
  for (const std::string& word : call.arguments()) {
    const std::string typed = shell_word(word);
    if (is_peer_name(word)) {
      peers += " " + word;
    } else if (text == "TEXT" && can_be_shown(typed)) {
      text = typed;
    }
  }
  return "to send text from the command line, use -m: " + own_command("send -m ") + text +
         (peers.empty() ? " PEER" : peers);
}

void refuse_conflicts(const Call& call) {
  if (call.arguments().empty()) {
    throw Error(Status::usage, "no peer to send to",
                own_command("send ") + (call.has("message") ? "-m TEXT PEER" : "PEER < FILE"));
  }
  if (call.has("message") && call.has("file")) {
    throw Error(Status::usage, "-m and -f exclude each other");
  }
  if (call.has("json") && call.has("quiet")) {
    throw Error(Status::usage, "--json and -q exclude each other");
  }
  for (const std::string option : {"json", "quiet", "raw", "binary"}) {
    if (call.has("escape") && call.has(option)) {
      throw Error(Status::usage, "--escape and --" + option + " exclude each other");
    }
  }
  const bool reads_stdin = !call.has("message") && !call.has("file");
  if (reads_stdin && is_terminal(STDIN_FILENO)) {
    const std::string& peer = call.arguments()[0];
    throw Error(Status::usage, "no message: standard input is a terminal",
                call.arguments().size() > 1 || !is_peer_name(peer)
                    ? use_m(call)
                    : "echo hi | " + own_command("send ") + peer + ", or " +
                          own_command("send -m hi ") + peer);
  }
}

// Throws Error{no_peer} when one is unknown; the word may have been meant as the message.
void require_peers(const Call& call, Outbox& outbox) {
  try {
    outbox.require_peers(call.arguments());
  } catch (const Error& error) {
    if (error.status() != Status::no_peer || call.has("message") || call.has("file")) throw;
    const auto& words = call.arguments();
    const bool has_text = std::any_of(words.begin(), words.end(), [](const std::string& word) {
      return word.find(' ') != std::string::npos;
    });
    std::string hint = has_text ? use_m(call) : error.hint();
    if (words.size() == 1 && is_peer_name(words[0])) {
      hint += "; if it is the text: " + own_command("send -m ") + words[0] + " PEER";
    }
    throw Error(error.status(), error.what(), hint);
  }
}

// Not yet checked; one byte more than may be sent, and a final newline, are enough to know.
std::string read_message(const Call& call) {
  constexpr std::size_t kMost = kMaxLetterBytes + 1;
  if (const auto text = call.text("message")) return *text;
  std::string body;
  if (const auto file = call.text("file")) {
    body = read_input_file(*file, kMost);
  } else {
    body = read_to_end(STDIN_FILENO, kMost, "standard input");
    if (body.empty()) {
      throw Error(Status::data, "standard input is empty", "-m '' sends an empty message");
    }
  }
  if (!is_raw(call) && body.ends_with('\n')) body.pop_back();
  return body;
}

void refuse_bad_body(const Call& call, const std::string& body) {
  if (body.size() > kMaxLetterBytes) {
    throw Error(Status::data, "the message is longer than 1 MiB",
                "split -b 1M cuts a file into pieces that fit");
  }
  if (call.has("binary")) return;
  if (body.find('\0') != std::string::npos) {
    throw Error(Status::data, "the message holds a NUL byte", "--binary sends any bytes");
  }
  if (!is_utf8(body)) {
    throw Error(Status::data, "the message is not UTF-8", "--binary sends any bytes");
  }
}

// A command line that sends the same message under the same id: the name that the caller gave it,
// or the 22 characters that stand for it.
std::string retry_command(const Call& call, const Letter& letter,
                          const std::vector<std::string>& peers) {
  const bool named = can_be_shown(shell_word(letter.id_text));
  std::string command =
      own_command("send --id ") + (named ? shell_word(letter.id_text) : letter.id);
  if (const auto expire = call.text("expire")) command += " --expire " + shell_word(*expire);
  std::string with;
  for (const char* flag : {"binary", "raw", "escape", "quiet", "json", "propagate"}) {
    if (call.has(flag)) command += std::string(" --") + flag;
  }
  if (const auto text = call.text("message")) {
    const std::string word = shell_word(*text);
    command += " -m " + (can_be_shown(word) ? word : "TEXT");
    if (!can_be_shown(word)) with = " (with the same text)";
  } else if (const auto file = call.text("file")) {
    const std::string word = shell_word(*file);
    command += " -f " + (can_be_shown(word) ? word : "FILE");
    if (!can_be_shown(word)) with = " (with the same file)";
  } else {
    with = " (with the same input)";
  }
  for (const std::string& peer : peers) command += " " + peer;
  return "to retry safely: " + command + with;
}

// Tells what has become of a letter: a peer at a time, in the order of the arguments.
class Report {
 public:
  Report(const Call& call, const Letter& letter)
      : call_(call),
        letter_(letter),
        several_(call.arguments().size() > 1),
        json_(call.has("json")) {}

  // Returns the exit status for this peer.
  int add(const Sent& sent) {
    if (!lost_) print_outcome(sent);
    if (sent.error) return fail(sent, *sent.error);
    if (lost_) {
      said_lost_ = true;
      return fail(sent, {lost_->status(),
                         "acknowledged by " + in_quotes(sent.peer) + ", but " + lost_->what()});
    }
    if (is_terminal(STDOUT_FILENO) && !json_) say("delivered to " + sent.peer);
    if (sent.delivered->rc == 0) return 0;
    fail(sent, handler_error(sent));
    return status_of(sent);
  }

  // What became of a message that waited in the queue before this one, where somebody has to look.
  void add_earlier(const QueueEvent& event) {
    if (!event.sent.error && event.sent.delivered->rc == 0) return;
    const Error error = queue_error(event);
    say_error(error.what(), error.hint());
  }

  // Returns `status`, or that of a standard output which could not be written: then nobody can rely
  // on what came out there. One hint for all those whose outcome is unknown.
  int end(int status) {
    if (lost_ && !said_lost_) say_error(lost_->what(), "");
    if (!unknown_.empty()) say_hint(retry_command(call_, letter_, unknown_));
    return lost_ ? static_cast<int>(lost_->status()) : status;
  }

 private:
  int fail(const Sent& sent, const Error& error) {
    const std::string text = error.what();
    const bool is_open = sent.state == state_text(MessageState::unknown);
    // What is open has one hint for all, at the end.
    const std::string hint =
        several_ || is_open ? error.hint() : with_way_out(error, sent.peer).hint();
    const bool new_hint = hints_.insert(hint).second;
    say_error(several_ ? naming_peer(sent, text) : text, new_hint ? hint : "");
    // An error with a hint of its own says what has to be done before.
    const bool is_unknown =
        error.status() == Status::unknown_outcome || (is_open && error.hint().empty());
    const bool is_new = std::find(unknown_.begin(), unknown_.end(), sent.peer) == unknown_.end();
    if (is_unknown && is_new) unknown_.push_back(sent.peer);
    return static_cast<int>(error.status());
  }

  void print_outcome(const Sent& sent) {
    try {
      if (json_) {
        print(json_line(record_of(sent, letter_.id, status_of(sent))));
      } else if (sent.delivered && !sent.error) {
        print_reply(*sent.delivered);
      }
    } catch (const Error& error) {
      lost_ = error;
    }
  }

  int status_of(const Sent& sent) const { return p2pchat::status_of(sent, call_.has("propagate")); }

  void print_reply(const Delivered& delivered) const {
    if (several_ || call_.has("quiet")) return;
    const bool escape = call_.has("escape") || (is_terminal(STDOUT_FILENO) && !is_raw(call_));
    std::string text = escape ? escape_for_terminal(delivered.reply, "  ") : delivered.reply;
    if (escape && text.ends_with("\n  ")) text.erase(text.size() - 3);
    if (escape && !text.empty()) text += '\n';
    print(text);
  }

  const Call& call_;
  const Letter& letter_;
  bool several_;
  bool json_;
  std::set<std::string> hints_;
  std::vector<std::string> unknown_;  // peers, each once
  std::optional<Error> lost_;         // why standard output could not be written
  bool said_lost_ = false;
};

// The first failing status.
int tell(const Call& call, const Letter& letter, const Outcomes& outcomes) {
  Report report(call, letter);
  int status = 0;
  for (const QueueEvent& event : outcomes.earlier) report.add_earlier(event);
  for (const Sent& sent : outcomes.sent) {
    const int own = report.add(sent);
    if (status == 0) status = own;
  }
  return report.end(status);
}

// One message that our user has ended before any of it left: they know.
bool ended_in_time(const Outcomes& outcomes) {
  const Sent& sent = outcomes.sent.front();
  return outcomes.signal_number != 0 && outcomes.sent.size() == 1 && sent.error &&
         sent.error->status() == Status::unavailable;
}

// Seconds.
std::uint64_t life_of(const Call& call) {
  const auto time = time_option(call, "expire");
  if (!time) return kLetterLifeSeconds;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(*time).count();
  if (static_cast<std::uint64_t>(seconds) <= kMostLifeSeconds) {
    return static_cast<std::uint64_t>(seconds);
  }
  throw Error(Status::usage, "--expire: more than 30 days");
}

int run(const Call& call) {
  refuse_conflicts(call);
  Letter letter;
  letter.id = letter_id(call.text("id"));
  letter.id_text = call.text("id").value_or(letter.id);
  const std::uint64_t life = life_of(call);
  const auto time = time_option(call, "timeout");
  const Config config = Config::load(call.home);
  Outbox outbox(call.home, config);
  require_peers(call, outbox);
  letter.body = read_message(call);
  refuse_bad_body(call, letter.body);
  letter.exp = unix_now() + life;  // it may have come slowly

  const bool chosen = time || config.send_timeout();
  const Outcomes outcomes =
      outbox.send(letter, call.arguments(), {send_time(config, time, letter.body.size()), !chosen},
                  call.has("queue") ? IfNotTaken::queue : IfNotTaken::fail);
  set_patience(kOutcomePatience);
  const int status = ended_in_time(outcomes) ? 0 : tell(call, letter, outcomes);
  if (outcomes.signal_number != 0) die_by_signal(outcomes.signal_number);
  return status;
}

}  // namespace

const Command kSendCommand = {
    "send",
    "[-m TEXT | -f FILE] [-q | --json] [--propagate] [-W TIME] [--queue] [--expire TIME] "
    "[--id ID] [--binary] [--raw | --escape] PEER...",
    "send a message to peers and wait for their acknowledgements",
    kOptions,
    {WordKind::trusted_peer, WordKind::trusted_peer},
    run,
};

}  // namespace p2pchat

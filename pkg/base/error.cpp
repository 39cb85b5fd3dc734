#include "base/error.h"

#include <array>
#include <cctype>
#include <system_error>
#include <utility>

namespace p2pchat {

namespace {

std::string own_words = "p2pchat";

constexpr std::array kStatusTable = {
    StatusRow{"0", "done as asked", "go on"},
    StatusRow{"64", "usage", "fix the call"},
    StatusRow{"65",
              "bad data: body, card, fingerprint, an id that carried another body, a reply that "
              "does not verify",
              "look"},
    StatusRow{"66", "input file missing or unreadable", "fix"},
    StatusRow{"67", "unknown peer name", "register"},
    StatusRow{"68", "host name not resolved", "check"},
    StatusRow{"69",
              "peer not reachable, or out of time, before the first byte of the request went out",
              "retry"},
    StatusRow{"70", "internal error", "report"},
    StatusRow{"71",
              "this machine failed: stdout not writable, disk full, no descriptors, address in "
              "use, state locked or damaged",
              "look"},
    StatusRow{"73", "refuses to overwrite, or cannot create", "look"},
    StatusRow{"74",
              "outcome unknown: connection lost or out of time after the request began to leave; "
              "the id and the retrying command are printed",
              "retry with --id"},
    StatusRow{"75",
              "not taken now (busy, clocks differ, or unreachable with --queue); kept only if "
              "stderr says queued",
              "wait"},
    StatusRow{"76", "the other side does not speak this protocol", "look"},
    StatusRow{"77",
              "trust: key changed, we are not known or not accepted there, blocked, weak key, "
              "unsafe permissions",
              "a person must look"},
    StatusRow{"78", "no identity, or bad config (file and key named)", "fix"},
    StatusRow{"79",
              "delivered, but the peer's handler failed (--propagate: its own status 1-63 instead)",
              "look"},
    StatusRow{"124", "listen -W, log -W: count not reached in time", ""},
    StatusRow{"130, 143",
              "ended by SIGINT, SIGTERM after an orderly end, signal raised again (listen -k ends "
              "with 0 on SIGTERM)",
              ""},
};

}  // namespace

std::span<const StatusRow> status_table() {
  return kStatusTable;
}

Error::Error(Status status, const std::string& text, std::string hint)
    : std::runtime_error(text), status_(status), hint_(std::move(hint)) {}

Error&& Error::ended_by(int signal_number) && {
  signal_number_ = signal_number;
  return std::move(*this);
}

void name_own_command(std::string words) {
  own_words = std::move(words);
}

std::string own_command(std::string_view rest) {
  return own_words + " " + std::string(rest);
}

std::string errno_text(int error_number) {
  std::string text = std::generic_category().message(error_number);
  // "No such file" becomes "no such file", but "I/O error" stays.
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

}  // namespace p2pchat

#include "node/contact.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "protocol/address.h"
#include "protocol/reply.h"

namespace p2pchat {

namespace {

constexpr std::string_view kKeysRequest = "keys";

[[noreturn]] void fail(const Contact& contact, const std::string& address, const Dialed& dialed) {
  const std::string peer = in_quotes(contact.name) + " (" + address + "): " + dialed.why;
  switch (dialed.failure) {
    case DialFailure::not_resolved:
      throw Error(Status::no_host, "cannot resolve the address of " + peer);
    case DialFailure::not_resolved_now:
      throw NotResolvedNow(Status::no_host, "cannot resolve the address of " + peer);
    case DialFailure::exhausted:
      throw Error(Status::system, "cannot connect to " + peer);
    default:
      throw Error(Status::unavailable, "cannot connect to " + peer);
  }
}

}  // namespace

Contact Contact::of(const PeerRow& row) {
  Contact contact{row.name, {}, row.via};
  for (const std::string& address : {row.typed_address, row.announced_address}) {
    const bool seen = std::find(contact.addresses.begin(), contact.addresses.end(), address) !=
                      contact.addresses.end();
    if (!address.empty() && !seen) contact.addresses.push_back(address);
  }
  return contact;
}

std::optional<int> Line::command_status() const {
  // A command that has closed its streams is about to end.
  constexpr std::chrono::milliseconds kPatience{500};
  return command_ ? command_->wait(Deadline(kPatience)) : std::nullopt;
}

bool names_address(const std::string& via) {
  for (std::size_t at = via.find('%'); at != std::string::npos; at = via.find('%', at + 2)) {
    const std::string_view next = std::string_view(via).substr(at + 1, 1);
    if (next == "h" || next == "p") return true;
  }
  return false;
}

namespace {

// %h and %p become words of the shell, %% a percent sign.
std::string expanded(const std::string& via, const std::string& address_text) {
  const auto address = read_address_argument(address_text);
  std::string command;
  for (std::size_t i = 0; i < via.size(); ++i) {
    const char next = via[i] == '%' && i + 1 < via.size() ? via[i + 1] : '\0';
    if (next == 'h' && address) {
      command += shell_word(address->host);
    } else if (next == 'p' && address) {
      command += std::to_string(address->port);
    } else if (next == '%') {
      command += '%';
    } else {
      command += via[i];
      continue;
    }
    ++i;
  }
  return command;
}

Line connect_through(const Contact& contact) {
  const std::string address = contact.addresses.empty() ? "" : contact.addresses.front();
  if (address.empty() && names_address(contact.via)) {
    throw Error(Status::unavailable, "no address is known for " + in_quotes(contact.name),
                own_command("register ") + contact.name + " HOST[:PORT]");
  }
  return {Process({{"/bin/sh", "-c", expanded(contact.via, address)}}),
          "via " + escape_for_terminal(contact.via)};
}

}  // namespace

Line connect(const Contact& contact, const Deadline& deadline, int interrupt) {
  if (!contact.via.empty()) return connect_through(contact);
  if (contact.addresses.empty()) {
    throw Error(Status::unavailable, "no address is known for " + in_quotes(contact.name),
                own_command("register ") + contact.name + " HOST[:PORT]");
  }
  std::optional<Dialed> first_failed;
  std::size_t left = contact.addresses.size();
  for (const std::string& text : contact.addresses) {
    // What is left of the time is shared between the addresses that are left.
    const Deadline share(deadline.remaining() / static_cast<std::int64_t>(left--));
    const auto address = read_address_argument(text);
    if (!address) throw Error(Status::internal, "a stored address is none: " + in_quotes(text));
    Dialed dialed = dial(address->host, address->port, share, interrupt);
    if (dialed.socket) return {std::move(dialed.socket), text, dialed.resolving};
    if (!first_failed) first_failed = std::move(dialed);
  }
  fail(contact, contact.addresses.front(), *first_failed);
}

Exchanged ask(const Line& line, const RequestParts& frame, const Deadline& deadline,
              int interrupt) {
  ReplyPrefix prefix;
  Exchanged end = exchange(
      line.in(), line.out(), frame, deadline,
      [&](std::string_view piece) { return prefix.feed(piece); }, interrupt);
  if (end.end == ExchangeEnd::lost || end.end == ExchangeEnd::not_begun) {
    if (const auto status = line.command_status()) {
      constexpr int kCannotRun = 126;
      constexpr int kNotFound = 127;
      end.why = "the command ended with status " + std::to_string(*status) + " and no answer";
      // The shell has found nothing to run, here or where the command leads: nobody read a byte.
      if (*status == kCannotRun || *status == kNotFound) end.end = ExchangeEnd::not_begun;
    }
  }
  return end;
}

std::string no_answer(const std::string& name, const std::string& address, const Exchanged& end) {
  return "no answer from " + in_quotes(name) + " (" + address + "): " + end.why;
}

std::string ask_keys(const Line& line, const std::string& name, const Deadline& deadline,
                     Status lost, int interrupt) {
  Exchanged end = ask(line, kKeysRequest, deadline, interrupt);
  switch (end.end) {
    case ExchangeEnd::answered:
    case ExchangeEnd::implausible:
      return std::move(end.reply);
    case ExchangeEnd::not_begun:
      throw Error(Status::unavailable, no_answer(name, line.address(), end));
    default:
      throw Error(lost, no_answer(name, line.address(), end));
  }
}

}  // namespace p2pchat

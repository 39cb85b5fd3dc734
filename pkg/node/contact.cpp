#include "node/contact.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "protocol/address.h"
#include "protocol/reply.h"

namespace p2pchat {

namespace {

constexpr std::string_view kKeysRequest = "keys";

Error dial_error(const Contact& contact, const std::string& address, const Dialed& dialed) {
  const std::string peer = in_quotes(contact.name) + " (" + address + ")";
  if (dialed.failure == DialFailure::not_resolved) {
    return {Status::no_host, "cannot resolve the address of " + peer + ": " + dialed.why};
  }
  const bool ours = dialed.failure == DialFailure::exhausted;
  return {ours ? Status::system : Status::unavailable,
          "cannot connect to " + peer + ": " + dialed.why};
}

}  // namespace

Contact Contact::of(const PeerRow& row) {
  Contact contact{row.name, {}};
  for (const std::string& address : {row.typed_address, row.announced_address}) {
    const bool seen = std::find(contact.addresses.begin(), contact.addresses.end(), address) !=
                      contact.addresses.end();
    if (!address.empty() && !seen) contact.addresses.push_back(address);
  }
  return contact;
}

Line connect(const Contact& contact, const Deadline& deadline) {
  if (contact.addresses.empty()) {
    throw Error(Status::unavailable, "no address is known for " + in_quotes(contact.name),
                "p2pchat register " + contact.name + " HOST[:PORT]");
  }
  std::optional<Error> first_error;
  std::size_t left = contact.addresses.size();
  for (const std::string& text : contact.addresses) {
    // What is left of the time is shared between the addresses that are left.
    const Deadline share(deadline.remaining() / static_cast<std::int64_t>(left--));
    const auto address = read_address_argument(text);
    if (!address) throw Error(Status::internal, "a stored address is none: " + in_quotes(text));
    Dialed dialed = dial(address->host, address->port, share);
    if (dialed.socket) return {std::move(dialed.socket), text};
    if (!first_error) first_error = dial_error(contact, text, dialed);
  }
  throw Error(*first_error);
}

Exchanged ask(const Line& line, std::string_view frame, const Deadline& deadline) {
  ReplyPrefix prefix;
  return exchange(line.socket.get(), line.socket.get(), frame, deadline,
                  [&](std::string_view piece) { return prefix.feed(piece); });
}

std::string no_answer(const std::string& name, const std::string& address, const Exchanged& end) {
  return "no answer from " + in_quotes(name) + " (" + address + "): " + end.why;
}

std::string ask_keys(const Line& line, const std::string& name, const Deadline& deadline,
                     Status lost) {
  Exchanged end = ask(line, kKeysRequest, deadline);
  switch (end.end) {
    case ExchangeEnd::answered:
      return std::move(end.reply);
    case ExchangeEnd::implausible:
      return {};  // not an answer of this protocol, as an empty frame is
    case ExchangeEnd::not_begun:
      throw Error(Status::unavailable, no_answer(name, line.address, end));
    default:
      throw Error(lost, no_answer(name, line.address, end));
  }
}

}  // namespace p2pchat

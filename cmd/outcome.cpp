#include "outcome.h"

#include "base/text.h"
#include "node/outcome.h"

namespace p2pchat {

int status_of(const Sent& sent, bool propagate) {
  constexpr unsigned kLargestOwn = 63;  // from 64 on they are ours
  if (sent.error) return static_cast<int>(sent.error->status());
  const unsigned rc = sent.delivered->rc;
  const bool own = rc == 0 || (propagate && rc <= kLargestOwn);
  return own ? static_cast<int>(rc) : static_cast<int>(Status::handler);
}

Record record_of(const Sent& sent, const std::string& id, int status) {
  return {
      text_field("peer", sent.peer),
      text_field("id", id),
      text_field("status", sent.state),
      {"exit", static_cast<std::uint64_t>(status)},
      sent.delivered ? bytes_field("body", "data", sent.delivered->reply) : Field{"body", nullptr}};
}

Error handler_error(const Sent& sent) {
  return {Status::handler, "delivered, but the handler of " + in_quotes(sent.peer) + " " +
                               handler_failure(sent.delivered->rc)};
}

Error with_way_out(const Error& error, const std::string& peer) {
  if (!error.hint().empty()) return error;
  const std::string owner = "the owner of " + in_quotes(peer);
  std::string hint;
  switch (error.status()) {
    case Status::no_host:
      hint = own_command("register ") + peer + " HOST[:PORT] gives it another address";
      break;
    case Status::unavailable:
      hint = owner +
             " types: p2pchat listen -k; if it runs, the address is wrong or a firewall is between";
      break;
    case Status::unknown_outcome:
      hint = "try again, or ask " + owner + " for the port that p2pchat listen has named";
      break;
    case Status::protocol:
      hint = "ask " + owner + " for the port that p2pchat listen has named";
      break;
    default:
      break;
  }
  return {error.status(), error.what(), hint};
}

std::string naming_peer(const Sent& sent, const std::string& text) {
  const std::string peer = in_quotes(sent.peer);
  return text.find(peer) != std::string::npos ? text : "sending to " + peer + ": " + text;
}

Error queue_error(const QueueEvent& event) {
  const Error error = event.sent.error ? *event.sent.error : handler_error(event.sent);
  std::string text = naming_peer(event.sent, error.what());
  const std::string id = in_quotes(event.id);
  if (text.find(id) == std::string::npos) text = "message " + id + ": " + text;
  return {error.status(), text, error.hint()};
}

}  // namespace p2pchat

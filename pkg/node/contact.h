// Reaching a peer: its addresses in the order of trust, one connection, one exchange.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "net/dial.h"
#include "net/exchange.h"
#include "store/peers.h"

namespace p2pchat {

struct Contact {
  std::string name;                    // as our user calls the peer
  std::vector<std::string> addresses;  // "host:port", tried in this order
  std::string via = {};                // a command whose streams are the connection, or ""

  // The typed address first, then the one the peer announced.
  static Contact of(const PeerRow& row);
};

// A connection to a peer.
class Line {
 public:
  Line(Fd socket, std::string address, std::chrono::microseconds resolving)
      : address_(std::move(address)), resolving_(resolving), socket_(std::move(socket)) {}
  Line(Process command, std::string address)
      : address_(std::move(address)), command_(std::move(command)) {}

  int in() const { return command_ ? command_->output() : socket_.get(); }
  int out() const { return command_ ? command_->input() : socket_.get(); }
  // The address that answered; the command, where there is one.
  const std::string& address() const { return address_; }
  // How long its name took to resolve.
  std::chrono::microseconds resolving() const { return resolving_; }
  // Its exit status once it has ended; nothing for a socket.
  std::optional<int> command_status() const;

 private:
  std::string address_;
  std::chrono::microseconds resolving_{};
  Fd socket_;
  mutable std::optional<Process> command_;
};

// True when the command has a place for an address: %h or %p.
bool names_address(const std::string& via);

// The resolver cannot say now whether there is such a host: this machine may be off line.
class NotResolvedNow : public Error {
 public:
  using Error::Error;
};

// Throws Error{no_host} or Error{unavailable}, with the address and the reason. `interrupt`, here
// and below: see net/dial.h and net/exchange.h.
Line connect(const Contact& contact, const Deadline& deadline, int interrupt = -1);

// Sends the frame and waits for the reply's; the caller judges how it ended.
Exchanged ask(const Line& line, const RequestParts& frame, const Deadline& deadline,
              int interrupt = -1);

// Connects, asks `keys` and returns the reply's frame. Throws also for an exchange without one;
// `lost` is the status for an answer that did not come.
std::string ask_keys(const Line& line, const std::string& name, const Deadline& deadline,
                     Status lost, int interrupt = -1);

// The text for an exchange that ended without an answer.
std::string no_answer(const std::string& name, const std::string& address, const Exchanged& end);

}  // namespace p2pchat

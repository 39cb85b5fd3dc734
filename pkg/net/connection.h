// One connection of the listener, as a state machine that the loop drives: read a frame, wait for
// its reply, write it, wait for the client to close. Never blocks, never throws for what a peer
// does.
#pragma once

#include <Poco/Net/StreamSocket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/intake.h"
#include "net/source.h"

namespace p2pchat {

class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  enum class State {
    reading,    // no complete frame yet
    answering,  // its frame is being worked on
    writing,    // the reply is going out
    lingering,  // the reply is out: what comes is dropped until the client closes
    finished,   // to be closed
  };

  Connection(std::uint64_t id, const Poco::Net::StreamSocket& socket, Source source);

  std::uint64_t id() const { return id_; }
  const Poco::Net::StreamSocket& socket() const { return socket_; }
  const Source& source() const { return source_; }
  State state() const { return state_; }
  // By when the present state must have ended; none while answering.
  Clock::time_point deadline() const { return deadline_; }
  // Bytes in memory: of an unfinished frame, or of a reply that is not out yet.
  std::size_t held() const { return state_ == State::reading ? intake_.held() : output_.size(); }

  // reading: takes what has come; the state may become answering (take_frame() has the frame) or
  // finished. lingering: drops what has come.
  void readable(const KeepLarge& keep_large);
  // reading: what has come of the frame; empty when it is too large to be one for us.
  std::string_view unfinished() const { return intake_.unfinished(); }
  // The frame that completed; empty also when it was too large to be one for us.
  std::string take_frame() { return intake_.take_frame(); }

  // answering: begins to write the reply, a frame without its NUL.
  void answer(std::string_view reply);
  // writing: goes on.
  void writable();

 private:
  int descriptor() const { return socket_.impl()->sockfd(); }
  void enter(State state, std::chrono::milliseconds time);

  std::uint64_t id_;
  Poco::Net::StreamSocket socket_;
  Source source_;
  State state_ = State::reading;
  Intake intake_;
  Clock::time_point deadline_;
  std::string output_;
  std::size_t written_ = 0;
};

}  // namespace p2pchat

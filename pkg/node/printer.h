// Writes received messages to stdout, oldest first, each marked as written before the next is
// begun: after a crash at most the one that was being written is written again (DESIGN 7.1). A
// thread of its own, so that a slow reader of our stdout delays nobody else.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "node/home.h"
#include "node/received.h"
#include "store/messages.h"
#include "store/peers.h"

namespace p2pchat {

// The bytes to write for a message.
using Formatter = std::function<std::string(const Received&)>;

class Printer {
 public:
  // Takes the home's printing lock: throws Error{system} when another listen holds it.
  // limit: stop after so many messages. forget_bodies: delete each body once it is written.
  Printer(const Home& home, Formatter format, std::optional<std::uint64_t> limit,
          bool forget_bodies);
  ~Printer();
  Printer(const Printer&) = delete;
  Printer& operator=(const Printer&) = delete;

  // How many messages wait to be written. Before start().
  std::uint64_t waiting();

  // ended: called once, on the printer's thread, when the limit is reached, or stdout has failed or
  // lost its reader.
  void start(std::function<void()> ended);
  // Something new may be there.
  void wake();
  // Writes what is left, for no longer than `time`, and ends the thread. Throws the Error{system}
  // that stdout met, if it did.
  void finish(std::chrono::milliseconds time);

  bool reached_limit();

 private:
  void run();
  void wait_for_news();
  enum class Turn { printed, nothing_waits, no_memory };
  Turn take_turn();
  void print(const MessageRow& row, const std::string& text);
  int write_patiently(std::string_view bytes, std::size_t& written);
  bool mark_written(const MessageRow& row);
  bool is_finishing();
  bool hopeless();

  FileLock lock_;
  Database database_;
  Messages messages_;
  Peers peers_;
  Formatter format_;
  std::optional<std::uint64_t> limit_;
  bool forget_bodies_;
  std::function<void()> ended_;

  Fd wake_;           // an eventfd: something new may be there, or it is to finish
  std::mutex mutex_;  // guards the next three
  std::optional<Deadline> finish_by_;
  std::uint64_t written_ = 0;
  std::exception_ptr problem_;
  std::thread thread_;
};

}  // namespace p2pchat

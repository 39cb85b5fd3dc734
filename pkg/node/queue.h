// Messages that are delivered later (DESIGN 7.2). What waits for one peer is delivered in the order
// in which it was first sent, by one process at a time; several peers side by side.
// p2pchat-queue(1).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node/config.h"
#include "node/delivery.h"
#include "node/home.h"
#include "node/peer_queue.h"
#include "store/queue.h"

namespace p2pchat {

// ---- sending what is kept when it is not taken, for the outbox

// What a letter was in the queue before it was put there.
enum class Before { absent, waiting, failed };

// A letter in the queue for one peer, or what there is to say when it did not get there.
struct Enqueued {
  std::string peer;          // IK
  std::int64_t message = 0;  // row of the table of messages
  std::optional<Sent> settled;
  Before before = Before::absent;
  // Acknowledged before; the reply, which is gone here, is the peer's to give.
  bool ask_again = false;
};

// On disk when it returns; letter.exp says how long it is tried. In the order of the names. Throws
// Error{system} when nothing could be queued.
std::vector<Enqueued> enqueue(const Letter& letter, const std::vector<std::string>& names,
                              const Sender& sender);

// Delivers what waits for the peer, up to this letter. It stays in the queue when it may be
// delivered another time, and when it was there before. Tells what becomes of the messages before
// it. Never throws.
Sent deliver_or_keep(const Home& home, const Letter& letter, const Enqueued& queued,
                     const Sender& sender, const Deadline& deadline, const QueueListener& told);

// ---- what our user does with the queue

struct QueueItem {
  std::string peer;         // our name for it; its fingerprint when it has none now
  std::string fingerprint;  // "SHA256:..."
  QueuedMessage message;
  std::uint64_t next = 0;  // when a flush tries it, 0: the next one does
};

// Messages of one id: to all whom it was meant for, or to the one with that name or fingerprint.
struct QueueChoice {
  std::string id;
  std::optional<std::string> peer = {};
};

struct FlushOptions {
  std::optional<std::string> peer;  // a name; nothing: all
  bool now = false;                 // also what is to be tried later
  // For all of it; nothing: each message has the time that `send` gives it.
  std::optional<std::chrono::milliseconds> time;
};

struct FlushEnd {
  int signal_number = 0;          // by which our user has ended it, 0 for none
  bool late = false;              // the time was over first
  std::vector<std::string> busy;  // peers to which another process delivers
  std::uint64_t waiting = 0;      // messages that wait now
};

class Queue {
 public:
  // Throws Error{config} when there is no identity.
  Queue(const Home& home, const Config& config, Connector connector = connect);

  // Oldest first.
  std::vector<QueueItem> list();
  // Error{data} when there is none.
  std::vector<QueueItem> chosen(const QueueChoice& choice);
  // How many messages a flush of this peer, or of all, has before it.
  std::uint64_t count_waiting(const std::optional<std::string>& peer);

  // Tells each message once it is known what becomes of it, from several threads, one at a time.
  // Throws Error{no_peer}, and Error{system} when the state fails.
  FlushEnd flush(const FlushOptions& options, const QueueListener& told);
  // Gives messages that have failed their time anew and delivers them, and what is before them for
  // the same peer; as flush() tells. Returns the signal by which our user has ended it, 0 for none.
  int retry(const QueueChoice& choice, std::optional<std::chrono::milliseconds> time,
            const QueueListener& told);
  // Takes them out of the queue.
  void drop(const QueueChoice& choice);

 private:
  std::vector<QueueItem> items_of(std::vector<QueuedMessage>&& messages);
  Enqueued renew(const QueueItem& item, const Letter& letter, const Sender& own);
  std::string identity_of(const std::string& name);

  const Home& home_;
  const Config& config_;
  Connector connector_;
  Database database_;
  QueueTable table_;
};

}  // namespace p2pchat

// Messages that are delivered later (DESIGN 7.2). What waits for one peer is delivered in the order
// in which it was queued, by one process at a time; several peers side by side.
// p2pchat-queue(1).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/config.h"
#include "node/delivery.h"
#include "node/home.h"
#include "store/queue.h"

namespace p2pchat {

// ---- sending what is kept when it is not taken, for the outbox

// A letter in the queue for one peer, or what there is to say when it did not get there.
struct Enqueued {
  std::string peer;          // IK
  std::int64_t message = 0;  // row of the table of messages
  std::optional<Sent> settled;
};

// On disk when it returns; letter.exp says how long it is tried. In the order of the names. Throws
// Error{system} when nothing could be queued.
std::vector<Enqueued> enqueue(const Letter& letter, const std::vector<std::string>& names,
                              const Sender& sender);

// Delivers what waits for the peer, up to this letter. It stays in the queue when it may be
// delivered another time. Never throws.
Sent deliver_or_keep(const Home& home, const Letter& letter, const Enqueued& queued,
                     const Sender& sender, const Deadline& deadline);

// ---- what our user does with the queue

struct QueueItem {
  std::string peer;         // our name for it; its fingerprint when it has none now
  std::string fingerprint;  // "SHA256:..."
  QueuedMessage message;
};

enum class QueueFate {
  delivered,
  waiting,  // tried again later
  failed,   // given up; listed until dropped
};

// What has become of a message that was tried or has expired.
struct QueueEvent {
  std::string id;
  QueueFate fate = QueueFate::waiting;
  Sent sent;
};
using QueueListener = std::function<void(const QueueEvent& event)>;

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
  Queue(const Home& home, const Config& config);

  // Oldest first.
  std::vector<QueueItem> list();
  // Those with that id; Error{data} when there is none.
  std::vector<QueueItem> with_id(const std::string& id);
  // How many messages a flush of this peer, or of all, has before it.
  std::uint64_t count_waiting(const std::optional<std::string>& peer);

  // Tells each message once it is known what becomes of it, from several threads, one at a time.
  // Throws Error{no_peer}, and Error{system} when the state fails.
  FlushEnd flush(const FlushOptions& options, const QueueListener& told);
  // Gives messages seven days anew and delivers them, after all that waits for the same peer.
  // Returns the signal by which our user has ended it, 0 for none.
  int retry(const std::string& id, std::optional<std::chrono::milliseconds> time,
            const QueueListener& told);
  // Takes them out of the queue.
  void drop(const std::string& id);

 private:
  QueueItem item_of(QueuedMessage&& message);
  std::string identity_of(const std::string& name);

  const Home& home_;
  const Config& config_;
  Database database_;
  QueueTable table_;
};

}  // namespace p2pchat

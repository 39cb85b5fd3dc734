// What waits for one peer (DESIGN 7.2): delivered in the order of recording, by one process at a
// time. What it is for is in node/queue.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/file.h"
#include "node/delivery.h"
#include "node/home.h"
#include "store/queue.h"

namespace p2pchat {

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

// What to say of a message that stays in the queue. There is only waiting to be done, unless
// somebody has to look first.
Error kept(const Sent& sent, const std::string& id_text);

// The peer's name, or its fingerprint when it has none now.
std::string name_or_fingerprint(Peers& peers, const std::string& identity);

// Nothing waits longer than a day, but for a clock that was ahead when it was told to.
bool is_due(std::uint64_t next, std::uint64_t now);

// Throws Error{system} when the state fails; waits for it as long as the deadline allows, and a
// second in any case, so that what is known can be written down.
class PeerQueue {
 public:
  // peer: IK.
  PeerQueue(const Home& home, const Sender& sender, const std::string& peer,
            std::optional<Deadline> deadline);

  const std::string& name() const { return name_; }

  // One process at a time; the turn ends with this object.
  bool take_turn();
  // Until it is our turn, the time is over, our user interrupts, or nothing is left to do for the
  // message.
  bool wait_for_turn(std::int64_t message, const Deadline& deadline);

  // What has expired is passed over: a flush tells of it.
  std::optional<QueuedMessage> first();
  bool is_waiting(std::int64_t message);

  // One that will not be taken is given up, one that was not taken stays as it is: see put_off().
  // `id_text` is its id as our user knows it.
  QueueEvent attempt(const QueuedMessage& message, const std::string& id_text,
                     const Deadline& deadline);

  // How the last attempt ended.
  void note(std::int64_t message, const std::string& why);
  // The same, and when the next one is due. False when it is not in the queue any more.
  bool put_off(std::int64_t message, const std::string& why);
  void give_up(std::int64_t message, const std::string& why);
  // Given up when it has had its time. Nothing when it has not, or somebody else has dealt with it.
  std::optional<QueueEvent> expire(std::int64_t message);
  // Taken out again, unless it has expired there.
  void withdraw(std::int64_t message);

  // What is known of a message that does not wait any more.
  Sent outcome_of(std::int64_t message);

 private:
  std::string find_name();
  void settle();
  Error expired(const QueuedMessage& message) const;
  void set_failed(QueuedMessage& found, const std::string& why);
  template <typename Change>
  bool change(std::int64_t message, Change change);

  std::string lock_file_;
  const Sender& sender_;
  std::string peer_;
  std::optional<Deadline> deadline_;
  QueueTable table_;
  Messages messages_;
  std::string name_;
  std::optional<FileLock> turn_;
};

}  // namespace p2pchat

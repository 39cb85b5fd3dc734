// Two nodes whose network, clocks, crashes and users are random: real deliver(), Responder, Inbox,
// Printer, keys and state, with nothing between them but World. Everything that happens follows
// from the seed, and World knows what must come of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "node/delivery.h"
#include "node/queue.h"
#include "node/responder.h"
#include "store/messages.h"
#include "test_home.h"

namespace p2pchat {

// A stream of decisions, the same for the same seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}

  // From 0 to count - 1.
  std::uint64_t below(std::uint64_t count) { return engine_() % count; }
  bool percent(unsigned chance) { return below(100) < chance; }
  // The index of one of these, each as likely as its weight.
  std::size_t weighted(const std::vector<unsigned>& weights);

 private:
  std::mt19937_64 engine_;
};

// What must be true of one message.
struct Sending {
  Who from = Who::alice;
  std::string id;
  std::string body;
  bool in_line = false;     // in the queue: not before those that were there before it
  std::uint64_t place = 0;  // in the queue
  bool acked = false;       // its sender has seen an acknowledgement
  bool over = false;        // its sender has been told that it is not sent any more
  std::uint64_t exp = 0;    // as its sender has recorded it; 0: nothing is recorded
  unsigned lives = 1;       // how often its sender has given it an expiry
  unsigned stored = 0;      // how often its receiver has committed it as new
  unsigned printed = 0;
  unsigned crashes = 0;  // between writing it and recording that
};

// One party: its state folder, its clock, and the objects that a crash takes away.
struct Node {
  explicit Node(Who who_is, std::uint64_t log_keep);

  // What a listen and the sends beside it hold.
  struct Run {
    Run(const Home& home, bool forget_bodies);

    Identity identity;
    LiveKeyring keyring;
    Database out;
    Database in;
    Responder responder;
  };

  enum class Knows { trusted, blocked, nothing };  // of the other

  Who who;
  TestHome home;
  std::uint64_t log_keep_seconds;
  std::int64_t clock_error = 0;  // seconds
  std::uint64_t latest = 0;      // the latest time that its clock has ever shown
  Knows knows = Knows::trusted;
  bool crashed = false;
  std::unique_ptr<Run> run;

  std::deque<std::string> line;      // ids in the queue, to be sent in this order
  std::vector<std::string> retries;  // ids, to be sent in any order
  std::vector<std::string> done;     // ids that were acknowledged
  std::deque<std::string> to_print;  // ids that were received, in the order of their commits
  std::uint64_t last_in_line = 0;    // the place of the last message of a line that was received
  std::uint64_t sent = 0;            // how many messages were begun
};

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // One random thing happens.
  void step();
  // The network works, clocks are right and everybody is trusted: what is left is sent and printed.
  void settle();
  // After settle(), weeks later: all that the network has ever seen comes again.
  void repeat_everything();

  // What went wrong first, with the steps that led there; "" while all is well.
  const std::string& fault() const { return fault_; }
  // How often what happened.
  std::string counts() const;

 private:
  enum class Fate {
    through,
    refuse,
    lose_request,
    mangle_request,
    lose_reply,
    cut_reply,
    twice,
    old_reply
  };
  enum class Crash {
    none,
    sender_before,
    sender_after,
    receiver_before,
    receiver_after,
    disk_full
  };
  struct Plan {
    Fate fate = Fate::through;
    Crash crash = Crash::none;
    double cut = 0;                    // of the frame
    std::size_t old_reply = 0;         // of replies_
    std::vector<std::size_t> replays;  // of frames_, that arrive before
  };
  struct Recorded {
    Who to;
    std::string frame;
  };
  // What happens while deliver() runs.
  struct Attempt {
    bool smooth = true;  // nothing was in the way
    bool taken = false;  // the receiver has answered ok or dup to it
  };

  Node& node(Who who) { return who == Who::alice ? alice_ : bob_; }
  Node& other(const Node& one) { return one.who == Who::alice ? bob_ : alice_; }
  Node& any_node() { return dice_.percent(50) ? alice_ : bob_; }
  std::uint64_t now_of(const Node& whose) const;
  void act_as(Node& whose);
  void broken(const std::string& what);
  void happens(const std::string& what);

  // The network.
  Plan plan();
  Line connect(Node& from);
  void serve(Fd socket, const Plan& plan, Node& from, Node& to);
  std::optional<std::string> answer(Node& to, const std::string& frame, Crash crash);
  void arrived(Node& to, const Request& request, const Verdict& verdict);
  void record(Who to, const std::string& frame);
  void replay(std::size_t index);
  void join();

  // The users.
  Sending& begin(Node& from, bool in_line);
  Connector connector_of(Node& from);
  void send(Sending& sending);
  void note_expiry(Sending& sending, std::uint64_t exp, const std::optional<MessageRow>& before);
  void judge(Sending& sending, const Sent& sent, bool was_acked);
  bool nothing_in_the_way(Node& from, const Sending& sending);
  bool is_refused_by_mark(Node& from, const Sending& sending);
  std::optional<MessageRow> recorded(const Sending& sending);
  void enqueue(Node& from);
  void flush(Node& from);
  void flushed(Node& from, const QueueEvent& event, const std::optional<MessageRow>& before);
  void retry(Node& from);
  void send_again(Node& from);
  void send_other_body(Node& from);
  void print(Node& whose, bool crash);
  void check_printed(Node& whose, const std::string& text, bool crashed_after_writing);
  void restart(Node& whose);
  void crash(Node& whose);
  void clean(Node& whose);
  void rotate(Node& whose);
  void move_clock();
  void misset_clock();
  void set_clocks_right();
  void remove(Node& whose);
  void block(Node& whose);
  void mend(Node& whose);
  bool introduce(Node& whose);
  void check_state(Node& whose);

  Dice dice_;
  bool calm_ = false;  // the network does no harm
  std::uint64_t truth_;
  Node alice_;
  Node bob_;
  std::map<std::string, Sending> messages_;  // by id
  std::vector<Recorded> frames_;
  std::vector<std::string> replies_;
  Attempt attempt_;
  std::thread peer_;
  std::map<std::string, std::uint64_t> counts_;
  std::deque<std::string> trace_;
  std::string fault_;
};

}  // namespace p2pchat

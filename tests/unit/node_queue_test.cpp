#include "node/queue.h"

#include <sys/eventfd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <future>
#include <map>

#include "base/process.h"
#include "jose/base64url.h"
#include "node/history.h"
#include "node/identity.h"
#include "node/outbox.h"
#include "protocol/claims.h"
#include "store/messages.h"
#include "store/peers.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kDay = kSecondsPerDay;

// ---- Bob, and Carol beside him

const KeyStatement& carol_statement() {
  static const KeyStatement statement = [] {
    const KeyStatement& bob = current_statement(Who::bob);
    return make_key_statement(stranger_identity(), alice_encryption().public_key(), bob.seq,
                              bob.iat, bob.exp);
  }();
  return statement;
}

// What she makes of a request of Alice's.
std::string ack_of_carol(std::string_view frame, AckStatus status) {
  const Receiver carol{carol_statement().identity_id, stranger_identity().public_key(), unix_now()};
  const Result<Request> request =
      open_request(frame, alice_encryption(), carol,
                   [](const std::string&) { return std::optional(alice_identity().public_key()); });
  if (!request) return "not a request of alice: " + request.why();
  Ack ack;
  ack.status = status;
  ack.iat = unix_now();
  return seal_ack(ack, *request);
}

ScriptedPeer::Script acking(AckStatus status, const std::string& body = {}, unsigned rc = 0) {
  return [=](const Incoming& request) { return ack_of_bob(request.frame, status, body, rc); };
}
ScriptedPeer::Script acking_as_carol(AckStatus status) {
  return [=](const Incoming& request) { return ack_of_carol(request.frame, status); };
}
ScriptedPeer::Script saying(const std::string& reply) {
  return [reply](const Incoming&) { return reply; };
}
std::optional<std::string> nothing(const Incoming& /*request*/) {
  return std::nullopt;
}
// Has that status for a text, and `ok` for any other.
ScriptedPeer::Script but_for(const std::string& text, AckStatus status) {
  return [=](const Incoming& request) {
    const bool chosen = open_as_bob(request.frame)->body == text;
    return ack_of_bob(request.frame, chosen ? status : AckStatus::ok);
  };
}

using Texts = std::vector<std::string>;

// Everything that Bob was sent.
Texts texts_to(ScriptedPeer& bob) {
  bob.end();
  Texts texts;
  for (const std::string& frame : bob.requests()) texts.push_back(open_as_bob(frame)->body);
  return texts;
}

// ---- Alice, whose queue it is

// A message and its id are known by its text. Time stands still unless it is moved.
struct Fixture {
  Fixture() { freeze_unix_clock(now); }
  ~Fixture() { freeze_unix_clock(std::nullopt); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  void know_bob(const std::string& address) { home.trust(Who::bob, "bob", address); }
  void know_carol(const std::string& address, const std::string& name = "carol") {
    PeerRow row;
    row.identity = carol_statement().identity_id;
    row.name = name;
    row.status = PeerStatus::trusted;
    row.statement = carol_statement().token;
    row.typed_address = address;
    peers.insert(row);
  }
  template <typename Change>
  void change_bob(Change change) {
    PeerRow row = *peers.by_name("bob");
    change(row);
    peers.update(row);
  }
  void block_bob() {
    change_bob([](PeerRow& row) { row.status = PeerStatus::blocked; });
  }

  void move_clock_to(std::uint64_t time) {
    now = time;
    freeze_unix_clock(now);
  }

  Letter letter(const std::string& text) const {
    return {text, letter_id(text), text, now + kLetterLifeSeconds};
  }
  Sender sender(int interrupt = -1) { return {identity, database, log_keep, interrupt}; }

  Enqueued enqueued(const Letter& of, const std::string& peer = "bob") {
    return enqueue(of, {peer}, sender()).at(0);
  }
  std::int64_t add(const std::string& text, const std::string& peer = "bob") {
    const Enqueued entry = enqueued(letter(text), peer);
    REQUIRE_FALSE(entry.settled);
    return entry.message;
  }
  Sent deliver_now(const Enqueued& entry, const Letter& of,
                   std::chrono::milliseconds time = kPatience, int interrupt = -1) {
    return deliver_or_keep(home.home(), of, entry, sender(interrupt), Deadline(time),
                           [&](const QueueEvent& event) { told.push_back(event); });
  }
  Sent keep(const std::string& text) { return deliver_now(enqueued(letter(text)), letter(text)); }

  template <typename Work>
  auto with_queue(Work work) {
    const Config config = Config::load(home.home());
    Queue queue(home.home(), config);
    return work(queue);
  }
  FlushEnd flush(const FlushOptions& options = {}) {
    told.clear();
    return with_queue([&](Queue& queue) {
      return queue.flush(options, [&](const QueueEvent& event) { told.push_back(event); });
    });
  }
  FlushEnd flush_now() { return flush({{}, true, {}}); }
  int retry(const std::string& text) {
    told.clear();
    return with_queue([&](Queue& queue) {
      return queue.retry({text}, {}, [&](const QueueEvent& event) { told.push_back(event); });
    });
  }
  void drop(const std::string& text) {
    with_queue([&](Queue& queue) { queue.drop({text}); });
  }
  // What is still to be delivered, or was given up.
  Texts listed() {
    Texts texts;
    for (const QueuedMessage& row : table.all()) {
      texts.push_back(messages.get(row.entry.message)->body);
    }
    return texts;
  }

  std::optional<QueueEntry> entry(const std::string& text) {
    const auto rows = table.with_id(letter_id(text));
    REQUIRE(rows.size() < 2);
    return rows.empty() ? std::nullopt : std::optional(rows[0].entry);
  }
  MessageRow record(const std::string& text) {
    const auto row =
        messages.find({Direction::out, id_of(Who::alice), id_of(Who::bob), letter_id(text)});
    REQUIRE(row);
    return *row;
  }
  void insert_earlier(const std::string& text, MessageState state, std::uint64_t exp,
                      const std::string& id_text = {}) {
    messages.insert({{Direction::out, id_of(Who::alice), id_of(Who::bob),
                      letter_id(id_text.empty() ? text : id_text)},
                     content_hash(RequestType::message, id_of(Who::bob), text),
                     text,
                     1000,
                     exp,
                     state,
                     state == MessageState::acked ? "the reply of then" : "",
                     state == MessageState::acked ? 5U : 0U,
                     0});
  }

  // What another process that delivers to Bob holds.
  FileLock others_turn() const {
    const std::string bytes = *decode_base64url(id_of(Who::bob));
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < sizeof number; ++i) {
      number = number << 8U | static_cast<unsigned char>(bytes.at(i));
    }
    return {home.home().lock_file(), lock_byte_of_queue(number), 0ms};
  }

  TestHome home{Who::alice};
  std::uint64_t now = unix_now();
  Identity identity = load_identity(home.home());
  Database database = home.state();
  Peers peers{database};
  Messages messages{database};
  QueueTable table{database};
  std::uint64_t log_keep = 90 * kDay;
  std::vector<QueueEvent> told;  // by the last flush or retry
};

}  // namespace

// ---- into the queue

TEST_CASE_METHOD(Fixture, "queue: a letter is on disk before anybody is asked for anything") {
  know_bob(closed_address());
  const Enqueued entry = enqueued(letter("hello"));
  CHECK_FALSE(entry.settled);
  CHECK(entry.peer == id_of(Who::bob));
  Database other = home.state();
  const auto row = Messages(other).get(entry.message);
  REQUIRE(row);
  CHECK(row->state == MessageState::queued);
  CHECK(row->body == "hello");
  CHECK(row->time == now);
  CHECK(row->exp == now + 7 * kDay);
  const auto found = QueueTable(other).find(entry.message);
  REQUIRE(found);
  CHECK(found->entry.peer == id_of(Who::bob));
  CHECK(found->entry.attempts == 0);
  CHECK(found->entry.next == 0);
  CHECK(found->entry.why.empty());
}

TEST_CASE_METHOD(Fixture, "queue: who cannot have it is settled, the others are queued, in order") {
  know_bob(closed_address());
  know_carol(closed_address());
  block_bob();
  const auto entries = enqueue(letter("hello"), {"nobody", "carol", "bob"}, sender());
  REQUIRE(entries.size() == 3);
  REQUIRE(entries[0].settled);
  CHECK(entries[0].settled->error->status() == Status::no_peer);
  CHECK(entries[0].settled->state == "untaken");
  CHECK_FALSE(entries[1].settled);
  REQUIRE(entries[2].settled);
  CHECK(entries[2].settled->error->status() == Status::trust);
  REQUIRE(table.all().size() == 1);
  CHECK(table.all()[0].entry.peer == carol_statement().identity_id);
}

TEST_CASE_METHOD(Fixture, "queue: what was acknowledged before has its reply, without a network") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  insert_earlier("hello", MessageState::acked, GENERATE(2000ULL, 9'999'999'999ULL));
  const Sent sent = keep("hello");
  CHECK(sent.state == "acked");
  CHECK_FALSE(sent.error);
  REQUIRE(sent.delivered);
  CHECK(sent.delivered->reply == "the reply of then");
  CHECK(sent.delivered->rc == 5);
  CHECK(table.all().empty());
  CHECK(texts_to(bob).empty());
}

TEST_CASE_METHOD(Fixture, "queue: an earlier outcome that is unknown is asked for again") {
  know_bob(closed_address());
  insert_earlier("hello", MessageState::unknown, now + 60);
  CHECK(keep("hello").error->status() == Status::try_later);
  CHECK(record("hello").state == MessageState::unknown);
  CHECK(record("hello").exp == now + 60);
  ScriptedPeer bob(acking(AckStatus::dup, "a reply"));
  know_bob(bob.address());
  const Sent sent = keep("hello");
  REQUIRE(sent.delivered);
  CHECK(sent.delivered->reply == "a reply");
  CHECK(table.all().empty());
}

TEST_CASE_METHOD(Fixture, "queue: an unknown outcome that has expired is not asked for") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  insert_earlier("hello", MessageState::unknown, now);
  const Sent sent = keep("hello");
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::data);
  CHECK_THAT(sent.error->what(), Catch::Contains("can no longer be found out"));
  CHECK(record("hello").state == MessageState::unknown);
  CHECK(record("hello").exp == now);
  CHECK(table.all().empty());
  CHECK(texts_to(bob).empty());
}

TEST_CASE_METHOD(Fixture, "queue: an id that has carried another text is refused at once") {
  const bool is_queued = GENERATE(true, false);
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  Letter other = letter("hullo");
  if (is_queued) {
    add("hello");
  } else {
    insert_earlier("hello", MessageState::untaken, now + 60);
  }
  other.id = letter_id("hello");
  const Sent sent = deliver_now(enqueued(other), other);
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::data);
  CHECK(sent.state == "failed");
  CHECK(record("hello").body == "hello");
  CHECK(listed() == (is_queued ? Texts{"hello"} : Texts{}));
  CHECK(texts_to(bob).empty());
}

TEST_CASE_METHOD(Fixture, "queue: what was not taken before is queued with its text") {
  know_bob(closed_address());
  insert_earlier("hello", GENERATE(MessageState::untaken, MessageState::failed), 2000);
  const std::int64_t before = record("hello").id;
  messages.forget_body(before);
  CHECK(add("hello") == before);
  CHECK(record("hello").body == "hello");
  CHECK(record("hello").state == MessageState::queued);
  CHECK(record("hello").exp == now + 7 * kDay);
}

// ---- kept or not

TEST_CASE_METHOD(Fixture, "queue: what may be taken another time is kept, and said to be queued") {
  struct Row {
    ScriptedPeer::Script script;
    std::string address;  // in the place of the script's
    std::string why;
    MessageState state = MessageState::queued;
    bool damaged = false;  // what we know of the peer
  };
  const Row row =
      GENERATE(Row{acking(AckStatus::busy), {}, "cannot take it now"},
               Row{acking(AckStatus::skew), {}, "by its clock"},
               Row{acking(AckStatus::pending), {}, "not accepted by 'bob' yet"},
               Row{nothing, {}, "the outcome of message 'hello' is unknown", MessageState::unknown},
               Row{nothing, closed_address(), "connection refused"},
               Row{nothing, std::string(kResolverIsDown) + ":4040", "name resolution failed"},
               Row{nothing, "127.0.0.1:1", "is damaged", MessageState::queued, true});
  CAPTURE(row.why);
  const ScriptedPeer bob(row.script);
  know_bob(row.address.empty() ? bob.address() : row.address);
  if (row.damaged) change_bob([](PeerRow& peer) { peer.statement = "a.b.c"; });
  const Sent sent = keep("hello");
  CHECK(sent.peer == "bob");
  CHECK(sent.state == "queued");
  CHECK_FALSE(sent.delivered);
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::try_later);
  CHECK_THAT(sent.error->what(),
             Catch::Contains(row.why) && Catch::EndsWith("; queued as 'hello'"));
  CHECK_FALSE(sent.error->hint().empty());
  REQUIRE(entry("hello"));
  CHECK_FALSE(entry("hello")->failed);
  CHECK(entry("hello")->attempts == 0);
  CHECK(entry("hello")->next == 0);
  CHECK_THAT(entry("hello")->why, Catch::Contains(row.why));
  CHECK(record("hello").state == row.state);
  CHECK(record("hello").body == "hello");
}

TEST_CASE_METHOD(Fixture, "queue: what would not be taken another time either is not kept") {
  struct Row {
    ScriptedPeer::Script script;
    std::string address;  // in the place of the script's
    Status status;
    MessageState state;
  };
  const Row row = GENERATE(
      Row{acking(AckStatus::conflict), {}, Status::data, MessageState::failed},
      Row{saying("HTTP/1.1 400 Bad Request"), {}, Status::protocol, MessageState::unknown},
      Row{saying(stranger_identity().public_key().pem()), {}, Status::trust, MessageState::unknown},
      Row{saying(current_statement(Who::bob).token), {}, Status::trust, MessageState::unknown},
      Row{nothing, std::string(kNoSuchHost) + ":4040", Status::no_host, MessageState::untaken});
  const ScriptedPeer bob(row.script);
  know_bob(row.address.empty() ? bob.address() : row.address);
  const Sent sent = keep("hello");
  REQUIRE(sent.error);
  CHECK(sent.error->status() == row.status);
  CHECK_THAT(sent.error->what(), !Catch::Contains("queued as"));
  CHECK(sent.state == state_text(row.state));
  CHECK(record("hello").state == row.state);
  CHECK(table.all().empty());
}

TEST_CASE_METHOD(Fixture, "queue: a peer that was blocked meanwhile gets nothing, nor later") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  const Enqueued entry = enqueued(letter("hello"));
  block_bob();
  const Sent sent = deliver_now(entry, letter("hello"));
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::trust);
  CHECK(sent.state == "untaken");
  CHECK(table.all().empty());
  CHECK(texts_to(bob).empty());
}

TEST_CASE_METHOD(Fixture, "queue: what is delivered is not in it any more") {
  ScriptedPeer bob(acking(AckStatus::ok, "a reply", 3));
  know_bob(bob.address());
  const Sent sent = keep("hello");
  CHECK_FALSE(sent.error);
  REQUIRE(sent.delivered);
  CHECK(sent.delivered->reply == "a reply");
  CHECK(sent.delivered->rc == 3);
  CHECK(sent.state == "acked");
  CHECK(record("hello").state == MessageState::acked);
  CHECK(table.all().empty());
}

TEST_CASE_METHOD(Fixture, "queue: those that were queued before go first") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  add("first");
  add("second");
  CHECK(keep("third").delivered);
  CHECK(table.all().empty());
  CHECK(texts_to(bob) == Texts{"first", "second", "third"});
}

TEST_CASE_METHOD(Fixture, "queue: behind one that waits nothing is tried") {
  ScriptedPeer bob(but_for("first", AckStatus::busy));
  know_bob(bob.address());
  CHECK(keep("first").error->status() == Status::try_later);
  const Sent sent = keep("second");
  CHECK(sent.error->status() == Status::try_later);
  CHECK(sent.state == "queued");
  CHECK_THAT(sent.error->what(), Catch::Contains("an earlier message waits: ") &&
                                     Catch::Contains("'bob' cannot take it now") &&
                                     Catch::EndsWith("; queued as 'second'"));
  CHECK_THAT(entry("second")->why, Catch::StartsWith("an earlier message waits"));
  CHECK(listed() == Texts{"first", "second"});
  CHECK(texts_to(bob) == Texts{"first", "first"});
}

TEST_CASE_METHOD(Fixture, "queue: a message waits its turn while another process delivers") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  const FileLock turn = others_turn();
  REQUIRE(turn.held());
  const Fd interrupt(eventfd(GENERATE(0, 1), EFD_CLOEXEC));
  const Enqueued queued = enqueued(letter("hello"));
  const Sent sent = deliver_now(queued, letter("hello"), 20ms, interrupt.get());
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::try_later);
  CHECK_THAT(sent.error->what(), Catch::Contains("another process delivers to 'bob'"));
  CHECK(listed() == Texts{"hello"});
  CHECK(texts_to(bob).empty());
}

TEST_CASE_METHOD(Fixture, "queue: what another process has delivered meanwhile has its reply") {
  know_bob(closed_address());
  const FileLock turn = others_turn();
  const Enqueued queued = enqueued(letter("hello"));
  messages.set_outcome(queued.message, MessageState::acked, "a reply", 3);
  table.remove(queued.message);
  const Sent sent = deliver_now(queued, letter("hello"));
  CHECK(sent.state == "acked");
  REQUIRE(sent.delivered);
  CHECK(sent.delivered->reply == "a reply");
  CHECK(sent.delivered->rc == 3);
}

// It went on with what was queued before, beside the process whose turn it was.
TEST_CASE_METHOD(Fixture,
                 "queue: without its turn nothing is sent, whatever becomes of a message") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  add("first");
  const Enqueued queued = enqueued(letter("second"));
  const FileLock turn = others_turn();
  drop("second");
  const Sent sent = deliver_now(queued, letter("second"));
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::unavailable);
  CHECK_THAT(sent.error->what(), Catch::Contains("it was taken out of the queue"));
  CHECK(listed() == Texts{"first"});
  CHECK(texts_to(bob).empty());
}

TEST_CASE_METHOD(Fixture, "queue: interrupted, a message waits and no attempt is counted") {
  const bool under_way = GENERATE(true, false);
  const Fd interrupt(eventfd(under_way ? 0 : 1, EFD_CLOEXEC));
  ScriptedPeer bob([&](const Incoming&) {
    eventfd_write(interrupt.get(), 1);
    return std::nullopt;
  });
  know_bob(bob.address());
  add("before");
  const Sent sent =
      deliver_now(enqueued(letter("hello")), letter("hello"), kPatience, interrupt.get());
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::try_later);
  CHECK_THAT(sent.error->what(), Catch::Contains("queued as 'hello'"));
  CHECK(listed() == Texts{"before", "hello"});
  for (const QueuedMessage& row : table.all()) CHECK(row.entry.attempts == 0);
  CHECK(texts_to(bob) == (under_way ? Texts{"before"} : Texts{}));
}

TEST_CASE_METHOD(Fixture, "queue: a message whose time is over at once has failed") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  Letter late = letter("hello");
  late.exp = now;
  const Sent sent = deliver_now(enqueued(late), late);
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::unavailable);
  CHECK(sent.error->hint() == "p2pchat queue retry " + letter_id("hello") + " bob");
  CHECK(sent.state == "failed");
  CHECK(entry("hello")->failed);
  CHECK(texts_to(bob).empty());
}

TEST_CASE_METHOD(Fixture, "queue: what becomes of those before it is told") {
  struct Row {
    AckStatus status;
    unsigned rc;
    QueueFate fate;
  };
  const Row row = GENERATE(Row{AckStatus::ok, 0, QueueFate::delivered},
                           Row{AckStatus::ok, 3, QueueFate::delivered},
                           Row{AckStatus::conflict, 0, QueueFate::failed});
  ScriptedPeer bob([&](const Incoming& request) {
    const bool is_first = open_as_bob(request.frame)->body == "first";
    return ack_of_bob(request.frame, is_first ? row.status : AckStatus::ok, {},
                      is_first ? row.rc : 0);
  });
  know_bob(bob.address());
  add("first");
  const Sent sent = keep("second");
  CHECK_FALSE(sent.error);
  CHECK(sent.state == "acked");
  REQUIRE(told.size() == 1);
  CHECK(told[0].id == letter_id("first"));
  CHECK(told[0].fate == row.fate);
  if (row.fate == QueueFate::delivered) CHECK(told[0].sent.delivered->rc == row.rc);
  if (row.fate == QueueFate::failed) CHECK(entry("first")->failed);
  CHECK(texts_to(bob) == Texts{"first", "second"});
}

TEST_CASE_METHOD(Fixture, "queue: what was there before is not taken out by a repetition") {
  const bool given_up = GENERATE(false, true);
  know_bob(closed_address());
  keep("hello");
  if (given_up) {
    move_clock_to(now + kLetterLifeSeconds);
    flush();
  }
  REQUIRE(entry("hello")->failed == given_up);
  const ScriptedPeer bob(saying("HTTP/1.1 400 Bad Request"));
  know_bob(bob.address());
  const Sent sent = keep("hello");
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::protocol);
  REQUIRE(entry("hello"));
  CHECK(entry("hello")->failed == given_up);
  CHECK(sent.state == (given_up ? "unknown" : "queued"));
  if (!given_up) CHECK_THAT(sent.error->what(), Catch::EndsWith("; queued as 'hello'"));
}

TEST_CASE_METHOD(Fixture,
                 "queue: a repetition of what waits leaves a peer alone as long as before") {
  know_bob(closed_address());
  add("hello");
  flush();
  const QueueEntry before = *entry("hello");
  CHECK(before.attempts == 1);
  const Sent sent = keep("hello");
  CHECK(sent.error->hint() == "p2pchat queue flush --now bob");
  CHECK(entry("hello")->attempts == 1);
  CHECK(entry("hello")->next == before.next);
}

TEST_CASE_METHOD(Fixture,
                 "queue: what was dropped while it was under way is not said to be queued") {
  const bool by_flush = GENERATE(true, false);
  const ScriptedPeer bob([&](const Incoming&) {
    const Config config = Config::load(home.home());
    Queue(home.home(), config).drop({"hello"});
    return std::nullopt;
  });
  know_bob(bob.address());
  Sent sent;
  if (by_flush) {
    add("hello");
    flush();
    REQUIRE(told.size() == 1);
    CHECK(told[0].fate == QueueFate::failed);
    sent = told[0].sent;
  } else {
    sent = keep("hello");
  }
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::unknown_outcome);
  CHECK_THAT(sent.error->what(), !Catch::Contains("queued as"));
  CHECK(sent.state == "unknown");
  CHECK(table.all().empty());
}

TEST_CASE_METHOD(Fixture, "queue: a reply that is kept nowhere here is asked for again") {
  log_keep = 0;
  ScriptedPeer bob(acking(AckStatus::ok, "a reply"));
  know_bob(bob.address());
  CHECK(keep("hello").delivered->reply == "a reply");
  CHECK(record("hello").body.empty());
  const Sent again = keep("hello");
  REQUIRE(again.delivered);
  CHECK(again.delivered->reply == "a reply");
  CHECK(table.all().empty());
  CHECK(texts_to(bob) == Texts{"hello", "hello"});
}

TEST_CASE_METHOD(Fixture,
                 "queue: when the first has expired, its peer is left alone as long as before") {
  know_bob(closed_address());
  Letter first = letter("first");
  first.exp = now + 30;
  enqueued(first);
  add("second");
  flush();
  const QueueEntry before = *entry("first");
  move_clock_to(now + 30);
  flush();
  CHECK(entry("first")->failed);
  CHECK(entry("second")->attempts == before.attempts);
  CHECK(entry("second")->next == before.next);
}

TEST_CASE_METHOD(Fixture, "queue: a receiver that is no peer any more is said to be so") {
  know_bob(closed_address());
  add("hello");
  peers.remove(peers.by_name("bob")->id);
  flush();
  REQUIRE(told.size() == 1);
  CHECK(told[0].fate == QueueFate::waiting);
  CHECK(told[0].sent.error->status() == Status::no_peer);
  CHECK_THAT(told[0].sent.error->what(), Catch::Contains("is no peer any more"));
  CHECK(told[0].sent.error->hint() ==
        "p2pchat queue drop " + letter_id("hello") + " " + fingerprint(id_of(Who::bob)));
}

TEST_CASE_METHOD(Fixture, "queue: what was delivered stays so, whoever queues it again") {
  know_bob(closed_address());
  const std::int64_t message = add("hello");
  messages.set_outcome(message, MessageState::acked, "a reply", 3);
  messages.queue_again(message, "hello", now + 10);
  CHECK(record("hello").state == MessageState::acked);
}

// ---- what our user sees

TEST_CASE("queue: without an identity there is none") {
  const TestHome empty;
  const Config config = Config::load(empty.home());
  CHECK(error_from([&] { Queue queue(empty.home(), config); }).status() == Status::config);
}

TEST_CASE_METHOD(Fixture, "queue: it is listed oldest first, under our names for the peers") {
  know_bob(closed_address());
  know_carol(closed_address());
  add("first");
  enqueue(letter("second"), {"carol", "bob"}, sender());
  with_queue([&](Queue& queue) {
    const auto items = queue.list();
    REQUIRE(items.size() == 3);
    CHECK(items[0].peer == "bob");
    CHECK(items[0].fingerprint == fingerprint(id_of(Who::bob)));
    CHECK(items[0].message.jti == letter_id("first"));
    CHECK(items[0].message.bytes == 5);
    CHECK(items[1].peer == "carol");
    CHECK(items[2].peer == "bob");
    CHECK(queue.chosen({"first"}).size() == 1);
    CHECK(queue.chosen({letter_id("first")}).size() == 1);
    CHECK(queue.chosen({"second"}).size() == 2);
    CHECK(queue.count_waiting({}) == 3);
    CHECK(queue.count_waiting("BOB") == 2);
  });
}

TEST_CASE_METHOD(Fixture, "queue: a peer that was removed is listed by its fingerprint") {
  know_bob(closed_address());
  add("hello");
  peers.remove(peers.by_name("bob")->id);
  with_queue([](Queue& queue) {
    CHECK(queue.list().at(0).peer == fingerprint(id_of(Who::bob)));
    CHECK(error_from([&] { queue.count_waiting("bob"); }).status() == Status::no_peer);
  });
}

TEST_CASE_METHOD(Fixture, "queue: an id that is not in it is said to be so") {
  struct Row {
    std::string id;
    Status status;
  };
  const Row wrong = GENERATE(Row{"hello", Status::data}, Row{"", Status::usage});
  with_queue([&](Queue& queue) {
    CHECK(error_from([&] { queue.chosen({wrong.id}); }).status() == wrong.status);
    CHECK(error_from([&] { queue.drop({wrong.id}); }).status() == wrong.status);
  });
  CHECK(error_from([&] { retry(wrong.id); }).status() == wrong.status);
}

// ---- flush

TEST_CASE_METHOD(Fixture, "queue flush: what waits is delivered in the order of recording") {
  ScriptedPeer bob(acking(AckStatus::ok, "a reply", 3));
  know_bob(bob.address());
  insert_earlier("recorded first", MessageState::untaken, now + 60);
  for (const char* text : {"3", "1", "2", "recorded first"}) add(text);
  const FlushEnd end = flush();
  CHECK(end.signal_number == 0);
  CHECK_FALSE(end.late);
  CHECK(end.busy.empty());
  CHECK(end.waiting == 0);
  REQUIRE(told.size() == 4);
  CHECK(told[0].id == letter_id("recorded first"));
  for (const QueueEvent& event : told) {
    CHECK(event.fate == QueueFate::delivered);
    CHECK(event.sent.peer == "bob");
    CHECK(event.sent.state == "acked");
    REQUIRE(event.sent.delivered);
    CHECK(event.sent.delivered->reply == "a reply");
    CHECK(event.sent.delivered->rc == 3);
  }
  CHECK(table.all().empty());
  CHECK(texts_to(bob) == Texts{"recorded first", "3", "1", "2"});
}

TEST_CASE_METHOD(Fixture, "queue flush: with nothing in the queue nothing happens") {
  const FlushEnd end = flush();
  CHECK(told.empty());
  CHECK(end.waiting == 0);
  CHECK(end.signal_number == 0);
}

TEST_CASE_METHOD(Fixture, "queue flush: only what goes to the peer that was named") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  know_carol(closed_address());
  add("to carol", "carol");
  add("to bob");
  const FlushEnd end = flush({"Bob", false, {}});
  CHECK(end.waiting == 0);
  REQUIRE(told.size() == 1);
  CHECK(listed() == Texts{"to carol"});
  CHECK(error_from([&] { flush({"nobody", false, {}}); }).status() == Status::no_peer);
}

TEST_CASE_METHOD(Fixture, "queue flush: the time between two attempts doubles, up to a day") {
  know_bob(closed_address());
  Letter patient = letter("hello");
  patient.exp = now + 30 * kDay;
  REQUIRE_FALSE(enqueued(patient).settled);
  std::uint64_t doubled = 60;
  bool jitter = false;
  for (std::uint64_t attempt = 1; attempt <= 14; ++attempt) {
    CAPTURE(attempt);
    const FlushEnd end = flush();
    CHECK(end.waiting == 1);
    REQUIRE(told.size() == 1);
    CHECK(told[0].fate == QueueFate::waiting);
    CHECK(told[0].sent.state == "queued");
    CHECK(told[0].sent.error->status() == Status::try_later);
    CHECK_THAT(told[0].sent.error->what(), Catch::Contains("connection refused") &&
                                               Catch::EndsWith("queued as '" + told[0].id + "'"));
    const QueueEntry after = *entry("hello");
    CHECK(after.attempts == attempt);
    CHECK_THAT(after.why, Catch::EndsWith("connection refused"));
    const std::uint64_t delay = after.next - now;
    // The longest leaves room for the quarter.
    const std::uint64_t least = std::min(doubled, kDay * 4 / 5);
    CHECK(delay >= least);
    CHECK(delay <= least * 5 / 4);
    CHECK(delay <= kDay);
    jitter = jitter || delay > least + least / 64;
    doubled *= 2;
    move_clock_to(after.next - 1);
    flush();
    CHECK(told.empty());
    move_clock_to(after.next);
    // Not before its statement has run out: that is another error than this one.
    if (now > current_statement(Who::bob).exp) break;
  }
  CHECK(jitter);
}

TEST_CASE_METHOD(Fixture, "queue flush: only a flush puts a message off") {
  know_bob(closed_address());
  keep("hello");
  retry("hello");
  CHECK(entry("hello")->attempts == 0);
  CHECK(entry("hello")->next == 0);
  flush();
  CHECK(entry("hello")->attempts == 1);
  const std::uint64_t next = entry("hello")->next;
  CHECK(next >= now + 60);
  ScriptedPeer bob(but_for("hello", AckStatus::busy));
  know_bob(bob.address());
  keep("behind it");  // does not wait for that time, nor changes it
  CHECK(entry("hello")->attempts == 1);
  CHECK(entry("hello")->next == next);
  CHECK(texts_to(bob) == Texts{"hello"});
}

TEST_CASE_METHOD(Fixture, "queue flush: now means now") {
  ScriptedPeer bob(acking(AckStatus::busy));
  know_bob(bob.address());
  add("hello");
  flush();
  flush();
  CHECK(told.empty());
  flush_now();
  CHECK(told.size() == 1);
  CHECK(entry("hello")->attempts == 2);
  CHECK(texts_to(bob) == Texts{"hello", "hello"});
}

TEST_CASE_METHOD(Fixture, "queue flush: a clock that was ahead when it was set blocks nothing") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  QueueEntry put_off = table.find(add("hello"))->entry;
  put_off.next = now + kDay;
  table.put(put_off);
  flush();
  CHECK(told.empty());
  put_off.next = now + kDay + 1;
  table.put(put_off);
  flush();
  CHECK(told.size() == 1);
  CHECK(table.all().empty());
}

TEST_CASE_METHOD(Fixture, "queue flush: what waits stops what is behind it, and nobody else") {
  ScriptedPeer bob(but_for("first", AckStatus::busy));
  ScriptedPeer carol(acking_as_carol(AckStatus::ok));
  know_bob(bob.address());
  know_carol(carol.address());
  add("first");
  add("second");
  add("to carol", "carol");
  const FlushEnd end = flush();
  CHECK(end.waiting == 2);
  CHECK(told.size() == 2);
  CHECK(listed() == Texts{"first", "second"});
  CHECK(entry("second")->attempts == 0);
  flush();  // the second is due, and still not tried
  CHECK(told.empty());
  CHECK(texts_to(bob) == Texts{"first"});
}

TEST_CASE_METHOD(Fixture,
                 "queue flush: what will not be taken is given up, listed and passed over") {
  ScriptedPeer bob(but_for("first", AckStatus::conflict));
  know_bob(bob.address());
  add("first");
  add("second");
  const FlushEnd end = flush();
  CHECK(end.waiting == 0);
  REQUIRE(told.size() == 2);
  CHECK(told[0].fate == QueueFate::failed);
  CHECK(told[0].sent.state == "failed");
  CHECK(told[0].sent.error->status() == Status::data);
  CHECK_THAT(told[0].sent.error->what(), !Catch::Contains("queued as"));
  CHECK(told[1].fate == QueueFate::delivered);
  CHECK(listed() == Texts{"first"});
  CHECK(entry("first")->failed);
  CHECK_THAT(entry("first")->why, Catch::Contains("another message"));
  CHECK(record("first").state == MessageState::failed);
  flush_now();
  CHECK(told.empty());
  CHECK(texts_to(bob) == Texts{"first", "second"});
}

TEST_CASE_METHOD(Fixture, "queue flush: what has expired has failed, is told once, and stays") {
  struct Row {
    ScriptedPeer::Script script;
    Status status;
    MessageState state;
    std::string text;
  };
  const Row row = GENERATE(
      Row{acking(AckStatus::busy), Status::unavailable, MessageState::failed, "not delivered"},
      Row{nothing, Status::unknown_outcome, MessageState::unknown, "has it is unknown"});
  ScriptedPeer bob(row.script);
  know_bob(bob.address());
  Letter brief = letter("brief");
  brief.exp = now + 100;
  REQUIRE_FALSE(enqueued(brief).settled);
  add("second");
  flush();
  CHECK(told.size() == 1);
  move_clock_to(now + 100);
  ScriptedPeer ready(acking(AckStatus::ok));
  know_bob(ready.address());
  const FlushEnd end = flush();
  REQUIRE(told.size() == 2);
  CHECK(told[0].id == letter_id("brief"));
  CHECK(told[0].fate == QueueFate::failed);
  CHECK(told[0].sent.peer == "bob");
  CHECK(told[0].sent.state == "failed");
  CHECK(told[0].sent.error->status() == row.status);
  CHECK_THAT(told[0].sent.error->what(),
             Catch::Contains("has expired") && Catch::Contains(row.text));
  CHECK(told[1].fate == QueueFate::delivered);
  CHECK(end.waiting == 0);
  CHECK(listed() == Texts{"brief"});
  CHECK(entry("brief")->failed);
  CHECK_THAT(entry("brief")->why, Catch::Contains("has expired"));
  CHECK(record("brief").state == row.state);
  flush_now();
  CHECK(told.empty());
  CHECK(listed() == Texts{"brief"});
  CHECK(texts_to(ready) == Texts{"second"});
}

TEST_CASE_METHOD(Fixture, "queue flush: what has expired for another peer is left for later") {
  know_bob(closed_address());
  know_carol(closed_address());
  Letter brief = letter("brief");
  brief.exp = now + 1;
  REQUIRE_FALSE(enqueued(brief).settled);
  move_clock_to(now + 1);
  flush({"carol", false, {}});
  CHECK(told.empty());
  CHECK_FALSE(entry("brief")->failed);
}

// Somebody else had dealt with it between the look and the change.
TEST_CASE_METHOD(Fixture, "queue flush: what was delivered in the last moment has not expired") {
  know_bob(closed_address());
  const bool given_up = GENERATE(true, false);
  for (const char* text : {"first", "second"}) {
    Letter brief = letter(text);
    brief.exp = now + 1;
    REQUIRE_FALSE(enqueued(brief).settled);
  }
  move_clock_to(now + 1);
  std::vector<std::string> expired;
  with_queue([&](Queue& queue) {
    queue.flush({}, [&](const QueueEvent& event) {
      expired.push_back(event.id);
      auto other = entry("second");
      REQUIRE(other);
      other->failed = true;
      if (given_up) {
        table.put(*other);
      } else {
        table.remove(other->message);
      }
    });
  });
  CHECK(expired == std::vector<std::string>{letter_id("first")});
}

TEST_CASE_METHOD(Fixture, "queue flush: one process a peer, the others hear that it is busy") {
  std::vector<std::string> busy;
  std::size_t told_beside = 0;
  ScriptedPeer carol(acking_as_carol(AckStatus::ok));
  // While the first is under way, and Bob is asked, another flush begins.
  ScriptedPeer bob([&](const Incoming& request) {
    const Config config = Config::load(home.home());
    Queue other(home.home(), config);
    busy = other.flush({{}, true, {}}, [&](const QueueEvent&) { ++told_beside; }).busy;
    return ack_of_bob(request.frame, AckStatus::ok);
  });
  know_bob(bob.address());
  know_carol(carol.address());
  add("hello");
  SECTION("and for no other peer") {
    flush();
    CHECK(told_beside == 0);
  }
  SECTION("while it delivers to others itself") {
    add("to carol", "carol");
    flush({"bob", false, {}});
    CHECK(told_beside == 1);
  }
  CHECK(busy == std::vector<std::string>{"bob"});
  CHECK(told.size() == 1);
  CHECK(table.all().empty());
  CHECK(texts_to(bob) == Texts{"hello"});
}

TEST_CASE_METHOD(Fixture, "queue flush: a peer that hangs does not delay another") {
  std::promise<void> bob_has_it;
  std::atomic<bool> carol_was_first = false;
  ScriptedPeer carol([&](const Incoming& request) {
    const auto waited = bob_has_it.get_future().wait_for(kPatience);
    carol_was_first = waited == std::future_status::timeout;
    return ack_of_carol(request.frame, AckStatus::ok);
  });
  ScriptedPeer bob([&](const Incoming& request) {
    if (open_as_bob(request.frame)->body == "second") bob_has_it.set_value();
    return ack_of_bob(request.frame, AckStatus::ok);
  });
  know_carol(carol.address());
  know_bob(bob.address());
  add("to carol", "carol");
  add("first");
  add("second");
  flush();
  CHECK_FALSE(carol_was_first);
  CHECK(table.all().empty());
}

TEST_CASE_METHOD(Fixture, "queue flush: a signal ends it, and no attempt is counted") {
  const pthread_t flushing = pthread_self();
  ScriptedPeer bob([&](const Incoming& request) -> std::optional<std::string> {
    if (open_as_bob(request.frame)->body == "first") {
      return ack_of_bob(request.frame, AckStatus::ok);
    }
    pthread_kill(flushing, SIGTERM);
    return std::nullopt;
  });
  know_bob(bob.address());
  for (const char* text : {"first", "second", "third"}) add(text);
  const FlushEnd end = flush();
  CHECK(end.signal_number == SIGTERM);
  CHECK(end.waiting == 2);
  CHECK(told.size() == 1);
  CHECK(listed() == Texts{"second", "third"});
  for (const QueuedMessage& row : table.all()) {
    CHECK(row.entry.attempts == 0);
    CHECK(row.entry.next == 0);
  }
  CHECK(record("second").state == MessageState::unknown);
  CHECK(record("third").state == MessageState::queued);
}

TEST_CASE_METHOD(Fixture, "queue flush: after a signal nothing begins") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  add("hello");
  const SignalFd blocked{SIGINT};
  raise(SIGINT);
  SECTION("of a flush") {
    CHECK(flush().signal_number == SIGINT);
    CHECK(told.empty());
  }
  SECTION("of a retry") {
    CHECK(retry("hello") == SIGINT);
    REQUIRE(told.size() == 1);
    CHECK(told[0].fate == QueueFate::waiting);
  }
  CHECK(entry("hello")->attempts == 0);
  CHECK(texts_to(bob).empty());
}

TEST_CASE_METHOD(Fixture, "queue flush: without time nothing is tried") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  add("hello");
  const FlushEnd end = flush({{}, false, 0ms});
  CHECK(end.late);
  CHECK(end.waiting == 1);
  CHECK(told.empty());
  CHECK(entry("hello")->attempts == 0);
  CHECK(texts_to(bob).empty());
}

TEST_CASE_METHOD(Fixture,
                 "queue flush: a peer that needs a person waits, the other is delivered to") {
  struct Row {
    std::string what;
    Status status;
  };
  const Row row = GENERATE(Row{"blocked", Status::trust}, Row{"removed", Status::no_peer},
                           Row{"changed", Status::trust});
  CAPTURE(row.what);
  ScriptedPeer bob(saying(alice_identity().public_key().pem()));
  ScriptedPeer carol(acking_as_carol(AckStatus::ok));
  know_bob(bob.address());
  know_carol(carol.address());
  add("first");
  add("second");
  add("to carol", "carol");
  if (row.what == "blocked") block_bob();
  if (row.what == "removed") peers.remove(peers.by_name("bob")->id);
  const FlushEnd end = flush();
  CHECK(end.waiting == 2);
  REQUIRE(told.size() == 2);
  const bool carol_came_first = told[0].fate == QueueFate::delivered;
  const QueueEvent& to_bob = told[carol_came_first ? 1 : 0];
  const QueueEvent& to_carol = told[carol_came_first ? 0 : 1];
  CHECK(to_carol.fate == QueueFate::delivered);
  CHECK(to_carol.sent.peer == "carol");
  CHECK(to_bob.fate == QueueFate::waiting);
  CHECK(to_bob.sent.error->status() == row.status);
  CHECK_THAT(to_bob.sent.error->what(), Catch::Contains("queued as"));
  CHECK(to_bob.sent.peer == (row.what == "removed" ? fingerprint(id_of(Who::bob)) : "bob"));
  CHECK(listed() == Texts{"first", "second"});
  CHECK(entry("first")->attempts == 1);
  bob.end();
  CHECK(bob.requests().size() == (row.what == "changed" ? 1 : 0));
}

// The second went to whoever had the name by then.
TEST_CASE_METHOD(Fixture,
                 "queue flush: a message goes to who it was meant for, whatever the name") {
  ScriptedPeer carol(acking_as_carol(AckStatus::ok));
  ScriptedPeer bob([&](const Incoming& request) {
    if (open_as_bob(request.frame)->body == "first") {
      change_bob([](PeerRow& row) { row.name = "robert"; });
      know_carol(carol.address(), "bob");
    }
    return ack_of_bob(request.frame, AckStatus::ok);
  });
  know_bob(bob.address());
  add("first");
  add("second");
  flush();
  REQUIRE(told.size() == 2);
  CHECK(told[1].fate == QueueFate::delivered);
  CHECK(told[1].sent.peer == "robert");
  CHECK(texts_to(bob) == Texts{"first", "second"});
  carol.end();
  CHECK(carol.requests().empty());
}

TEST_CASE_METHOD(Fixture, "queue flush: what another identity has queued cannot be delivered") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  add("first");
  database.sqlite().exec("UPDATE messages SET iss = 'who we were'");
  add("second");
  SECTION("by a flush") {
    flush();
    REQUIRE(told.size() == 2);
    CHECK(told[1].fate == QueueFate::delivered);
  }
  SECTION("by a retry") {
    retry("first");
    REQUIRE(told.size() == 1);
  }
  CHECK(told[0].fate == QueueFate::failed);
  CHECK(told[0].sent.error->status() == Status::data);
  CHECK(told[0].sent.state == "failed");
  CHECK(entry("first")->failed);
}

TEST_CASE_METHOD(Fixture, "queue: a listener that fails ends it with that error") {
  ScriptedPeer bob(acking(AckStatus::ok));
  ScriptedPeer carol(acking_as_carol(AckStatus::ok));
  know_bob(bob.address());
  know_carol(carol.address());
  enqueue(letter("hello"), {"bob", "carol"}, sender());
  const auto fail = [](const QueueEvent&) { throw Error(Status::cannot_create, "no room"); };
  const Error error = error_from([&] {
    with_queue([&](Queue& queue) {
      if (GENERATE(true, false)) {
        queue.flush({}, fail);
      } else {
        queue.retry({"hello"}, {}, fail);
      }
    });
  });
  CHECK(error.status() == Status::cannot_create);
}

// ---- retry and drop

TEST_CASE_METHOD(Fixture, "queue retry: what was given up gets its time anew and is delivered") {
  know_bob(closed_address());
  Letter brief = letter("hello");
  brief.exp = now + 100;
  REQUIRE_FALSE(enqueued(brief).settled);
  move_clock_to(now + 100);
  flush();
  REQUIRE(entry("hello")->failed);
  SECTION("later") {
    retry("hello");
    REQUIRE(told.size() == 1);
    CHECK(told[0].fate == QueueFate::waiting);
    CHECK(told[0].sent.state == "queued");
    CHECK(told[0].sent.error->status() == Status::try_later);
    CHECK_THAT(told[0].sent.error->what(), Catch::EndsWith("queued as 'hello'"));
    CHECK_FALSE(entry("hello")->failed);
    CHECK_THAT(entry("hello")->why, Catch::Contains("connection refused"));
    CHECK(record("hello").exp > now);
    CHECK(record("hello").state == MessageState::queued);
    ScriptedPeer bob(acking(AckStatus::ok));
    know_bob(bob.address());
    flush();
    CHECK(texts_to(bob) == Texts{"hello"});
  }
  SECTION("now") {
    ScriptedPeer bob(acking(AckStatus::ok, "a reply"));
    know_bob(bob.address());
    CHECK(retry("hello") == 0);
    REQUIRE(told.size() == 1);
    CHECK(told[0].id == letter_id("hello"));
    CHECK(told[0].fate == QueueFate::delivered);
    CHECK(told[0].sent.delivered->reply == "a reply");
  }
  CHECK(table.all().empty());
}

TEST_CASE_METHOD(Fixture, "queue retry: an unknown outcome that has expired is not asked for") {
  ScriptedPeer mute(nothing);
  know_bob(mute.address());
  Letter brief = letter("hello");
  brief.exp = now + 100;
  deliver_now(enqueued(brief), brief);
  CHECK(record("hello").state == MessageState::unknown);
  SECTION("once it has") {
    move_clock_to(now + 100);
    flush();
    ScriptedPeer bob(acking(AckStatus::ok));
    know_bob(bob.address());
    retry("hello");
    REQUIRE(told.size() == 1);
    CHECK(told[0].fate == QueueFate::failed);
    CHECK(told[0].sent.state == "failed");
    CHECK(told[0].sent.error->status() == Status::data);
    CHECK_THAT(told[0].sent.error->what(), Catch::Contains("can no longer be found out"));
    CHECK(entry("hello")->failed);
    CHECK(record("hello").exp == now);
    CHECK(texts_to(bob).empty());
  }
  SECTION("but it is in time") {
    move_clock_to(now + 99);
    ScriptedPeer bob(acking(AckStatus::dup));
    know_bob(bob.address());
    retry("hello");
    CHECK(told.at(0).fate == QueueFate::delivered);
    CHECK(record("hello").exp == now + 1);
  }
}

TEST_CASE_METHOD(Fixture, "queue retry: all that waits for the peer goes first") {
  ScriptedPeer bob(but_for("first", GENERATE(AckStatus::ok, AckStatus::busy)));
  know_bob(bob.address());
  add("first");
  add("second");
  add("third");
  retry("second");
  REQUIRE_FALSE(told.empty());
  CHECK(told.back().id == letter_id("second"));
  if (told.back().sent.delivered) {
    REQUIRE(told.size() == 2);
    CHECK(told[0].id == letter_id("first"));
    CHECK(listed() == Texts{"third"});
    CHECK(texts_to(bob) == Texts{"first", "second"});
  } else {
    REQUIRE(told.size() == 1);
    CHECK(told[0].fate == QueueFate::waiting);
    CHECK(told[0].sent.error->status() == Status::try_later);
    CHECK_FALSE(entry("first")->why.empty());
    CHECK(texts_to(bob) == Texts{"first"});
  }
}

TEST_CASE_METHOD(Fixture, "queue: of an id that waits for several peers, one can be chosen") {
  know_bob("127.0.0.1:1");
  know_carol("127.0.0.1:1");
  enqueue(letter("hello"), {"bob", "carol"}, sender());
  with_queue([&](Queue& queue) {
    CHECK(queue.chosen({"hello"}).size() == 2);
    CHECK(queue.chosen({"hello", "CAROL"}).size() == 1);
    CHECK(queue.chosen({"hello", fingerprint(id_of(Who::bob))}).at(0).peer == "bob");
    const Error error = error_from([&] { queue.drop({"hello", "dave"}); });
    CHECK(error.status() == Status::data);
    CHECK_THAT(error.what(), Catch::Contains("to 'dave' in the queue"));
    queue.drop({"hello", "bob"});
    CHECK(queue.list().at(0).peer == "carol");
  });
}

TEST_CASE_METHOD(Fixture, "queue: what is behind a message that waits is tried after it") {
  know_bob(closed_address());
  know_carol(closed_address());
  add("first");
  add("second");
  flush({"bob", false, {}});
  enqueue(letter("third"), {"carol"}, sender());
  with_queue([&](Queue& queue) {
    const std::vector<QueueItem> items = queue.list();
    CHECK(items.at(0).next == entry("first")->next);
    CHECK(items.at(0).next > now);
    CHECK(items.at(1).next == items.at(0).next);
    CHECK(items.at(2).next == 0);
  });
  move_clock_to(entry("first")->next);
  with_queue([&](Queue& queue) { CHECK(queue.list().at(0).next == 0); });
}

TEST_CASE_METHOD(Fixture, "queue retry: an id for several peers is tried for each of them") {
  ScriptedPeer carol(acking_as_carol(AckStatus::ok));
  know_bob(closed_address());
  know_carol(carol.address());
  enqueue(letter("hello"), {"bob", "carol"}, sender());
  retry("hello");
  REQUIRE(told.size() == 2);
  std::map<std::string, QueueFate> fates;
  for (const QueueEvent& event : told) fates[event.sent.peer] = event.fate;
  CHECK(fates == std::map<std::string, QueueFate>{{"bob", QueueFate::waiting},
                                                  {"carol", QueueFate::delivered}});
}

TEST_CASE_METHOD(Fixture, "queue retry: the reason why it waits is kept, whatever it is") {
  know_bob(closed_address());
  add("hello");
  block_bob();
  retry("hello");
  REQUIRE(told.size() == 1);
  CHECK(told[0].fate == QueueFate::waiting);
  CHECK(told[0].sent.error->status() == Status::trust);
  CHECK_THAT(told[0].sent.error->what(), Catch::EndsWith("queued as 'hello'"));
  CHECK_THAT(entry("hello")->why, Catch::Contains("blocked"));
}

TEST_CASE_METHOD(Fixture, "queue retry: what will not be taken is given up") {
  ScriptedPeer bob(acking(AckStatus::conflict));
  know_bob(bob.address());
  add("hello");
  retry("hello");
  REQUIRE(told.size() == 1);
  CHECK(told[0].fate == QueueFate::failed);
  CHECK(told[0].sent.error->status() == Status::data);
  CHECK(entry("hello")->failed);
}

TEST_CASE_METHOD(Fixture, "queue drop: a message is taken out, and what is known of it stays") {
  ScriptedPeer mute(nothing);
  know_bob(mute.address());
  keep("unknown");
  add("never tried");
  drop("unknown");
  CHECK(record("unknown").state == MessageState::unknown);
  CHECK(listed() == Texts{"never tried"});
  drop("never tried");
  CHECK(record("never tried").state == MessageState::failed);
  CHECK(table.all().empty());
}

// ---- the text

TEST_CASE_METHOD(Fixture, "queue: the text stays while it waits, and goes when that is wished") {
  log_keep = 0;
  write_file(home / "config", "[log]\nkeep = 0\n");
  ScriptedPeer busy(acking(AckStatus::busy));
  know_bob(busy.address());
  keep("hello");
  move_clock_to(now + 2);
  flush();
  forget_history(home.home(), {}, now + 1);
  forget_history(home.home(), "bob", now + 1);
  CHECK(record("hello").body == "hello");
  ScriptedPeer bob(acking(AckStatus::ok, "a reply"));
  know_bob(bob.address());
  flush_now();
  CHECK(texts_to(bob) == Texts{"hello"});
  CHECK(record("hello").body.empty());
  CHECK(record("hello").reply.empty());
}

TEST_CASE_METHOD(Fixture, "queue: the text of what was given up stays until it is dropped") {
  know_bob(closed_address());
  Letter brief = letter("hello");
  brief.exp = now + 1;
  REQUIRE_FALSE(enqueued(brief).settled);
  move_clock_to(now + kDay);
  flush();
  REQUIRE(entry("hello")->failed);
  forget_history(home.home(), {}, now);
  CHECK(record("hello").body == "hello");
  drop("hello");
  forget_history(home.home(), {}, now);
  CHECK(record("hello").body.empty());
}

}  // namespace p2pchat

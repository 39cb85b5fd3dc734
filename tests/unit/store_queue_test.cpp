#include "store/peers.h"
#include "store/queue.h"

#include <SQLiteCpp/Statement.h>

#include <catch2/catch.hpp>
#include <limits>

#include "store/schema.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using Ids = std::vector<std::int64_t>;

QueueEntry entry_of(std::int64_t message, const std::string& peer = "bob") {
  QueueEntry entry;
  entry.message = message;
  entry.peer = peer;
  return entry;
}

// Of a node "me" with its peers.
struct Fixture {
  // A message of ours, in the queue unless said otherwise.
  std::int64_t add(const std::string& peer, const std::string& jti, std::uint64_t exp = 2000,
                   MessageState state = MessageState::queued, bool in_queue = true) {
    const std::int64_t id = messages.insert({{Direction::out, "me", peer, jti},
                                             "hash",
                                             "body of " + jti,
                                             1000,
                                             exp,
                                             state,
                                             "reply",
                                             0,
                                             0});
    if (in_queue) queue.put(entry_of(id, peer));
    return id;
  }
  void give_up(std::int64_t message) {
    QueueEntry entry = queue.find(message)->entry;
    entry.failed = true;
    queue.put(entry);
  }

  static Ids ids(const std::vector<QueuedMessage>& rows) {
    Ids found;
    for (const QueuedMessage& row : rows) found.push_back(row.entry.message);
    return found;
  }

  bool has_body(std::int64_t id) {
    return database.sqlite()
               .execAndGet("SELECT body IS NOT NULL FROM messages WHERE id = " + std::to_string(id))
               .getInt() == 1;
  }

  // How the database goes about what `work` asks of it.
  template <typename Work>
  std::string plans_of(const Work& work) {
    std::string plans;
    for (const std::string& sql : asked_by(database, work)) {
      SQLite::Statement query(database.sqlite(), "EXPLAIN QUERY PLAN " + sql);
      while (query.executeStep()) plans += query.getColumn(3).getString() + "\n";
    }
    return plans;
  }

  TestHome home;
  Database database = home.state();
  Messages messages{database};
  QueueTable queue{database};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "queue table: an entry comes back as it was put, beside its message") {
  const std::int64_t id = add("bob", "the id", 2000, MessageState::unknown, false);
  CHECK_FALSE(queue.find(id));
  QueueEntry entry = entry_of(id);
  entry.attempts = 3;
  entry.next = 1234;
  entry.failed = true;
  entry.why = "an 'unusual' reason";
  queue.put(entry);
  const auto found = queue.find(id);
  REQUIRE(found);
  CHECK(found->entry.message == id);
  CHECK(found->entry.peer == "bob");
  CHECK(found->entry.attempts == 3);
  CHECK(found->entry.next == 1234);
  CHECK(found->entry.failed);
  CHECK(found->entry.why == "an 'unusual' reason");
  CHECK(found->iss == "me");
  CHECK(found->jti == "the id");
  CHECK(found->time == 1000);
  CHECK(found->exp == 2000);
  CHECK(found->state == MessageState::unknown);
  CHECK(found->bytes == std::string("body of the id").size());
}

TEST_CASE_METHOD(Fixture, "queue table: numbers beyond what the database holds are its largest") {
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  const std::int64_t id = add("bob", "1", most);
  QueueEntry entry = entry_of(id);
  entry.attempts = most;
  entry.next = most;
  queue.put(entry);
  const auto found = queue.find(id);
  const std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
  CHECK(found->entry.attempts == largest);
  CHECK(found->entry.next == largest);
  CHECK(found->exp == largest);
}

TEST_CASE_METHOD(Fixture, "queue table: the size is that of the text in bytes") {
  const std::int64_t id = add("bob", "1");
  messages.queue_again(id, std::string("\0\xc3\xa4\n", 4), 2000);
  CHECK(queue.find(id)->bytes == 4);
  messages.forget_body(id);
  CHECK(queue.find(id)->bytes == 0);
}

TEST_CASE_METHOD(Fixture, "queue table: a message has one entry, the last that was put") {
  const std::int64_t first = add("bob", "1");
  const std::int64_t second = add("bob", "2");
  QueueEntry changed = entry_of(first);
  changed.attempts = 7;
  queue.put(changed);
  CHECK(queue.all().size() == 2);
  CHECK(queue.find(first)->entry.attempts == 7);
  CHECK(queue.find(second)->entry.attempts == 0);
}

TEST_CASE_METHOD(Fixture, "queue table: an entry without a message is refused") {
  CHECK(error_from([&] { queue.put(entry_of(17)); }).status() == Status::system);
  CHECK(queue.all().empty());
}

TEST_CASE_METHOD(Fixture, "queue table: a removed entry leaves its message, and none is fine") {
  const std::int64_t first = add("bob", "1");
  const std::int64_t second = add("bob", "2");
  queue.remove(first);
  queue.remove(first);
  CHECK_FALSE(queue.find(first));
  CHECK(queue.find(second));
  CHECK(messages.get(first)->body == "body of 1");
}

TEST_CASE_METHOD(Fixture,
                 "queue table: first is the oldest message of the peer that can be delivered") {
  const std::int64_t other = add("carol", "0");
  const std::int64_t given_up = add("bob", "1");
  add("bob", "2", 1500);  // expires early
  const std::int64_t third = add("bob", "3");
  add("bob", "4");
  give_up(given_up);
  CHECK(queue.first_waiting("bob", 1500)->entry.message == third);
  CHECK(queue.first_waiting("bob", 1499)->entry.message == given_up + 1);
  CHECK(queue.first_waiting("carol", 1999)->entry.message == other);
  CHECK_FALSE(queue.first_waiting("carol", 2000));
  CHECK_FALSE(queue.first_waiting("dave", 0));
}

TEST_CASE_METHOD(Fixture, "queue table: a message that was recorded first comes first") {
  const std::int64_t early = add("bob", "1", 2000, MessageState::untaken, false);
  add("bob", "2");
  queue.put(entry_of(early));
  CHECK(queue.first_waiting("bob", 0)->entry.message == early);
}

TEST_CASE_METHOD(Fixture, "queue table: those that were given up do not wait") {
  CHECK(queue.count_waiting({}) == 0);
  CHECK(queue.peers_waited_for().empty());
  add("dave", "1");
  add("bob", "2");
  give_up(add("carol", "3"));
  add("bob", "4");
  give_up(add("bob", "5"));
  CHECK(queue.count_waiting({}) == 3);
  CHECK(queue.count_waiting("bob") == 2);
  CHECK(queue.count_waiting("carol") == 0);
  CHECK(queue.peers_waited_for() == std::vector<std::string>{"dave", "bob"});
}

TEST_CASE_METHOD(Fixture, "queue table: peers come in the order of their oldest that waits") {
  give_up(add("bob", "1"));
  add("carol", "2");
  add("bob", "3");
  add("carol", "4");
  CHECK(queue.peers_waited_for() == std::vector<std::string>{"carol", "bob"});
}

TEST_CASE_METHOD(Fixture, "queue table: what has expired is found until it was given up") {
  add("bob", "1", 2001);
  const std::int64_t second = add("bob", "2", 2000);
  const std::int64_t third = add("carol", "3", 5, MessageState::unknown);
  give_up(add("bob", "4", 5));
  add("bob", "5", 5, MessageState::untaken, false);
  CHECK(ids(queue.expired(2000)) == Ids{second, third});
  CHECK(queue.expired(4).empty());
  give_up(second);
  CHECK(ids(queue.expired(2000)) == Ids{third});
}

TEST_CASE_METHOD(Fixture, "queue table: all are listed oldest first, an id has one for each peer") {
  const std::int64_t first = add("bob", "1");
  const std::int64_t second = add("carol", "2");
  const std::int64_t third = add("carol", "1");
  add("dave", "1", 2000, MessageState::acked, false);
  give_up(first);
  CHECK(ids(queue.all()) == Ids{first, second, third});
  CHECK(ids(queue.with_id("1")) == Ids{first, third});
  CHECK(queue.with_id("3").empty());
}

TEST_CASE_METHOD(Fixture, "queue table: what every delivery asks is found without a search") {
  for (int i = 0; i < 3; ++i) add("bob", std::to_string(i));
  const std::string first = plans_of([&] { queue.first_waiting("bob", 1); });
  CHECK_THAT(first, Catch::Contains("queue_waiting (peer=?)") &&
                        Catch::Contains("SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)"));
  CHECK_THAT(first, !Catch::Contains("SCAN") && !Catch::Contains("B-TREE"));
  CHECK_THAT(plans_of([&] { queue.count_waiting("bob"); }),
             Catch::Contains("queue_waiting (peer=?)"));
  CHECK_THAT(plans_of([&] { queue.find(1); }), !Catch::Contains("SCAN"));
  // The queue is small beside the messages: these may look at all of it, and at no more.
  const std::string others = plans_of([&] {
    queue.expired(1);
    queue.all();
    queue.with_id("1");
  });
  CHECK_THAT(others, !Catch::Contains("SCAN messages") && !Catch::Contains("B-TREE"));
}

TEST_CASE_METHOD(Fixture, "queue table: what is purged with every message sent is still found so") {
  for (int i = 0; i < 3; ++i) add("bob", std::to_string(i));
  const std::string plans = plans_of([&] {
    messages.purge(1000);
    messages.forget_bodies(1000);
    Peers(database).expire_pending(1000);
  });
  CHECK_THAT(plans, Catch::Contains("SEARCH messages USING INDEX messages_to_purge (exp<?)"));
  CHECK_THAT(plans, Catch::Contains("SEARCH messages USING INDEX messages_with_body (time<?)"));
  CHECK_THAT(plans, Catch::Contains("INDEX peers_pending_by_age (first_seen<?)"));
  CHECK_THAT(plans, !Catch::Contains("SCAN messages"));
}

TEST_CASE_METHOD(Fixture, "queue table: what waits or was given up keeps its text and its id") {
  const MessageState state =
      GENERATE(MessageState::queued, MessageState::unknown, MessageState::failed);
  const std::int64_t id = add("bob", "1", 2000, state);
  if (state == MessageState::failed) give_up(id);
  add("bob", "newest", 1'000'000'000, MessageState::acked, false);  // which is never purged
  messages.forget_bodies(1'000'000);
  CHECK_FALSE(messages.forget_next("carol", 1'000'000, 0));
  messages.forget_next("bob", 1'000'000, 0);
  messages.forget_next(std::nullopt, 1'000'000, 0);
  CHECK(messages.get(id)->body == "body of 1");
  CHECK(messages.get(id)->reply == "reply");
  messages.forget_body(id);
  messages.purge(1'000'000);
  CHECK(messages.get(id));

  queue.remove(id);
  CHECK(messages.forget_next(std::nullopt, 1'000'000, 0) == std::nullopt);
  messages.purge(1'000'000);
  CHECK_FALSE(messages.get(id));
}

TEST_CASE_METHOD(Fixture, "queue table: the text goes by age once the message is out of it") {
  const std::int64_t id = add("bob", "1");
  queue.remove(id);
  SECTION("by itself") {
    messages.forget_bodies(1001);
    CHECK_FALSE(has_body(id));
  }
  SECTION("when our user says so") {
    CHECK(messages.forget_next("bob", 1001, 0) == id);
    CHECK_FALSE(has_body(id));
  }
}

TEST_CASE_METHOD(Fixture, "messages: one that is queued again has its body and waits") {
  struct Row {
    MessageState before;
    MessageState after;
  };
  const Row row = GENERATE(Row{MessageState::untaken, MessageState::queued},
                           Row{MessageState::failed, MessageState::queued},
                           Row{MessageState::queued, MessageState::queued},
                           Row{MessageState::unknown, MessageState::unknown});
  const std::int64_t id = add("bob", "1", 2000, row.before, false);
  const std::int64_t other = add("bob", "2", 2000, row.before, false);
  messages.forget_body(id);
  messages.queue_again(id, std::string("a\0b", 3), 3000);
  CHECK(messages.get(id)->body == std::string("a\0b", 3));
  CHECK(messages.get(id)->exp == 3000);
  CHECK(messages.get(id)->state == row.after);
  CHECK(messages.get(id)->time == 1000);
  messages.queue_again(id, "", 2500);
  CHECK(messages.get(id)->exp == 2500);
  CHECK(has_body(id));
  CHECK(messages.get(other)->body == "body of 2");
  CHECK(messages.get(other)->exp == 2000);
  CHECK(messages.get(other)->state == row.before);
}

TEST_CASE("queue table: a state without a queue gets an empty one and keeps the rest") {
  const TestHome home;
  constexpr int kBefore = 3;
  {
    create_private_file(home.home().state_file());
    SQLite::Database old(home.home().state_file(), SQLite::OPEN_READWRITE);
    old.exec("PRAGMA journal_mode = WAL");
    for (int i = 0; i < kBefore; ++i) old.exec(kMigrations[static_cast<std::size_t>(i)]);
    old.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    old.exec("PRAGMA user_version = " + std::to_string(kBefore));
    old.exec(
        "INSERT INTO messages VALUES (5, 'out', 'me', 'bob', 'jti', x'00', x'6869', 1, 2, "
        "'untaken', x'', 0)");
  }
  Database database = home.state();
  CHECK(database.sqlite().execAndGet("PRAGMA user_version").getInt() == kSchemaVersion);
  QueueTable queue(database);
  CHECK(queue.all().empty());
  CHECK(Messages(database).get(5)->body == "hi");
  CHECK_NOTHROW(queue.put(entry_of(5)));
  CHECK(queue.find(5)->state == MessageState::untaken);
  CHECK(database.sqlite().execAndGet("PRAGMA integrity_check").getString() == "ok");
}

}  // namespace p2pchat

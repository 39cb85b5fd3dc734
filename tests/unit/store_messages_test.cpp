#include "store/messages.h"

#include <SQLiteCpp/Statement.h>

#include <catch2/catch.hpp>
#include <limits>

#include "test_home.h"

namespace p2pchat {

namespace {

constexpr std::uint64_t kAnyExpiry = 1'000'000'000;

struct Fixture {
  // Its body has gone already. Another row comes after it, since the newest is never purged.
  void insert_handed_out(const MessageRow& row) {
    messages.forget_body(messages.insert(row));
    MessageRow newest = row;
    newest.key.iss = "newest";
    newest.state = MessageState::print;
    newest.exp = 1'000'000'000;
    if (!messages.find(newest.key)) messages.insert(newest);
  }

  TestHome home;
  Database database = home.state();
  Messages messages{database};
};

MessageRow message(const std::string& jti, MessageState state = MessageState::print) {
  MessageRow row;
  row.key = {Direction::in, "alice", "bob", jti};
  row.hash = "hash of " + jti;
  row.body = "body of " + jti;
  row.time = 1000;
  row.exp = 2000;
  row.state = state;
  row.reply = "reply";
  return row;
}

// The body is stored, and not merely empty.
bool has_body(Database& database, std::int64_t id) {
  return database.sqlite()
             .execAndGet("SELECT body IS NOT NULL FROM messages WHERE id = " + std::to_string(id))
             .getInt() == 1;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "messages: a row comes back as it was stored") {
  MessageRow row =
      message("1", GENERATE(MessageState::print, MessageState::printed, MessageState::unknown,
                            MessageState::acked, MessageState::untaken, MessageState::failed));
  row.key.direction = GENERATE(Direction::in, Direction::out);
  row.hash = std::string("\0\xff hash", 7);
  row.body = std::string("a\0b\xff\n", 5);
  row.reply = std::string("\0", 1);
  row.rc = 255;
  const std::int64_t id = messages.insert(row);
  const auto found = messages.find(row.key);
  REQUIRE(found);
  CHECK(found->id == id);
  CHECK(found->key.direction == row.key.direction);
  CHECK(found->key.iss == "alice");
  CHECK(found->key.aud == "bob");
  CHECK(found->key.jti == "1");
  CHECK(found->hash == row.hash);
  CHECK(found->body == row.body);
  CHECK(found->time == 1000);
  CHECK(found->exp == 2000);
  CHECK(found->state == row.state);
  CHECK(found->reply == row.reply);
  CHECK(found->rc == 255);
}

TEST_CASE_METHOD(Fixture, "messages: an empty body is a body") {
  MessageRow row = message("1");
  row.body = "";
  CHECK(has_body(database, messages.insert(row)));
  CHECK(messages.find(row.key)->body.empty());
}

TEST_CASE_METHOD(Fixture, "messages: an id belongs to its direction, sender and receiver") {
  const MessageRow first = message("1");
  messages.insert(first);
  CHECK(error_from([&] { messages.insert(first); }).status() == Status::system);
  for (const MessageKey& key : {MessageKey{Direction::out, "alice", "bob", "1"},
                                MessageKey{Direction::in, "carol", "bob", "1"},
                                MessageKey{Direction::in, "alice", "carol", "1"},
                                MessageKey{Direction::in, "alice", "bob", "2"}}) {
    CHECK_FALSE(messages.find(key));
    MessageRow other = first;
    other.key = key;
    CHECK_NOTHROW(messages.insert(other));
  }
}

TEST_CASE_METHOD(Fixture, "messages: an id is compared byte for byte") {
  messages.insert(message("a"));
  CHECK_FALSE(messages.find(message("A").key));
}

TEST_CASE_METHOD(Fixture, "messages: extending takes the larger expiry") {
  const std::int64_t id = messages.insert(message("1"));
  messages.extend(id, 1999);
  CHECK(messages.find(message("1").key)->exp == 2000);
  messages.extend(id, 2001);
  CHECK(messages.find(message("1").key)->exp == 2001);
}

TEST_CASE_METHOD(Fixture,
                 "messages: another attempt is counted, may expire earlier, and is unknown") {
  const std::int64_t id = messages.insert(message("1"));
  messages.set_state(id, MessageState::untaken);
  messages.repeat(id, 1500);
  CHECK(messages.get(id)->exp == 1500);
  CHECK(messages.get(id)->repeated == 1);
  CHECK(messages.get(id)->state == MessageState::unknown);
  messages.set_state(id, MessageState::acked);
  messages.repeat(id, 1500);
  CHECK(messages.get(id)->repeated == 2);
  CHECK(messages.get(id)->state == MessageState::acked);
}

TEST_CASE_METHOD(Fixture, "messages: an expiry beyond what the database holds is its largest") {
  MessageRow row = message("1");
  row.exp = std::numeric_limits<std::uint64_t>::max();
  messages.insert(row);
  CHECK(messages.find(row.key)->exp == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE_METHOD(Fixture, "messages: a change concerns its row alone") {
  const std::int64_t first = messages.insert(message("1"));
  messages.insert(message("2"));
  messages.set_state(first, MessageState::printed);
  messages.set_outcome(first, MessageState::failed, "other", 3);
  messages.extend(first, 9000);
  messages.forget_body(first);
  const auto changed = messages.find(message("1").key);
  CHECK(changed->state == MessageState::failed);
  CHECK(changed->reply == "other");
  CHECK(changed->rc == 3);
  CHECK(changed->body.empty());
  const auto other = messages.find(message("2").key);
  CHECK(other->state == MessageState::print);
  CHECK(other->reply == "reply");
  CHECK(other->rc == 0);
  CHECK(other->exp == 2000);
  CHECK(other->body == "body of 2");
}

TEST_CASE_METHOD(Fixture, "messages: those to be printed come in the order of storing") {
  for (const char* jti : {"3", "1", "2"}) messages.insert(message(jti));
  messages.insert(message("0", MessageState::printed));
  CHECK(messages.count_to_print() == 3);
  for (const char* expected : {"3", "1", "2"}) {
    const auto next = messages.next_to_print();
    REQUIRE(next);
    CHECK(next->key.jti == expected);
    messages.set_state(next->id, MessageState::printed);
  }
  CHECK_FALSE(messages.next_to_print());
  CHECK(messages.count_to_print() == 0);
}

TEST_CASE_METHOD(Fixture, "messages: an id is purged once it has expired before the given time") {
  insert_handed_out(message("1", MessageState::printed));
  messages.purge(2000);
  CHECK(messages.find(message("1").key));
  CHECK(messages.purge_mark(kAnyExpiry) == 0);
  messages.purge(2001);
  CHECK_FALSE(messages.find(message("1").key));
  CHECK(messages.purge_mark(kAnyExpiry) == 2000);
}

TEST_CASE_METHOD(Fixture, "messages: the purge remembers the largest expiry it ever purged") {
  const auto purged_at = [&](const std::string& jti, std::uint64_t exp) {
    MessageRow row = message(jti, MessageState::printed);
    row.exp = exp;
    insert_handed_out(row);
    messages.purge(10'000);
    return messages.purge_mark(kAnyExpiry);
  };
  CHECK(purged_at("1", 2000) == 2000);
  CHECK(purged_at("2", 1500) == 2000);
  CHECK(purged_at("3", 2500) == 2500);
  messages.purge(1'000'000);  // nothing to purge: a clock that ran ahead locks nobody out
  CHECK(messages.purge_mark(kAnyExpiry) == 2500);
}

TEST_CASE_METHOD(Fixture,
                 "messages: what was purged beyond all that can come now refuses nothing now") {
  constexpr std::uint64_t kSpan = 30 * 86'400;
  const auto purged = [&](const std::string& jti, std::uint64_t exp) {
    MessageRow row = message(jti, MessageState::printed);
    row.exp = exp;
    insert_handed_out(row);
  };
  purged("1", 2000);
  purged("2", kSpan + 7);
  purged("3", kSpan + 5);
  purged("4", 10 * kSpan + 1);
  messages.purge(20 * kSpan);  // at once, by a clock that ran ahead
  CHECK(messages.purge_mark(3000) == 2000);
  CHECK(messages.purge_mark(9 * kSpan) == kSpan + 7);
  CHECK(messages.purge_mark(10 * kSpan + 1) == 10 * kSpan + 1);  // when its time comes, it counts
  // In the span of what can come it counts as a whole: nothing smaller is known there.
  CHECK(messages.purge_mark(kSpan + 1) == kSpan + 7);
}

TEST_CASE_METHOD(Fixture, "messages: the mark of an older version counts") {
  database.sqlite().exec("INSERT INTO marks VALUES ('purged_exp', 1900), ('purged', 1950)");
  CHECK(messages.purge_mark(kAnyExpiry) == 1900);
}

TEST_CASE_METHOD(Fixture, "messages: the newest is not purged, so that no row number comes again") {
  messages.forget_body(messages.insert(message("1", MessageState::printed)));
  const std::int64_t newest = messages.insert(message("2", MessageState::printed));
  messages.forget_body(newest);
  messages.purge(1'000'000);
  CHECK_FALSE(messages.find(message("1").key));
  CHECK(messages.find(message("2").key));
  CHECK(messages.insert(message("3")) > newest);
}

TEST_CASE_METHOD(Fixture, "messages: one that is still to be printed is never purged") {
  insert_handed_out(message("1", MessageState::print));
  messages.purge(1'000'000);
  CHECK(messages.find(message("1").key));
  CHECK(messages.purge_mark(kAnyExpiry) == 0);
}

TEST_CASE_METHOD(Fixture, "messages: one whose body is still kept is not purged") {
  messages.insert(message("1", MessageState::printed));
  messages.purge(1'000'000);
  CHECK(messages.find(message("1").key));
  CHECK(messages.purge_mark(kAnyExpiry) == 0);
}

TEST_CASE_METHOD(Fixture, "messages: a sent id is purged too and leaves no mark") {
  MessageRow row = message("1", MessageState::acked);
  row.key.direction = Direction::out;
  insert_handed_out(row);
  messages.purge(1'000'000);
  CHECK_FALSE(messages.find(row.key));
  CHECK(messages.purge_mark(kAnyExpiry) == 0);
}

TEST_CASE_METHOD(Fixture, "messages: a received body is forgotten, its reply and its id stay") {
  const std::int64_t id = messages.insert(message("1", MessageState::printed));
  messages.forget_body(id);
  CHECK_FALSE(has_body(database, id));
  const auto row = messages.find(message("1").key);
  REQUIRE(row);
  CHECK(row->body.empty());
  CHECK(row->reply == "reply");
  CHECK(row->hash == "hash of 1");
}

TEST_CASE_METHOD(Fixture, "messages: a sent body is forgotten with the reply to it") {
  MessageRow row = message("1", MessageState::acked);
  row.key.direction = Direction::out;
  const std::int64_t id = messages.insert(row);
  messages.forget_body(id);
  CHECK_FALSE(has_body(database, id));
  CHECK(messages.find(row.key)->reply.empty());
}

TEST_CASE_METHOD(Fixture, "messages: bodies go by age, those still to be printed stay") {
  MessageRow young = message("young", MessageState::printed);
  young.time = 1001;
  const std::int64_t old_id = messages.insert(message("old", MessageState::printed));
  const std::int64_t young_id = messages.insert(young);
  const std::int64_t waiting_id = messages.insert(message("waiting"));
  messages.forget_bodies(1001);
  CHECK_FALSE(has_body(database, old_id));
  CHECK(has_body(database, young_id));
  CHECK(has_body(database, waiting_id));
}

TEST_CASE_METHOD(Fixture, "messages: bodies go by peer and age, some at a time, up to the end") {
  const auto insert = [&](const std::string& jti, Direction direction, std::uint64_t time) {
    MessageRow row = message(jti, MessageState::printed);
    row.key.direction = direction;
    if (direction == Direction::out) std::swap(row.key.iss, row.key.aud);
    row.time = time;
    return messages.insert(row);
  };
  const std::int64_t old_in = insert("1", Direction::in, 999);
  const std::int64_t new_in = insert("2", Direction::in, 1000);
  const std::int64_t old_out = insert("3", Direction::out, 999);
  const std::int64_t waiting = messages.insert(message("4"));
  MessageRow of_carol = message("5", MessageState::printed);
  of_carol.key.iss = "carol";
  const std::int64_t other = messages.insert(of_carol);

  CHECK_FALSE(messages.forget_next("nobody", 5000, 0));
  const auto last = messages.forget_next("alice", 1000, 0);
  CHECK(last == old_out);
  CHECK_FALSE(messages.forget_next("alice", 1000, *last));
  for (const std::int64_t id : {old_in, old_out}) CHECK_FALSE(has_body(database, id));
  for (const std::int64_t id : {new_in, waiting, other}) CHECK(has_body(database, id));
  CHECK(messages.get(old_in)->reply == "reply");
  CHECK(messages.get(old_out)->reply.empty());

  CHECK(messages.forget_next(std::nullopt, 5000, 0) == other);
  for (const std::int64_t id : {new_in, other}) CHECK_FALSE(has_body(database, id));
  CHECK(has_body(database, waiting));
  CHECK_FALSE(messages.forget_next(std::nullopt, 5000, 0));
}

TEST_CASE_METHOD(Fixture, "messages: a reply that came after the body was forgotten is, too") {
  MessageRow row = message("1", MessageState::unknown);
  row.key.direction = Direction::out;
  const std::int64_t id = messages.insert(row);
  messages.forget_body(id);
  messages.set_outcome(id, MessageState::acked, "late", 0);
  CHECK(messages.forget_next(std::nullopt, 5000, 0) == id);
  CHECK(messages.get(id)->reply.empty());
}

TEST_CASE_METHOD(Fixture, "messages: a forgotten body is in no file") {
  MessageRow row = message("1", MessageState::printed);
  row.body = "a sentence that nobody else would write";
  const std::int64_t id = messages.insert(row);
  messages.forget_body(id);
  database.sqlite().exec("PRAGMA wal_checkpoint(TRUNCATE)");
  CHECK(read_file(home / "state.db").find(row.body) == std::string::npos);
  CHECK(read_file(home / "state.db-wal").find(row.body) == std::string::npos);
}

TEST_CASE_METHOD(Fixture, "messages: what is still to be printed or handled keeps body and id") {
  const MessageState state =
      GENERATE(MessageState::print, MessageState::exec, MessageState::handling);
  const std::int64_t id = messages.insert(message("1", state));
  messages.forget_bodies(10'000);
  CHECK(has_body(database, id));
  messages.forget_body(id);
  messages.purge(10'000);
  CHECK(messages.get(id)->key.jti == "1");
  CHECK(messages.purge_mark(kAnyExpiry) == 0);
}

TEST_CASE_METHOD(Fixture, "messages: what waits for a handler is told apart, oldest first") {
  const std::int64_t first = messages.insert(message("1", MessageState::exec));
  const std::int64_t second = messages.insert(message("2", MessageState::handling));
  for (const MessageState state : {MessageState::print, MessageState::printed,
                                   MessageState::handled, MessageState::interrupted}) {
    messages.insert(message("in state " + state_text(state), state));
  }
  CHECK(messages.unhandled() == std::vector<std::int64_t>{first, second});
  messages.set_outcome(first, MessageState::handled, "reply", 3);
  CHECK(messages.unhandled() == std::vector<std::int64_t>{second});
  CHECK(messages.get(first)->rc == 3);
  CHECK_FALSE(messages.get(second + 100));
}

}  // namespace p2pchat

#include "store/message_reader.h"

#include <SQLiteCpp/Statement.h>

#include <catch2/catch.hpp>

#include "test_home.h"

namespace p2pchat {

namespace {

// Of a node "me" with its peers.
struct Fixture {
  std::int64_t add(Direction direction, const std::string& peer, std::uint64_t time,
                   const std::string& body = "body") {
    MessageRow row;
    row.key = {direction, direction == Direction::in ? peer : "me",
               direction == Direction::in ? "me" : peer, "id " + std::to_string(++count)};
    row.body = body;
    row.time = time;
    row.state = direction == Direction::in ? MessageState::printed : MessageState::acked;
    return messages.insert(row);
  }
  void add_many(int wanted) {
    WriteTransaction transaction(database);
    for (int i = 0; i < wanted; ++i) add(Direction::in, "bob", 1000);
    transaction.commit();
  }

  std::vector<std::int64_t> ids(const MessageFilter& filter, std::int64_t after = 0) {
    std::vector<std::int64_t> found;
    for (const StoredMessage& message : reader.page(filter, after)) found.push_back(message.id);
    return found;
  }

  // What `work` asks of the database, and how it would go about that.
  template <typename Work>
  std::vector<std::string> plans_of(const Work& work) {
    std::vector<std::string> plans;
    for (const std::string& sql : asked_by(database, work)) {
      SQLite::Statement query(database.sqlite(), "EXPLAIN QUERY PLAN " + sql);
      while (query.executeStep()) plans.push_back(query.getColumn(3).getString());
    }
    return plans;
  }

  int count = 0;
  TestHome home;
  Database database = home.state();
  Messages messages{database};
  MessageReader reader{database};
};

using Ids = std::vector<std::int64_t>;

MessageFilter with_peer(const std::string& peer) {
  MessageFilter filter;
  filter.peer = peer;
  return filter;
}
MessageFilter with_direction(Direction direction) {
  MessageFilter filter;
  filter.direction = direction;
  return filter;
}
MessageFilter since(std::uint64_t time) {
  MessageFilter filter;
  filter.since = time;
  return filter;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "message reader: a message comes back as it was stored") {
  MessageRow row;
  row.key = {Direction::out, "me", "bob", "the id"};
  row.body = std::string("a\0b\xff\n", 5);
  row.time = 1000;
  row.state = MessageState::unknown;
  row.reply = std::string("\0", 1);
  row.rc = 255;
  const std::int64_t id = messages.insert(row);
  const auto page = reader.page({}, 0);
  REQUIRE(page.size() == 1);
  CHECK(page[0].id == id);
  CHECK(page[0].direction == Direction::out);
  CHECK(page[0].peer == "bob");
  CHECK(page[0].jti == "the id");
  CHECK(page[0].body == row.body);
  CHECK(page[0].time == 1000);
  CHECK(page[0].state == MessageState::unknown);
  CHECK(page[0].reply == row.reply);
  CHECK(page[0].rc == 255);
}

TEST_CASE_METHOD(Fixture, "message reader: an empty text is a text, a deleted one is none") {
  add(Direction::in, "bob", 1, "");
  messages.forget_body(add(Direction::in, "bob", 1));
  const auto page = reader.page({}, 0);
  REQUIRE(page.size() == 2);
  CHECK(page[0].body == "");
  CHECK_FALSE(page[1].body);
}

TEST_CASE_METHOD(Fixture, "message reader: peer, direction and time choose, also together") {
  add(Direction::in, "bob", 5);
  add(Direction::out, "bob", 4);
  add(Direction::in, "carol", 6);
  add(Direction::out, "carol", 5);
  CHECK(ids({}) == Ids{1, 2, 3, 4});
  CHECK(ids({}, 2) == Ids{3, 4});
  CHECK(ids(with_peer("bob")) == Ids{1, 2});
  CHECK(ids(with_peer("bob"), 1) == Ids{2});
  CHECK(ids(with_peer("me")).empty());
  CHECK(ids(with_direction(Direction::in)) == Ids{1, 3});
  CHECK(ids(with_direction(Direction::out)) == Ids{2, 4});
  CHECK(ids(since(5)) == Ids{1, 3, 4});
  CHECK(ids({"carol", Direction::out, 5}) == Ids{4});
  CHECK(ids({"bob", Direction::out, 5}).empty());
}

TEST_CASE_METHOD(Fixture, "message reader: a page ends with 1,000 messages") {
  add_many(1'001);
  CHECK(reader.page({}, 0).size() == 1'000);
  CHECK(ids({}, 1'000) == Ids{1'001});
  CHECK(ids({}, 1'001).empty());
}

TEST_CASE_METHOD(Fixture, "message reader: a page ends with 4 MiB of text, replies included") {
  const std::string mebibyte(1'048'576, 'x');
  for (int i = 0; i < 5; ++i) add(Direction::in, "bob", 1, mebibyte);
  CHECK(ids({}) == Ids{1, 2, 3, 4});
  for (std::int64_t id = 1; id <= 5; ++id) {
    messages.set_outcome(id, MessageState::handled, mebibyte, 0);
  }
  CHECK(ids({}) == Ids{1, 2});
  CHECK(ids({}, 4) == Ids{5});
}

TEST_CASE_METHOD(Fixture, "message reader: between two pages it stops no checkpoint") {
  add_many(1'001);
  CHECK(reader.page({}, 0).size() == 1'000);
  CHECK(home.state().scrub_log());
}

TEST_CASE_METHOD(Fixture, "message reader: the newest of those that match") {
  CHECK(reader.before_newest({}, 2) == 0);
  add(Direction::in, "bob", 9);
  add(Direction::out, "bob", 8);
  add(Direction::in, "bob", 9);
  add(Direction::out, "carol", 9);
  CHECK(ids({}, reader.before_newest({}, 2)) == Ids{3, 4});
  CHECK(ids({}, reader.before_newest({}, 9)) == Ids{1, 2, 3, 4});
  const MessageFilter bob = with_peer("bob");
  CHECK(ids(bob, reader.before_newest(bob, 2)) == Ids{2, 3});
  const MessageFilter sent = with_direction(Direction::out);
  CHECK(ids(sent, reader.before_newest(sent, 1)) == Ids{4});
  const MessageFilter both{"bob", Direction::in, 9};
  CHECK(ids(both, reader.before_newest(both, 5)) == Ids{1, 3});
}

TEST_CASE_METHOD(Fixture, "message reader: what comes before the oldest that matches is left out") {
  CHECK(reader.before_oldest({}) == 0);
  CHECK(reader.before_oldest(since(5)) == 0);
  add(Direction::in, "bob", 4);
  add(Direction::in, "bob", 3);
  add(Direction::in, "bob", 5);
  add(Direction::in, "bob", 4);  // a clock that was set back
  add(Direction::in, "bob", 6);
  CHECK(reader.before_oldest({}) == 0);
  CHECK(reader.before_oldest(since(3)) == 0);
  CHECK(reader.before_oldest(since(5)) == 2);
  CHECK(ids(since(5), 2) == Ids{3, 5});
  CHECK(reader.before_oldest(since(7)) == 5);
}

TEST_CASE_METHOD(Fixture, "message reader: a peer is known by its messages, in both directions") {
  add(Direction::in, "bob", 1);
  add(Direction::out, "carol", 1);
  CHECK(reader.knows("bob"));
  CHECK(reader.knows("carol"));
  CHECK_FALSE(reader.knows("me"));
  CHECK(reader.newest() == 2);
}

TEST_CASE_METHOD(Fixture,
                 "message reader: nothing is sorted, and nothing is searched without an index") {
  const auto [filter, wanted] = GENERATE(table<MessageFilter, std::string>({
      {MessageFilter{}, "SEARCH messages USING INTEGER PRIMARY KEY (rowid>?)"},
      {with_peer("bob"), "SEARCH messages USING INDEX messages_by_peer (<expr>=? AND id>?)"},
      {MessageFilter{"bob", Direction::in, 7},
       "SEARCH messages USING INDEX messages_by_peer (<expr>=? AND id>?)"},
      {with_direction(Direction::out),
       "SEARCH messages USING INDEX messages_by_direction (direction=? AND id>?)"},
      {since(7), "SEARCH messages USING INTEGER PRIMARY KEY (rowid>?)"},
  }));
  CHECK(plans_of([&] { reader.page(filter, 1); }) == std::vector{wanted});
  std::string newest;
  for (const std::string& step : plans_of([&] { reader.before_newest(filter, 20); })) {
    newest += step + "\n";
  }
  CHECK_THAT(newest, Catch::Contains("SEARCH messages USING"));
  CHECK_THAT(newest, !Catch::Contains("SCAN messages"));
  CHECK_THAT(newest, !Catch::Contains("B-TREE"));
  if (filter.since == 0) return;
  CHECK_THAT(newest, Catch::Contains("USING COVERING INDEX messages_by_time (time>?)"));
}

TEST_CASE_METHOD(
    Fixture, "message reader: what is purged with every message sent is looked for there alone") {
  const auto plans = plans_of([&] { messages.purge(1000); });
  REQUIRE_FALSE(plans.empty());
  CHECK(std::count(plans.begin(), plans.end(),
                   "SEARCH messages USING INDEX messages_to_purge (exp<?)") == 2);
}

}  // namespace p2pchat

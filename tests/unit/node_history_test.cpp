#include "node/history.h"

#include <catch2/catch.hpp>

#include "node/address_book.h"
#include "node/identity.h"
#include "test_home.h"

namespace p2pchat {

namespace {

// Bob's state, with Alice as a peer of his and messages of both directions.
struct Fixture {
  Fixture() { home.trust(Who::alice, "alice", ""); }

  void add(Direction direction, const std::string& body, std::uint64_t time = 1000,
           const std::string& peer = id_of(Who::alice)) {
    MessageRow row;
    row.key = {direction, direction == Direction::in ? peer : id_of(Who::bob),
               direction == Direction::in ? id_of(Who::bob) : peer, std::to_string(++last_jti)};
    row.body = body;
    row.time = time;
    row.state = direction == Direction::in ? MessageState::printed : MessageState::acked;
    messages.insert(row);
  }
  std::string texts(const HistoryQuery& query, std::optional<std::uint64_t> count = std::nullopt) {
    std::string all;
    write_history(
        home.home(), query, count,
        [](const HistoryEntry& entry) { return entry.body.value_or("-") + " "; },
        [&](std::string_view text) { all += text; });
    return all;
  }

  int last_jti = 0;
  TestHome home{Who::bob};
  Database database = home.state();
  Messages messages{database};
  const std::string carol = std::string(42, 'C') + "A";
};

HistoryQuery with(const std::string& peer) {
  HistoryQuery query;
  query.peer = peer;
  return query;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "history: an entry says all that is known of a message") {
  MessageRow row;
  row.key = {Direction::out, id_of(Who::bob), id_of(Who::alice), "the id"};
  row.body = "hello";
  row.time = 1000;
  row.state = MessageState::acked;
  row.reply = "hi";
  row.rc = 3;
  messages.insert(row);
  const auto entries = History(home.home(), {}).next();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].peer == "alice");
  CHECK(entries[0].fingerprint == fingerprint(id_of(Who::alice)));
  CHECK(entries[0].id == "the id");
  CHECK(entries[0].time == 1000);
  CHECK(entries[0].direction == Direction::out);
  CHECK(entries[0].state == MessageState::acked);
  CHECK(entries[0].exit == 3);
  CHECK(entries[0].body == "hello");
  CHECK(entries[0].reply == "hi");
}

TEST_CASE_METHOD(Fixture, "history: a peer is called what it is called now") {
  add(Direction::in, "1");
  History history(home.home(), {});
  CHECK(history.next().at(0).peer == "alice");
  AddressBook(home.home()).rename("alice", "alicia");
  add(Direction::out, "2");
  CHECK(history.next().at(0).peer == "alicia");
  AddressBook(home.home()).remove("alicia");
  add(Direction::out, "3");
  CHECK(history.next().at(0).peer == fingerprint(id_of(Who::alice)));
  CHECK(history.next().empty());
}

TEST_CASE_METHOD(Fixture,
                 "history: a peer is found by name, by part of its fingerprint, or removed") {
  add(Direction::in, "1");
  add(Direction::out, "2", 1000, carol);
  const std::string whole = fingerprint(id_of(Who::alice));
  for (const std::string& peer : {std::string("ALICE"), whole, whole.substr(0, 15)}) {
    CHECK(texts(with(peer)) == "1 ");
  }
  AddressBook(home.home()).remove("alice");
  CHECK(texts(with(whole)) == "1 ");
  CHECK(texts(with(fingerprint(carol))) == "2 ");
}

TEST_CASE_METHOD(Fixture,
                 "history: a peer without messages has an empty one, an unknown peer none") {
  CHECK(texts(with("alice")).empty());
  const auto status_of = [&](const std::string& peer) {
    return error_from([&] { History(home.home(), with(peer)); }).status();
  };
  CHECK(status_of("nobody") == Status::no_peer);
  CHECK(status_of(fingerprint(carol)) == Status::no_peer);
  CHECK(status_of("SHA256:CCCCCCCC") == Status::no_peer);
  CHECK(status_of("SHA256:CCC") == Status::data);
  CHECK(error_from([] { History(TestHome().home(), {}); }).status() == Status::config);
}

TEST_CASE_METHOD(Fixture, "history: what is asked for, the newest alone if wanted") {
  add(Direction::in, "1", 5);
  add(Direction::out, "2", 6);
  add(Direction::in, "3", 7, carol);
  add(Direction::in, "4", 8);
  HistoryQuery query;
  CHECK(texts(query) == "1 2 3 4 ");
  CHECK(texts(query, 2) == "3 4 ");
  CHECK(texts(query, 9) == "1 2 3 4 ");
  query.since = 6;
  CHECK(texts(query) == "2 3 4 ");
  query.direction = Direction::in;
  CHECK(texts(query) == "3 4 ");
  query.peer = "alice";
  CHECK(texts(query) == "4 ");
  CHECK(texts(query, 5) == "4 ");
}

TEST_CASE_METHOD(Fixture, "history: it goes on where it was, and may begin with what comes") {
  add(Direction::in, "1");
  History all(home.home(), {});
  History news(home.home(), {});
  news.skip_to_newest(0);
  CHECK(all.next().size() == 1);
  CHECK(all.next().empty());
  CHECK(news.next().empty());
  add(Direction::out, "2");
  for (History* history : {&all, &news}) {
    const auto entries = history->next();
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].body == "2");
    CHECK(history->next().empty());
  }
}

TEST_CASE_METHOD(Fixture, "history: it is written a part at a time, in order and whole") {
  {
    WriteTransaction transaction(database);
    for (int i = 0; i < 2'500; ++i) add(Direction::in, std::to_string(i));
    add(Direction::in, std::string(1'000'000, 'x'));
    transaction.commit();
  }
  std::string wanted;
  for (int i = 0; i < 2'500; ++i) wanted += std::to_string(i) + "\n";
  wanted += std::string(1'000'000, 'x') + "\n";
  std::string written;
  std::size_t parts = 0;
  write_history(
      home.home(), {}, std::nullopt, [](const HistoryEntry& entry) { return *entry.body + "\n"; },
      [&](std::string_view part) {
        written += part;
        ++parts;
      });
  CHECK(written == wanted);
  CHECK(parts > 2);
}

TEST_CASE_METHOD(Fixture, "history: forgetting takes the text off the disk, the entries stay") {
  add(Direction::in, "a sentence of Alice's");
  add(Direction::out, "a sentence of Bob's", 999);
  add(Direction::in, "a sentence of Carol's", 999, carol);
  const auto kept = [&](const std::string& text) {
    return (read_file(home / "state.db") + read_file(home / "state.db-wal")).find(text) !=
           std::string::npos;
  };
  CHECK(kept("a sentence of Alice's"));
  forget_history(home.home(), "alice", 1000);
  CHECK(texts({}) == "a sentence of Alice's - a sentence of Carol's ");
  CHECK_FALSE(kept("a sentence of Bob's"));
  forget_history(home.home(), std::nullopt, 1000);
  CHECK(texts({}) == "a sentence of Alice's - - ");
  forget_history(home.home(), "alice", 1001);
  CHECK(texts({}) == "- - - ");
  CHECK_FALSE(kept("a sentence of"));
  CHECK(error_from([&] { forget_history(home.home(), "nobody", 1); }).status() == Status::no_peer);
}

}  // namespace p2pchat

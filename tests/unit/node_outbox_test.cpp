#include "node/outbox.h"

#include <catch2/catch.hpp>
#include <csignal>

#include "base/process.h"
#include "node/identity.h"
#include "protocol/claims.h"
#include "store/queue.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

struct Fixture {
  Outcomes send(const std::vector<std::string>& names, IfNotTaken otherwise = IfNotTaken::fail) {
    const Config config = Config::load(home.home());
    return Outbox(home.home(), config).send(letter, names, {kPatience}, otherwise);
  }
  std::vector<QueuedMessage> queued() const {
    Database database = home.state();
    return QueueTable(database).all();
  }

  TestHome home{Who::alice};
  Letter letter{"hello", new_message_id(), "my id"};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "outbox: every name is known or none is used") {
  home.trust(Who::bob, "bob", closed_address());
  const Config config = Config::load(home.home());
  Outbox outbox(home.home(), config);
  CHECK_NOTHROW(outbox.require_peers({"bob", "BOB"}));
  const Error error = error_from([&] { outbox.require_peers({"bob", "carol"}); });
  CHECK(error.status() == Status::no_peer);
  CHECK_THAT(error.what(), Catch::Contains("'carol'"));
  CHECK_THAT(error.hint(), Catch::Contains("p2pchat register carol"));
}

TEST_CASE_METHOD(Fixture,
                 "outbox: a peer named twice gets one exchange and both have its outcome") {
  ScriptedPeer bob([](const Incoming& request) {
    return ack_of_bob(request.frame, AckStatus::ok, "a reply", 3);
  });
  home.trust(Who::bob, "bob", bob.address());
  const Outcomes outcomes = send({"bob", "BOB", "bob"});
  CHECK(outcomes.signal_number == 0);
  REQUIRE(outcomes.sent.size() == 3);
  for (const Sent& sent : outcomes.sent) {
    CHECK(sent.peer == "bob");
    CHECK(sent.state == "acked");
    REQUIRE(sent.delivered);
    CHECK(sent.delivered->reply == "a reply");
    CHECK(sent.delivered->rc == 3);
  }
  bob.end();
  CHECK(bob.requests().size() == 1);
}

TEST_CASE_METHOD(Fixture, "outbox: outcomes stand in the order of the names") {
  ScriptedPeer bob(
      [](const Incoming& request) { return ack_of_bob(request.frame, AckStatus::ok); });
  home.trust(Who::bob, "bob", bob.address());
  const Outcomes outcomes = send({"carol", "bob", "dave"});
  REQUIRE(outcomes.sent.size() == 3);
  CHECK(outcomes.sent[0].peer == "carol");
  CHECK(outcomes.sent[0].error->status() == Status::no_peer);
  CHECK(outcomes.sent[1].delivered);
  CHECK(outcomes.sent[2].error->status() == Status::no_peer);
}

TEST_CASE_METHOD(Fixture, "outbox: a signal ends what is under way, and is told") {
  const pthread_t sending = pthread_self();
  ScriptedPeer bob([&](const Incoming&) {
    pthread_kill(sending, SIGTERM);
    return std::nullopt;
  });
  home.trust(Who::bob, "bob", bob.address());
  const Outcomes outcomes = send({"bob"});
  CHECK(outcomes.signal_number == SIGTERM);
  REQUIRE(outcomes.sent.size() == 1);
  CHECK(outcomes.sent[0].state == "unknown");
  CHECK(outcomes.sent[0].error->status() == Status::unknown_outcome);
}

TEST_CASE_METHOD(Fixture, "outbox: after a signal nothing begins, and no second one is left") {
  ScriptedPeer bob(
      [](const Incoming& request) { return ack_of_bob(request.frame, AckStatus::ok); });
  home.trust(Who::bob, "bob", bob.address());
  const SignalFd blocked{SIGTERM, SIGINT};
  raise(SIGTERM);
  raise(SIGINT);
  const Outcomes outcomes = send({"bob"});
  CHECK(outcomes.signal_number != 0);
  REQUIRE(outcomes.sent[0].error);
  CHECK(outcomes.sent[0].state == "untaken");
  CHECK(blocked.take() == 0);
  bob.end();
  CHECK(bob.requests().empty());
}

TEST_CASE_METHOD(Fixture, "outbox: what is not taken now is queued only when that was asked for") {
  const IfNotTaken otherwise = GENERATE(IfNotTaken::fail, IfNotTaken::queue);
  home.trust(Who::bob, "bob", closed_address());
  letter.exp = unix_now() + kLetterLifeSeconds;
  const Outcomes outcomes = send({"bob"}, otherwise);
  REQUIRE(outcomes.sent.at(0).error);
  const Sent& sent = outcomes.sent[0];
  if (otherwise == IfNotTaken::fail) {
    CHECK(sent.error->status() == Status::unavailable);
    CHECK(sent.state == "untaken");
    CHECK(queued().empty());
  } else {
    CHECK(sent.error->status() == Status::try_later);
    CHECK(sent.state == "queued");
    CHECK_THAT(sent.error->what(), Catch::EndsWith("queued as 'my id'"));
    REQUIRE(queued().size() == 1);
    CHECK(queued()[0].jti == letter.id);
    CHECK(queued()[0].exp == letter.exp);
  }
}

TEST_CASE_METHOD(Fixture, "outbox: each peer has what became of it, and one place in the queue") {
  home.trust(Who::bob, "bob", closed_address());
  letter.exp = unix_now() + kLetterLifeSeconds;
  const Outcomes outcomes = send({"carol", "bob", "BOB"}, IfNotTaken::queue);
  REQUIRE(outcomes.sent.size() == 3);
  CHECK(outcomes.sent[0].error->status() == Status::no_peer);
  CHECK(outcomes.sent[1].error->status() == Status::try_later);
  CHECK(outcomes.sent[2].error->status() == Status::try_later);
  CHECK(queued().size() == 1);
}

TEST_CASE_METHOD(Fixture, "outbox: what is delivered leaves nothing in the queue") {
  ScriptedPeer bob([](const Incoming& request) {
    return ack_of_bob(request.frame, AckStatus::ok, "a reply", 3);
  });
  home.trust(Who::bob, "bob", bob.address());
  letter.exp = unix_now() + 3;
  const Outcomes outcomes = send({"bob"}, IfNotTaken::queue);
  REQUIRE(outcomes.sent.at(0).delivered);
  CHECK(outcomes.sent[0].delivered->reply == "a reply");
  CHECK(queued().empty());
  bob.end();
  REQUIRE(bob.requests().size() == 1);
  CHECK(open_as_bob(bob.requests()[0])->exp == letter.exp);
}

TEST_CASE_METHOD(Fixture, "outbox: a signal ends it, and what was asked to be queued is") {
  const pthread_t sending = pthread_self();
  ScriptedPeer bob([&](const Incoming&) {
    pthread_kill(sending, SIGTERM);
    return std::nullopt;
  });
  home.trust(Who::bob, "bob", bob.address());
  letter.exp = unix_now() + kLetterLifeSeconds;
  const Outcomes outcomes = send({"bob"}, IfNotTaken::queue);
  CHECK(outcomes.signal_number == SIGTERM);
  CHECK(outcomes.sent.at(0).error->status() == Status::try_later);
  REQUIRE(queued().size() == 1);
  CHECK(queued()[0].state == MessageState::unknown);
  CHECK(queued()[0].entry.attempts == 0);
}

TEST_CASE_METHOD(Fixture, "outbox: a name with a space was meant as the text") {
  const Config config = Config::load(home.home());
  Outbox outbox(home.home(), config);
  const Error error = error_from([&] { outbox.require_peers({"hello bob"}); });
  CHECK(error.status() == Status::no_peer);
  CHECK_THAT(error.hint(), Catch::Contains("-m"));
}

TEST_CASE("outbox: without an identity there is none") {
  const TestHome empty;
  const Config config = Config::load(empty.home());
  CHECK(error_from([&] { Outbox outbox(empty.home(), config); }).status() == Status::config);
}

TEST_CASE("outbox: a random id is another each time, a name's is the same") {
  CHECK(letter_id(std::nullopt) != letter_id(std::nullopt));
  CHECK(letter_id("backup 2026-11-23") == letter_id("backup 2026-11-23"));
  CHECK(letter_id("backup 2026-11-23") != letter_id("backup 2026-11-24"));
  const std::string id = letter_id(std::nullopt);
  CHECK(id.size() == 22);
  CHECK(letter_id(id) == id);
}

TEST_CASE("outbox: a name for an id has 1 to 128 bytes") {
  CHECK_NOTHROW(letter_id(std::string(128, 'a')));
  CHECK(error_from([] { letter_id(""); }).status() == Status::usage);
  CHECK(error_from([] { letter_id(std::string(129, 'a')); }).status() == Status::usage);
}

TEST_CASE("outbox: the time grows with the message unless somebody chose it") {
  const TestHome home;
  const Config unset = Config::load(home.home());
  CHECK(send_time(unset, std::nullopt, 0) == 30s);
  CHECK(send_time(unset, std::nullopt, 65'535) == 30s);
  CHECK(send_time(unset, std::nullopt, 1'048'576) == 46s);
  CHECK(send_time(unset, 5s, 1'048'576) == 5s);
  write_file(home / "config", "[send]\ntimeout = 7s\n");
  const Config set = Config::load(home.home());
  CHECK(send_time(set, std::nullopt, 1'048'576) == 7s);
  CHECK(send_time(set, 5s, 0) == 5s);
}

}  // namespace p2pchat

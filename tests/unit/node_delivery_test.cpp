#include "node/delivery.h"

#include <sys/eventfd.h>

#include <catch2/catch.hpp>

#include "base/clock.h"
#include "node/config.h"
#include "node/identity.h"
#include "protocol/claims.h"
#include "store/messages.h"
#include "store/peers.h"
#include "store/queue.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

// A statement of Bob's that is as much newer than what Alice has, with the same encryption key.
std::string bob_says(std::uint64_t seq_ahead, std::uint64_t life = 14 * kSecondsPerDay) {
  const KeyStatement stored = current_statement(Who::bob);
  return make_key_statement(bob_identity(), bob_encryption().public_key(), stored.seq + seq_ahead,
                            stored.iat, stored.iat + life)
      .token;
}

// Alice sends to whatever answers for Bob.
struct Fixture {
  // Bob's address becomes that of `peer`.
  Delivered send(ScriptedPeer& peer, const std::string& body = "hello") {
    know_bob(peer.address());
    return send_to(peer.address(), body);
  }

  Delivered send_to(const std::string& address, const std::string& body = "hello",
                    std::chrono::milliseconds time = kPatience) {
    sent = sent_to(address, body, time);
    if (sent.error) throw Error(*sent.error);
    return *sent.delivered;
  }

  Sent sent_to(const std::string& address, const std::string& body, std::chrono::milliseconds time,
               int interrupt = -1) {
    know_bob(address);
    const Identity identity = load_identity(home.home());
    const Config config = Config::load(home.home());
    Database own = home.home().open_state(Durability::full);
    return deliver({body, id, "my id", exp, receiver}, "bob",
                   {identity, own, config.log_keep_seconds(), interrupt}, Deadline(time));
  }

  void know_bob(const std::string& address) { home.trust(Who::bob, "bob", address); }

  std::optional<MessageRow> record() {
    return messages.find({Direction::out, id_of(Who::alice), id_of(Who::bob), id});
  }
  // As `send --queue` leaves it.
  std::int64_t queue_it() {
    const std::int64_t row =
        messages.insert({{Direction::out, id_of(Who::alice), id_of(Who::bob), id},
                         content_hash(RequestType::message, id_of(Who::bob), "hello"),
                         "hello",
                         unix_now(),
                         unix_now() + kLetterLifeSeconds,
                         MessageState::queued,
                         {},
                         0,
                         0});
    QueueEntry entry;
    entry.message = row;
    entry.peer = id_of(Who::bob);
    queue.put(entry);
    return row;
  }
  // What became of the message.
  MessageState outcome() {
    const auto row = record();
    REQUIRE(row);
    CHECK(sent.state == state_text(row->state));
    return row->state;
  }

  std::string stored_statement() { return peers.by_name("bob")->statement; }

  TestHome home{Who::alice};
  Database database = home.state();
  Peers peers{database};
  Messages messages{database};
  QueueTable queue{database};
  std::string id = new_message_id();
  std::uint64_t exp = 0;
  std::string receiver;
  Sent sent;  // what became of the last one
};

ScriptedPeer::Script acking(AckStatus status, const std::string& body = {}, unsigned rc = 0,
                            const std::string& keys = {}) {
  return [=](const Incoming& request) { return ack_of_bob(request.frame, status, body, rc, keys); };
}

ScriptedPeer::Script saying(const std::string& reply) {
  return [reply](const Incoming&) { return reply; };
}

}  // namespace

TEST_CASE_METHOD(Fixture, "delivery: a message whose request cannot be finished is untaken") {
  id = "no JSON has \xFF in it";  // in the place of whatever fails once the head is out
  ScriptedPeer peer(saying("an answer to nothing"));
  sent = sent_to(peer.address(), "hello", kPatience);
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::internal);
  CHECK(outcome() == MessageState::untaken);
}

TEST_CASE_METHOD(Fixture, "delivery: an acknowledged message is delivered, with its reply") {
  const AckStatus status = GENERATE(AckStatus::ok, AckStatus::dup);
  ScriptedPeer bob(acking(status, "a reply", 3));
  const Delivered delivered = send(bob, std::string("a\0\n", 3));
  CHECK(delivered.reply == "a reply");
  CHECK(delivered.rc == 3);
  const auto row = record();
  REQUIRE(row);
  CHECK(row->state == MessageState::acked);
  CHECK(row->body == std::string("a\0\n", 3));
  CHECK(row->reply == "a reply");
  CHECK(row->rc == 3);

  bob.end();
  REQUIRE(bob.requests().size() == 1);
  const Result<Request> request = open_as_bob(bob.requests().front());
  REQUIRE(request);
  CHECK(request->type == RequestType::message);
  CHECK(request->body == std::string("a\0\n", 3));
  CHECK(request->jti == id);
  CHECK(request->exp == request->iat + 7 * kSecondsPerDay);
  CHECK(row->exp == request->exp);
}

TEST_CASE_METHOD(Fixture, "delivery: a message is recorded before its first byte leaves") {
  std::optional<MessageRow> seen;
  ScriptedPeer bob([&](const Incoming& request) {
    Database other = home.state();
    seen = Messages(other).find({Direction::out, id_of(Who::alice), id_of(Who::bob), id});
    return ack_of_bob(request.frame, AckStatus::ok);
  });
  send(bob);
  REQUIRE(seen);
  CHECK(seen->state == MessageState::unknown);
  CHECK(seen->body == "hello");
}

TEST_CASE_METHOD(Fixture, "delivery: an ack that is no yes has its status and its outcome") {
  struct Row {
    AckStatus st;
    Status status;
    MessageState state;
  };
  const Row row = GENERATE(Row{AckStatus::busy, Status::try_later, MessageState::untaken},
                           Row{AckStatus::skew, Status::try_later, MessageState::untaken},
                           Row{AckStatus::pending, Status::trust, MessageState::untaken},
                           Row{AckStatus::conflict, Status::data, MessageState::failed});
  ScriptedPeer bob(acking(row.st));
  CHECK(error_from([&] { send(bob); }).status() == row.status);
  CHECK(outcome() == row.state);
  bob.end();
  CHECK(bob.requests().size() == 1);
}

TEST_CASE_METHOD(Fixture, "delivery: an answer that is no ack leaves the outcome unknown") {
  struct Row {
    std::string reply;
    Status status;
  };
  const Row row = GENERATE(
      Row{"", Status::protocol}, Row{"HTTP/1.1 400 Bad Request\r\n\r\n", Status::protocol},
      Row{"hello", Status::protocol}, Row{bob_identity().public_key().pem(), Status::protocol},
      Row{stranger_identity().public_key().pem(), Status::trust},
      Row{current_statement(Who::bob).token, Status::trust},
      Row{current_statement(Who::alice).token, Status::trust},
      Row{bob_says(1, kSecondsPerDay / 48), Status::data});  // expired
  CAPTURE(row.reply);
  ScriptedPeer bob(saying(row.reply));
  CHECK(error_from([&] { send(bob); }).status() == row.status);
  CHECK(outcome() == MessageState::unknown);
  CHECK(stored_statement() == current_statement(Who::bob).token);
}

TEST_CASE_METHOD(Fixture, "delivery: an ack for another request does not verify") {
  std::string other;
  ScriptedPeer bob([&](const Incoming& request) {
    if (other.empty()) other = ack_of_bob(request.frame, AckStatus::ok);
    return other;
  });
  send(bob);
  id = new_message_id();
  CHECK(error_from([&] { send(bob); }).status() == Status::data);
  CHECK(outcome() == MessageState::unknown);
}

TEST_CASE_METHOD(Fixture,
                 "delivery: a close without an answer is an unknown outcome, with the id") {
  ScriptedPeer bob([](const Incoming&) { return std::nullopt; });
  const Error error = error_from([&] { send(bob); });
  CHECK(error.status() == Status::unknown_outcome);
  CHECK_THAT(error.what(), Catch::Contains("'my id'"));
  CHECK(outcome() == MessageState::unknown);
}

TEST_CASE_METHOD(Fixture, "delivery: silence is an unknown outcome at the deadline") {
  Loop silent(LoopLimits{});  // the kernel connects, nobody answers
  const std::string address = silent.listen("127.0.0.1", 0);
  // Long enough for a slow disk, on which the message has to be before it leaves.
  CHECK(error_from([&] { send_to(address, "hello", 3s); }).status() == Status::unknown_outcome);
  CHECK(outcome() == MessageState::unknown);
}

TEST_CASE_METHOD(Fixture, "delivery: who cannot be reached has not been sent anything") {
  const Error refused = error_from([&] { send_to(closed_address()); });
  CHECK(refused.status() == Status::unavailable);
  CHECK(error_from([&] { send_to("nosuch.invalid:4040"); }).status() == Status::no_host);
  CHECK(error_from([&] { send_to(""); }).status() == Status::unavailable);
  CHECK(sent.state == "untaken");
  CHECK_FALSE(record());
}

TEST_CASE_METHOD(Fixture, "delivery: the announced address is used when the typed one refuses") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(closed_address());
  PeerRow row = *peers.by_name("bob");
  row.announced_address = bob.address();
  peers.update(row);
  CHECK_NOTHROW(send_to(closed_address()));
}

TEST_CASE_METHOD(Fixture,
                 "delivery: a newer key statement is kept and the same id is sealed anew") {
  const std::string newer = bob_says(1);
  int turn = 0;
  ScriptedPeer bob([&](const Incoming& request) {
    return ++turn == 1 ? newer : ack_of_bob(request.frame, AckStatus::ok, "a reply");
  });
  CHECK(send(bob).reply == "a reply");
  CHECK(stored_statement() == newer);
  CHECK(outcome() == MessageState::acked);
  bob.end();
  REQUIRE(bob.requests().size() == 2);
  CHECK(bob.requests()[0] != bob.requests()[1]);
  for (const std::string& frame : bob.requests()) CHECK(open_as_bob(frame)->jti == id);
}

TEST_CASE_METHOD(Fixture, "delivery: a second key statement ends it") {
  std::uint64_t turn = 0;
  ScriptedPeer bob([&](const Incoming&) { return bob_says(++turn); });
  CHECK(error_from([&] { send(bob); }).status() == Status::trust);
  CHECK(outcome() == MessageState::unknown);
  bob.end();
  CHECK(bob.requests().size() == 2);
}

// Somebody in between may have delivered the first attempt and put a statement in the ack's place.
TEST_CASE_METHOD(Fixture, "delivery: a second attempt that fails leaves the outcome unknown") {
  int turn = 0;
  ScriptedPeer bob([&](const Incoming&) -> std::optional<std::string> {
    if (++turn == 1) return bob_says(1);
    return std::nullopt;
  });
  CHECK(error_from([&] { send(bob); }).status() == Status::unknown_outcome);
  CHECK(outcome() == MessageState::unknown);
}

// The other one has begun after this one and was lost; this one is told that it was not taken.
TEST_CASE_METHOD(Fixture, "delivery: a later attempt whose outcome is unknown is not undone") {
  const bool was_lost = GENERATE(true, false);
  ScriptedPeer bob([&](const Incoming& request) {
    if (was_lost) {
      Database others = home.state();
      Messages(others).repeat(record()->id, record()->exp);
    }
    return ack_of_bob(request.frame, AckStatus::busy);
  });
  CHECK(error_from([&] { send(bob); }).status() == Status::try_later);
  CHECK(outcome() == (was_lost ? MessageState::unknown : MessageState::untaken));
}

TEST_CASE_METHOD(Fixture, "delivery: the statement beside an ack is kept when it is newer") {
  struct Row {
    std::string keys;
    bool kept;
  };
  const Row row = GENERATE(Row{bob_says(1), true}, Row{bob_says(1, kSecondsPerDay / 48), false},
                           Row{current_statement(Who::alice).token, false}, Row{"a.b.c", false});
  ScriptedPeer bob(acking(AckStatus::ok, "a reply", 0, row.keys));
  CHECK(send(bob).reply == "a reply");
  CHECK(stored_statement() == (row.kept ? row.keys : current_statement(Who::bob).token));
}

TEST_CASE_METHOD(Fixture,
                 "delivery: an expired statement is fetched anew before the message leaves") {
  know_bob("");
  PeerRow row = *peers.by_name("bob");
  row.statement = bob_says(0, kSecondsPerDay / 48);
  peers.update(row);
  const std::string newer = bob_says(1);
  SECTION("and the message follows") {
    ScriptedPeer bob([&](const Incoming& request) {
      return request.frame == "keys" ? newer : ack_of_bob(request.frame, AckStatus::ok);
    });
    CHECK_NOTHROW(send(bob));
    CHECK(stored_statement() == newer);
    bob.end();
    REQUIRE(bob.requests().size() == 2);
    CHECK(bob.requests().front() == "keys");
  }
  SECTION("and without a current one nothing leaves") {
    struct Row {
      std::string reply;
      Status status;
    };
    const Row answer = GENERATE(Row{bob_says(1, kSecondsPerDay / 48), Status::data},
                                Row{current_statement(Who::alice).token, Status::trust},
                                Row{"hello", Status::protocol});
    ScriptedPeer bob(saying(answer.reply));
    CHECK(error_from([&] { send(bob); }).status() == answer.status);
    CHECK_FALSE(record());
    bob.end();
    CHECK(bob.requests() == std::vector<std::string>{"keys"});
  }
  SECTION("and no answer means that it cannot be reached") {
    ScriptedPeer bob([](const Incoming&) { return std::nullopt; });
    CHECK(error_from([&] { send(bob); }).status() == Status::unavailable);
    CHECK_FALSE(record());
  }
}

TEST_CASE_METHOD(Fixture, "delivery: the same id and body can be sent again and is recorded once") {
  ScriptedPeer bob(acking(AckStatus::busy));
  CHECK(error_from([&] { send(bob); }).status() == Status::try_later);
  const std::int64_t first = record()->id;
  ScriptedPeer ready(acking(AckStatus::dup, "a reply"));
  CHECK(send(ready).reply == "a reply");
  CHECK(record()->id == first);
  CHECK(outcome() == MessageState::acked);
}

TEST_CASE_METHOD(Fixture, "delivery: what is known of a message is not undone by a later attempt") {
  const bool acked = GENERATE(true, false);
  ScriptedPeer first([&](const Incoming& request) -> std::optional<std::string> {
    if (!acked) return std::nullopt;
    return ack_of_bob(request.frame, AckStatus::ok, "a reply");
  });
  try {
    send(first);
  } catch (const Error&) {
    REQUIRE_FALSE(acked);
  }
  const MessageState before = outcome();
  ScriptedPeer busy(acking(AckStatus::busy));
  CHECK(error_from([&] { send(busy); }).status() == Status::try_later);
  ScriptedPeer mute([](const Incoming&) { return std::nullopt; });
  CHECK(error_from([&] { send(mute); }).status() == Status::unknown_outcome);
  CHECK(outcome() == before);
  CHECK(record()->reply == (acked ? "a reply" : ""));
}

TEST_CASE_METHOD(Fixture, "delivery: an id never carries a second body") {
  ScriptedPeer bob(acking(AckStatus::ok));
  send(bob, "hello");
  CHECK(error_from([&] { send(bob, "hullo"); }).status() == Status::data);
  CHECK(sent.state == "failed");
  CHECK(record()->body == "hello");
  bob.end();
  CHECK(bob.requests().size() == 1);
}

TEST_CASE_METHOD(Fixture, "delivery: all attempts of an id expire when the first one does") {
  const bool acked = GENERATE(false, true);
  ScriptedPeer bob([&](const Incoming& incoming) -> std::optional<std::string> {
    if (!acked) return std::nullopt;
    return ack_of_bob(incoming.frame, AckStatus::ok);
  });
  const std::uint64_t began = unix_now();
  for (const std::uint64_t days : {0, 3, 6}) {
    freeze_unix_clock(began + days * kSecondsPerDay);
    sent = sent_to(bob.address(), "hello", kPatience);
    CHECK(sent.delivered.has_value() == acked);
  }
  freeze_unix_clock(std::nullopt);
  bob.end();
  std::vector<std::uint64_t> expiries;
  for (const std::string& frame : bob.requests()) {
    const Result<Request> request = open_as_bob(frame);
    REQUIRE(request);
    expiries.push_back(request->exp);
  }
  const std::uint64_t first = began + 7 * kSecondsPerDay;
  CHECK(expiries == std::vector<std::uint64_t>{first, first, first});
  CHECK(record()->exp == first);
}

TEST_CASE_METHOD(Fixture, "delivery: an id that has expired is not sent any more") {
  const auto expired = [&](MessageState state) {
    messages.insert({{Direction::out, id_of(Who::alice), id_of(Who::bob), id},
                     content_hash(RequestType::message, id_of(Who::bob), "hello"),
                     "hello",
                     1000,
                     2000,
                     state,
                     "the reply of then",
                     5,
                     0});
  };
  ScriptedPeer bob(acking(AckStatus::ok));
  SECTION("once acknowledged, it is still delivered") {
    expired(MessageState::acked);
    const Delivered delivered = send(bob);
    CHECK(delivered.reply == "the reply of then");
    CHECK(delivered.rc == 5);
    bob.end();
    CHECK(bob.requests().empty());
  }
  SECTION("unknown, it stays so") {
    expired(MessageState::unknown);
    CHECK(error_from([&] { send(bob); }).status() == Status::data);
    CHECK(outcome() == MessageState::unknown);
    bob.end();
    CHECK(bob.requests().empty());
  }
  SECTION("not taken, it may be sent") {
    expired(MessageState::untaken);
    CHECK_NOTHROW(send(bob));
  }
}

// A repetition that expired later was new to a peer whose clock had run ahead and which had
// forgotten the id: it was delivered twice.
TEST_CASE_METHOD(Fixture,
                 "delivery: a repetition expires no later than what may be there already") {
  const auto earlier = [&](MessageState state, std::uint64_t until) {
    messages.insert({{Direction::out, id_of(Who::alice), id_of(Who::bob), id},
                     content_hash(RequestType::message, id_of(Who::bob), "hello"),
                     "hello",
                     1000,
                     until,
                     state,
                     "",
                     0,
                     0});
  };
  constexpr std::uint64_t kLife = 7 * kSecondsPerDay;
  const std::uint64_t now = unix_now();
  std::uint64_t expires = 0;
  ScriptedPeer bob([&](const Incoming& request) {
    const auto opened = open_request(
        request.frame, bob_encryption(), {id_of(Who::bob), bob_identity().public_key(), unix_now()},
        [](const std::string&) { return alice_identity().public_key(); });
    REQUIRE(opened);
    expires = opened->exp;
    return ack_of_bob(request.frame, AckStatus::dup);
  });
  SECTION("acknowledged or unknown, it keeps its expiry") {
    earlier(GENERATE(MessageState::acked, MessageState::unknown), now + 1000);
    send(bob);
    CHECK(expires == now + 1000);
    CHECK(record()->exp == now + 1000);
  }
  SECTION("of a clock that ran ahead, the sooner one counts") {
    earlier(GENERATE(MessageState::acked, MessageState::unknown), now + 100 * kLife);
    send(bob);
    CHECK(expires >= now + kLife);
    CHECK(expires <= unix_now() + kLife);
    CHECK(record()->exp == expires);
  }
  // It may come from somebody who has kept it.
  SECTION("not taken, likewise, while that time lasts") {
    earlier(MessageState::untaken, now + 100'000);
    send(bob);
    CHECK(expires == now + 100'000);
    CHECK(record()->exp == expires);
  }
  SECTION("not taken, and expiring too late: it begins anew") {
    earlier(MessageState::untaken, now + 100 * kLife);
    send(bob);
    CHECK(record()->exp == expires);
  }
}

TEST_CASE_METHOD(Fixture,
                 "delivery: an id of a time when our clock was ahead expires like others") {
  const std::uint64_t now = unix_now();
  messages.insert({{Direction::out, id_of(Who::alice), id_of(Who::bob), id},
                   content_hash(RequestType::message, id_of(Who::bob), "hello"),
                   "hello",
                   now + 365 * kSecondsPerDay,
                   now + 372 * kSecondsPerDay,
                   GENERATE(MessageState::untaken, MessageState::unknown),
                   {},
                   0,
                   0});
  ScriptedPeer bob(acking(AckStatus::ok));
  CHECK_NOTHROW(send(bob));
  CHECK(record()->exp >= now + 7 * kSecondsPerDay);
  CHECK(record()->exp < now + 8 * kSecondsPerDay);
}

TEST_CASE_METHOD(Fixture,
                 "delivery: a body is forgotten once it is acknowledged, if that is wished") {
  write_file(home / "config", "[log]\nkeep = 0\n");
  ScriptedPeer bob(acking(AckStatus::ok, "a reply"));
  CHECK(send(bob).reply == "a reply");
  REQUIRE(record());
  CHECK(record()->body.empty());
  CHECK(record()->reply.empty());
}

TEST_CASE_METHOD(Fixture, "delivery: interrupted before anything has left, nothing does") {
  const Fd interrupt(eventfd(1, EFD_CLOEXEC));
  ScriptedPeer bob(acking(AckStatus::ok));
  sent = sent_to(bob.address(), "hello", kPatience, interrupt.get());
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::unavailable);
  CHECK_THAT(sent.error->what(), Catch::Contains("'bob'") && Catch::Contains("interrupted"));
  CHECK(sent.state == "untaken");
  CHECK_FALSE(record());
  bob.end();
  CHECK(bob.requests().empty());
}

TEST_CASE_METHOD(Fixture,
                 "delivery: interrupted while the answer is awaited, its outcome is unknown") {
  const Fd interrupt(eventfd(0, EFD_CLOEXEC));
  ScriptedPeer bob([&](const Incoming&) {
    eventfd_write(interrupt.get(), 1);
    return std::nullopt;
  });
  sent = sent_to(bob.address(), "hello", kPatience, interrupt.get());
  REQUIRE(sent.error);
  CHECK(sent.error->status() == Status::unknown_outcome);
  CHECK_THAT(sent.error->what(), Catch::Contains("interrupted"));
  CHECK(outcome() == MessageState::unknown);
}

TEST_CASE_METHOD(Fixture, "delivery: without time nothing leaves") {
  ScriptedPeer bob(acking(AckStatus::ok));
  CHECK(error_from([&] { send_to(bob.address(), "hello", 0ms); }).status() == Status::unavailable);
  CHECK_FALSE(record());
  bob.end();
  CHECK(bob.requests().empty());
}

TEST_CASE_METHOD(Fixture, "delivery: a blocked peer gets nothing") {
  ScriptedPeer bob(acking(AckStatus::ok));
  know_bob(bob.address());
  PeerRow row = *peers.by_name("bob");
  row.status = PeerStatus::blocked;
  peers.update(row);
  CHECK(error_from([&] { send_to(bob.address()); }).status() == Status::trust);
  CHECK_FALSE(sent.later);
  CHECK_FALSE(record());
}

TEST_CASE_METHOD(Fixture, "delivery: what is meant for a peer goes to nobody of the same name") {
  ScriptedPeer bob(acking(AckStatus::ok));
  receiver = id_of(Who::alice);
  CHECK(error_from([&] { send(bob); }).status() == Status::no_peer);
  CHECK_FALSE(record());
  receiver = id_of(Who::bob);
  CHECK_NOTHROW(send(bob));
  bob.end();
  CHECK(bob.requests().size() == 1);
}

TEST_CASE_METHOD(Fixture,
                 "delivery: it may be delivered until the time that was given, in bounds") {
  struct Row {
    std::int64_t given;  // from now
    std::uint64_t life;
  };
  const std::int64_t month = 30 * kSecondsPerDay;
  const Row row = GENERATE_COPY(Row{100, 100}, Row{0, 1}, Row{-100, 1},
                                Row{month, kMostLifeSeconds}, Row{month + 1, kMostLifeSeconds});
  ScriptedPeer bob(acking(AckStatus::ok));
  const std::uint64_t now = unix_now();
  freeze_unix_clock(now);
  exp = now + static_cast<std::uint64_t>(row.given);
  sent = {};
  know_bob(bob.address());
  sent = sent_to(bob.address(), "hello", kPatience);
  freeze_unix_clock(std::nullopt);
  CHECK(sent.delivered);
  bob.end();
  REQUIRE(bob.requests().size() == 1);
  CHECK(open_as_bob(bob.requests()[0])->exp == now + row.life);
  CHECK(record()->exp == now + row.life);
}

TEST_CASE_METHOD(Fixture, "delivery: it is told what may be delivered another time") {
  struct Row {
    ScriptedPeer::Script script;
    std::string address;  // in the place of the script's
    bool later;
  };
  const auto nothing = [](const Incoming&) { return std::nullopt; };
  const Row row = GENERATE_COPY(
      Row{acking(AckStatus::busy), {}, true}, Row{acking(AckStatus::skew), {}, true},
      Row{acking(AckStatus::pending), {}, true}, Row{acking(AckStatus::conflict), {}, false},
      Row{nothing, {}, true}, Row{nothing, closed_address(), true},
      Row{nothing, std::string(kResolverIsDown) + ":1", true},
      Row{nothing, std::string(kNoSuchHost) + ":1", false}, Row{saying("hello"), {}, false},
      Row{saying(stranger_identity().public_key().pem()), {}, false},
      Row{saying(current_statement(Who::bob).token), {}, false},
      Row{acking(AckStatus::ok), {}, false});
  const ScriptedPeer bob(row.script);
  sent = sent_to(row.address.empty() ? bob.address() : row.address, "hello", kPatience);
  CHECK(sent.later == row.later);
}

TEST_CASE_METHOD(Fixture, "delivery: this machine's own failure is none that passes by itself") {
  know_bob("127.0.0.1:1");
  PeerRow row = *peers.by_name("bob");
  row.statement = "a.b.c";
  peers.update(row);
  CHECK(error_from([&] { send_to("127.0.0.1:1"); }).status() == Status::system);
  CHECK_FALSE(sent.later);
}

TEST_CASE_METHOD(Fixture, "delivery: what waits in the queue leaves it with its acknowledgement") {
  const std::int64_t row = queue_it();
  bool seen_queued = false;
  ScriptedPeer bob([&](const Incoming& request) {
    Database other = home.state();
    seen_queued = QueueTable(other).find(row).has_value();
    return ack_of_bob(request.frame, AckStatus::ok, "a reply");
  });
  CHECK(send(bob).reply == "a reply");
  CHECK(seen_queued);
  CHECK_FALSE(queue.find(row));
  CHECK(outcome() == MessageState::acked);
}

TEST_CASE_METHOD(Fixture, "delivery: what is acknowledged and cannot be recorded stays queued") {
  const std::string change =
      GENERATE("UPDATE OF state ON messages WHEN new.state = 'acked'", "DELETE ON queue WHEN 1");
  const std::int64_t row = queue_it();
  database.sqlite().exec("CREATE TRIGGER refused BEFORE " + change +
                         " BEGIN SELECT raise(ABORT, 'refused'); END");
  ScriptedPeer bob(acking(AckStatus::ok));
  const Error error = error_from([&] { send(bob); });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::StartsWith("acknowledged by 'bob', but "));
  CHECK(sent.delivered);
  CHECK(queue.find(row));
  CHECK(record()->state == MessageState::unknown);
}

TEST_CASE_METHOD(Fixture,
                 "delivery: what waits in the queue goes on waiting when it is not taken") {
  const std::int64_t row = queue_it();
  ScriptedPeer busy(acking(GENERATE(AckStatus::busy, AckStatus::skew, AckStatus::pending)));
  CHECK_NOTHROW(error_from([&] { send(busy); }));
  CHECK(outcome() == MessageState::queued);
  CHECK(queue.find(row));
  ScriptedPeer mute([](const Incoming&) { return std::nullopt; });
  CHECK_NOTHROW(error_from([&] { send(mute); }));
  CHECK(outcome() == MessageState::unknown);
  CHECK_NOTHROW(error_from([&] { send(busy); }));
  CHECK(outcome() == MessageState::unknown);
  CHECK(queue.find(row));
}

}  // namespace p2pchat

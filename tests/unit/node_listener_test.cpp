#include "node/listener.h"

#include <fcntl.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <future>
#include <set>
#include <thread>

#include "base/clock.h"
#include "node/address_book.h"
#include "node/contact.h"
#include "node/identity.h"
#include "node/outbox.h"
#include "node/registrar.h"
#include "protocol/claims.h"
#include "protocol/key_statement.h"
#include "store/messages.h"
#include "test_home.h"
#include "test_listening.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

ListenOptions options_for(std::optional<std::uint64_t> count = std::nullopt) {
  ListenOptions options;
  options.address = "127.0.0.1";
  options.count = count;
  options.rules.reply = "a reply\n";
  options.format = [](const Received& message) { return message.peer + ":" + message.body + "\n"; };
  return options;
}

// Alice and Bob, each with a folder; Bob listens.
struct Fixture {
  void befriend() { bob.trust(Who::alice, "al", ""); }

  Delivered send(const std::string& address, const std::string& body,
                 const std::string& id = new_message_id()) {
    {
      Database database = alice.state();
      Peers peers(database);
      if (auto row = peers.by_name("bob")) {
        row->typed_address = address;
        peers.update(*row);
      } else {
        alice.trust(Who::bob, "bob", address);
      }
    }
    Outbox outbox(alice.home(), Config::load(alice.home()));
    const Sent sent = outbox.send({body, id, id}, {"bob"}, {kPatience}).sent.front();
    if (sent.error) throw Error(*sent.error);
    return *sent.delivered;
  }

  Registered introduce(const std::string& address) {
    Registration wish;
    wish.name = "bob";
    wish.address = address;
    wish.announced = ":5050";
    wish.name_hint = "alice";
    return register_peer(alice.home(), Config::load(alice.home()), wish, kPatience);
  }

  // A frame to Bob, as it is.
  static Exchanged ask_bob(const std::string& address, const std::string& frame) {
    const Deadline deadline(kPatience);
    return ask(connect({"bob", {address}}, deadline), frame, deadline);
  }

  std::uint64_t waiting() {
    Database database = bob.state();
    return Messages(database).count_to_print();
  }
  void leave_behind(const std::string& body) {
    Database database = bob.state();
    MessageRow row;
    row.key = {Direction::in, id_of(Who::alice), id_of(Who::bob), new_message_id()};
    row.body = body;
    row.exp = unix_now() + kSecondsPerDay;
    row.time = unix_now();
    Messages(database).insert(row);
  }

  TestHome alice{Who::alice};
  TestHome bob{Who::bob};
};

}  // namespace

TEST_CASE_METHOD(Fixture,
                 "listener: a registration ends it, and its stranger waits to be accepted") {
  Listening listening(bob.home(), options_for());
  const Registered registered = introduce(listening.address());
  CHECK(registered.fingerprint == fingerprint(id_of(Who::bob)));
  CHECK_FALSE(registered.trusted_there);
  const ListenEnd end = listening.end();
  CHECK(end.reached);
  CHECK(end.signal_number == 0);

  const std::string name = fingerprint(id_of(Who::alice));
  REQUIRE(listening.strangers().size() == 1);
  CHECK(listening.strangers().front().fingerprint == name);
  CHECK(listening.strangers().front().hint == "alice");
  CHECK(listening.strangers().front().accept_command ==
        "p2pchat peers accept " + name + " --as alice");
  const PeerInfo info = AddressBook(bob.home()).show(name);
  CHECK(info.status == PeerStatus::pending);
  CHECK(info.announced_address == "127.0.0.1:5050");
}

TEST_CASE_METHOD(Fixture, "listener: frames whose head comes first are answered as whole ones") {
  befriend();
  Listening listening(bob.home(), options_for(1));
  const Draft draft = [] {
    Draft made;
    made.iat = unix_now();
    made.exp = made.iat + 3600;
    made.jti = new_message_id();
    made.body = "in parts";
    return made;
  }();
  const auto ask_in_parts = [&](const std::string& frame, std::size_t head) {
    const Deadline deadline(kPatience);
    const Line line = connect({"bob", {listening.address()}}, deadline);
    return ask(line, {std::string_view(frame).substr(0, head), [&] { return frame.substr(head); }},
               deadline)
        .reply;
  };
  const SealedRequest request =
      seal_request(draft, alice_identity(), id_of(Who::alice), current_statement(Who::bob));
  const std::size_t head = request.frame.find('.', request.frame.find('.') + 1) + 1;
  const std::string statement = current_statement(Who::bob).token;
  for (const std::size_t place : {std::size_t{5}, head - 5, head + 5, request.frame.size() - 5}) {
    std::string damaged = request.frame;
    damaged[place] = damaged[place] == 'A' ? 'B' : 'A';
    CHECK(ask_in_parts(damaged, head) == statement);
  }
  const Result<Ack> ack = open_ack(ask_in_parts(request.frame, head),
                                   {RequestType::message, id_of(Who::bob), id_of(Who::alice),
                                    draft.jti, request.frame_hash, request.reply_key});
  REQUIRE(ack);
  CHECK(ack->status == AckStatus::ok);
  CHECK(listening.end().reached);
}

TEST_CASE_METHOD(Fixture, "listener: from registration to reply") {
  {
    Listening listening(bob.home(), options_for());
    introduce(listening.address());
    listening.end();
  }
  AddressBook(bob.home()).accept(fingerprint(id_of(Who::alice)), "al", std::nullopt);
  {
    Listening listening(bob.home(), options_for());
    CHECK(introduce(listening.address()).trusted_there);
    CHECK(listening.end().reached);
    CHECK(listening.strangers().empty());  // named once
  }
  CapturedStdout out;
  Listening listening(bob.home(), options_for());
  const Delivered delivered = send(listening.address(), "hello\n");
  const ListenEnd end = listening.end();
  out.end();
  CHECK(delivered.reply == "a reply\n");
  CHECK(delivered.rc == 0);
  CHECK(end.reached);
  CHECK(out.text() == "al:hello\n\n");
  CHECK(waiting() == 0);
}

TEST_CASE_METHOD(Fixture, "listener: it ends after as many messages as were asked for") {
  befriend();
  CapturedStdout out;
  Listening listening(bob.home(), options_for(2));
  send(listening.address(), "one");
  send(listening.address(), "two");
  const ListenEnd end = listening.end();
  out.end();
  CHECK(end.reached);
  CHECK(out.text() == "al:one\nal:two\n");
}

TEST_CASE_METHOD(Fixture, "listener: a message of the largest size goes through") {
  befriend();
  const std::string body(kMaxLetterBytes, 'b');
  CapturedStdout out;
  Listening listening(bob.home(), options_for(1));
  send(listening.address(), body);
  listening.end();
  out.end();
  CHECK(out.text() == "al:" + body + "\n");
}

TEST_CASE_METHOD(Fixture, "listener: a repetition is acknowledged alike and written once") {
  befriend();
  const std::string id = new_message_id();
  CapturedStdout out;
  Listening listening(bob.home(), options_for(2));
  const Delivered first = send(listening.address(), "one", id);
  const Delivered again = send(listening.address(), "one", id);
  send(listening.address(), "two");
  listening.end();
  out.end();
  CHECK(first.reply == again.reply);
  CHECK(out.text() == "al:one\nal:two\n");
}

TEST_CASE_METHOD(Fixture, "listener: a repetition is not what a single exchange waits for") {
  befriend();
  const std::string id = new_message_id();
  CapturedStdout out;
  {
    Listening first(bob.home(), options_for());
    send(first.address(), "one", id);
    first.end();
  }
  Listening listening(bob.home(), options_for());
  send(listening.address(), "one", id);
  send(listening.address(), "two");
  const ListenEnd end = listening.end();
  out.end();
  CHECK(end.reached);
  CHECK(out.text() == "al:one\nal:two\n");
}

TEST_CASE_METHOD(Fixture,
                 "listener: what other listeners left behind is written first and counts") {
  befriend();
  leave_behind("old");
  CapturedStdout out;
  Listening listening(bob.home(), options_for(2));
  send(listening.address(), "new");
  const ListenEnd end = listening.end();
  out.end();
  CHECK(end.reached);
  CHECK(out.text() == "al:old\nal:new\n");
}

TEST_CASE_METHOD(Fixture, "listener: with enough waiting no port is opened") {
  befriend();
  for (const char* body : {"one", "two", "three"}) leave_behind(body);
  const std::optional<std::uint64_t> count = GENERATE(std::optional<std::uint64_t>(), 1, 2);
  CapturedStdout out;
  Listening listening(bob.home(), options_for(count));
  const ListenEnd end = listening.end();
  out.end();
  CHECK(end.reached);
  CHECK_FALSE(listening.has_port());
  CHECK(out.text() == (count == 2 ? "al:one\nal:two\n" : "al:one\n"));
  CHECK(waiting() == 3 - count.value_or(1));
}

TEST_CASE_METHOD(Fixture, "listener: a stranger's message is told pending and not delivered") {
  Listening listening(bob.home(), options_for(1));
  const std::string address = listening.address();
  introduce(address);
  const Error error = error_from([&] { send(address, "hello"); });
  CHECK(error.status() == Status::trust);
  listening.send_signal(SIGTERM);
  listening.end();
  CHECK(waiting() == 0);
}

TEST_CASE_METHOD(Fixture, "listener: identify, keys and rubbish are answered and not counted") {
  Listening listening(bob.home(), options_for());
  const std::string address = listening.address();
  CHECK(ask_bob(address, "identify").reply == bob_identity().public_key().pem());
  const Exchanged keys = ask_bob(address, "keys");
  REQUIRE(keys.end == ExchangeEnd::answered);
  const Result<KeyStatement> statement = read_key_statement(keys.reply);
  REQUIRE(statement);
  CHECK(statement->identity_id == id_of(Who::bob));
  CHECK(ask_bob(address, "rubbish").reply == keys.reply);
  CHECK(ask_bob(address, std::string(100'000, 'r')).reply == keys.reply);
  CHECK(ask_bob(address, "").reply == keys.reply);
  introduce(address);
  CHECK(listening.end().reached);
}

TEST_CASE_METHOD(Fixture, "listener: its time limit ends it without success") {
  ListenOptions options = options_for();
  options.time_limit = 100ms;
  Listening listening(bob.home(), options);
  const ListenEnd end = listening.end();
  CHECK_FALSE(end.reached);
  CHECK(end.signal_number == 0);
}

TEST_CASE_METHOD(Fixture, "listener: a signal ends it in order and is told") {
  const int number = GENERATE(SIGTERM, SIGINT, SIGHUP);
  ListenOptions options = options_for();
  options.forever = true;
  Listening listening(bob.home(), options);
  introduce(listening.address());
  listening.send_signal(number);
  const ListenEnd end = listening.end();
  CHECK(end.signal_number == number);
  CHECK_FALSE(end.reached);
}

TEST_CASE_METHOD(Fixture, "listener: one that goes on for ever writes all that was acknowledged") {
  befriend();
  ListenOptions options = options_for();
  options.forever = true;
  CapturedStdout out;
  Listening listening(bob.home(), options);
  for (const char* body : {"one", "two", "three"}) send(listening.address(), body);
  listening.send_signal(SIGTERM);
  listening.end();
  out.end();
  CHECK(out.text() == "al:one\nal:two\nal:three\n");
}

TEST_CASE_METHOD(Fixture, "listener: many at once are each stored, acknowledged and written once") {
  constexpr std::size_t kSenders = 4;
  constexpr std::size_t kEach = 8;
  befriend();
  CapturedStdout out;
  Listening listening(bob.home(), options_for(kSenders * kEach));
  const std::string address = listening.address();
  alice.trust(Who::bob, "bob", address);
  std::atomic<int> failures = 0;
  std::vector<std::thread> senders;
  for (std::size_t sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      Outbox outbox(alice.home(), Config::load(alice.home()));
      for (std::size_t i = 0; i < kEach; ++i) {
        const std::string id = new_message_id();
        const Letter letter{std::to_string(sender * kEach + i), id, id};
        if (outbox.send(letter, {"bob"}, {kPatience}).sent.front().error) ++failures;
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  const bool all_sent = failures == 0;
  if (all_sent) listening.end();
  out.end();
  CHECK(all_sent);
  const std::string text = out.text();
  std::set<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = text.find('\n', at);
    lines.insert(text.substr(at, next - at));
    at = next + 1;
  }
  CHECK(lines.size() == kSenders * kEach);
  CHECK(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) == kSenders * kEach);
}

TEST_CASE_METHOD(Fixture,
                 "listener: when stdout fails it ends, and what it has acknowledged is kept") {
  befriend();
  const Fd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  REQUIRE(full);
  CapturedStdout out(full.get());
  ListenOptions options = options_for();
  options.forever = true;
  Listening listening(bob.home(), options);
  const Delivered delivered = send(listening.address(), "hello");
  std::optional<Error> error;
  try {
    listening.end();
  } catch (const Error& thrown) {
    error = thrown;
  }
  out.end();
  CHECK(delivered.reply == "a reply\n");
  REQUIRE(error);
  CHECK(error->status() == Status::system);
  CHECK(waiting() == 1);
}

TEST_CASE_METHOD(Fixture, "listener: two for one home are one too many") {
  ListenOptions options = options_for();
  options.forever = true;
  Listening first(bob.home(), options);
  first.address();
  Listening second(bob.home(), options);
  CHECK(error_from([&] { second.end(); }).status() == Status::system);
  first.send_signal(SIGTERM);
  CHECK(first.end().signal_number == SIGTERM);
}

TEST_CASE_METHOD(Fixture, "listener: a port in use is an error with a hint") {
  Loop other(LoopLimits{});
  const std::string taken = other.listen("127.0.0.1", 0);
  ListenOptions options = options_for();
  options.port = static_cast<std::uint16_t>(std::stoi(taken.substr(taken.rfind(':') + 1)));
  Listening listening(bob.home(), options);
  const Error error = error_from([&] { listening.end(); });
  CHECK(error.status() == Status::system);
  CHECK_FALSE(error.hint().empty());
}

TEST_CASE("listener: without an identity there is none") {
  const TestHome empty;
  Listening listening(empty.home(), options_for());
  CHECK(error_from([&] { listening.end(); }).status() == Status::config);
}

TEST_CASE_METHOD(Fixture, "listener: a key that is made while it runs is taken up") {
  befriend();
  CapturedStdout out;
  Listening listening(bob.home(), options_for(1));
  const std::string address = listening.address();
  const std::uint64_t now = unix_now();
  const KeyStatement newer = make_key_statement(bob_identity(), stranger_identity().public_key(),
                                                now, now, now + 14 * kSecondsPerDay);
  bob.add_encryption_key(newer, stranger_identity());
  alice.trust(Who::bob, "bob", address);
  {
    Database database = alice.state();
    Peers peers(database);
    PeerRow row = *peers.by_name("bob");
    row.statement = newer.token;
    peers.update(row);
  }
  const Delivered delivered = send(address, "hello");
  listening.end();
  out.end();
  CHECK(delivered.reply == "a reply\n");
  CHECK(out.text() == "al:hello\n");
}

}  // namespace p2pchat

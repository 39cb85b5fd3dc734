#include "node/ping.h"

#include <catch2/catch.hpp>

#include "base/clock.h"
#include "store/peers.h"
#include "test_home.h"

namespace p2pchat {

namespace {

// What Bob says, in the order of the exchanges: to keys, to a message that expired long ago, to a
// registration.
ScriptedPeer::Script bob_who(const std::string& keys, AckStatus known, AckStatus standing) {
  return [=](const Incoming& request) -> std::optional<std::string> {
    if (request.frame == "keys") return keys;
    const bool message = open_as_bob(request.frame)->type == RequestType::message;
    return ack_of_bob(request.frame, message ? known : standing);
  };
}

struct Fixture {
  Ping ping(const std::string& address) {
    home.trust(Who::bob, "bob", address);
    return ping_peer(home.home(), Config::load(home.home()), "bob", kPatience);
  }

  std::vector<Layer> passed(const Ping& ping) {
    std::vector<Layer> layers;
    for (const auto& [layer, time] : ping.passed) layers.push_back(layer);
    return layers;
  }

  void check_failure(const Ping& ping, Layer layer, Status status) {
    REQUIRE(ping.failed);
    CHECK(*ping.failed == layer);
    CHECK(ping.error->status() == status);
    CHECK(ping.passed.size() == static_cast<std::size_t>(layer));
  }

  std::string keys = current_statement(Who::bob).token;
  TestHome home{Who::alice};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "ping: a peer that trusts us passes every layer") {
  ScriptedPeer bob(bob_who(keys, AckStatus::skew, AckStatus::trusted));
  const Ping result = ping(bob.address());
  CHECK_FALSE(result.failed);
  CHECK(passed(result) == std::vector<Layer>{Layer::resolve, Layer::connect, Layer::protocol,
                                             Layer::key, Layer::trust});
  CHECK(result.address == bob.address());
  CHECK(result.clock_ahead_seconds);
}

TEST_CASE_METHOD(Fixture, "ping: what it sends can neither be stored nor change a record") {
  ScriptedPeer bob(bob_who(keys, AckStatus::skew, AckStatus::trusted));
  ping(bob.address());
  bob.end();
  REQUIRE(bob.requests().size() == 3);
  const auto message = open_as_bob(bob.requests()[1]);
  CHECK(message->exp == 1);
  const auto registration = open_as_bob(bob.requests()[2]);
  CHECK(registration->type == RequestType::registration);
  CHECK(registration->iat < unix_now() - 29 * 86'400);
  CHECK(registration->exp > unix_now());
}

TEST_CASE_METHOD(Fixture, "ping: the first layer that fails is named") {
  check_failure(ping("nosuch.invalid:1"), Layer::resolve, Status::no_host);
}

TEST_CASE_METHOD(Fixture, "ping: a closed port fails to connect") {
  check_failure(ping(closed_address()), Layer::connect, Status::unavailable);
}

TEST_CASE_METHOD(Fixture, "ping: another program fails in the protocol") {
  ScriptedPeer bob([](const Incoming&) { return std::string("HTTP/1.1 400 Bad Request"); });
  check_failure(ping(bob.address()), Layer::protocol, Status::protocol);
}

TEST_CASE_METHOD(Fixture, "ping: another key fails as a key, and is told nothing") {
  ScriptedPeer mallory([](const Incoming&) { return current_statement(Who::alice).token; });
  check_failure(ping(mallory.address()), Layer::key, Status::trust);
  mallory.end();
  CHECK(mallory.requests().size() == 1);
}

TEST_CASE_METHOD(Fixture, "ping: who does not know us, or has not accepted us, fails in trust") {
  const std::string statement = keys;
  const bool known = GENERATE(true, false);
  ScriptedPeer bob([=](const Incoming& request) -> std::optional<std::string> {
    if (!known || request.frame == "keys") return statement;
    const bool message = open_as_bob(request.frame)->type == RequestType::message;
    return ack_of_bob(request.frame, message ? AckStatus::skew : AckStatus::pending);
  });
  check_failure(ping(bob.address()), Layer::trust, Status::trust);
}

TEST_CASE_METHOD(Fixture, "ping: an unknown name is 67") {
  CHECK(error_from([&] {
          ping_peer(home.home(), Config::load(home.home()), "nobody", kPatience);
        }).status() == Status::no_peer);
}

}  // namespace p2pchat

#include "node/registrar.h"

#include <catch2/catch.hpp>

#include "base/clock.h"
#include "jose/base64url.h"
#include "jose/jwk.h"
#include "node/identity.h"
#include "protocol/claims.h"
#include "store/peers.h"
#include "test_home.h"

namespace p2pchat {

namespace {

std::string bob_says(std::uint64_t seq, std::uint64_t life = 14 * kSecondsPerDay) {
  const std::uint64_t iat = current_statement(Who::bob).iat;
  return make_key_statement(bob_identity(), bob_encryption().public_key(), seq, iat, iat + life)
      .token;
}

// A peer who is Bob: its statement for `keys`, that ack for a registration.
ScriptedPeer::Script bob_who(AckStatus status, const std::string& ack_keys = {}) {
  return [=](const Incoming& request) {
    return request.frame == "keys" ? current_statement(Who::bob).token
                                   : ack_of_bob(request.frame, status, {}, 0, ack_keys);
  };
}

ScriptedPeer::Script saying(const std::string& reply) {
  return [reply](const Incoming&) { return reply; };
}

// Bob's statement with an encryption key of 1024 bits.
std::string weak_card() {
  const auto key = [](const std::string& n) {
    return RawObject{{"kty", "\"RSA\""}, {"n", json_string(n)}, {"e", "\"AQAB\""}}.text();
  };
  const RawObject claims{{"v", "1"},
                         {"iss", json_string(id_of(Who::bob))},
                         {"jwk", key(jwk_text(bob_identity().public_key()).n)},
                         {"ek", key(encode_base64url(std::string(128, '\x81')))},
                         {"seq", "1"},
                         {"iat", "1"},
                         {"exp", "2"}};
  return sign_raw(bob_identity(), signed_header(id_of(Who::bob), "p2pchat-keys+jwt").text(),
                  claims.text());
}

// Alice registers.
struct Fixture {
  Registration wish(const std::string& address) const {
    Registration wish;
    wish.name = "bob";
    wish.address = address;
    wish.name_hint = "alice";
    return wish;
  }

  Registered run(const Registration& wish) const {
    return register_peer(home.home(), Config::load(home.home()), wish, kPatience);
  }

  // Somebody else whom Alice calls Bob.
  void know_another_bob() {
    PeerRow row;
    row.identity = std::string(43, 'w');
    row.name = "bob";
    row.status = PeerStatus::trusted;
    row.typed_address = "old.example:1";
    peers.insert(row);
  }

  TestHome home{Who::alice};
  Database database = home.state();
  Peers peers{database};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "registrar: a peer that takes the registration is pinned") {
  const AckStatus status = GENERATE(AckStatus::trusted, AckStatus::pending);
  ScriptedPeer bob(bob_who(status));
  const Registered registered = run(wish(bob.address()));
  CHECK(registered.fingerprint == fingerprint(id_of(Who::bob)));
  CHECK(registered.our_fingerprint == fingerprint(id_of(Who::alice)));
  CHECK(registered.trusted_there == (status == AckStatus::trusted));
  const auto row = peers.by_name("bob");
  REQUIRE(row);
  CHECK(row->identity == id_of(Who::bob));
  CHECK(row->status == PeerStatus::trusted);
  CHECK(row->statement == current_statement(Who::bob).token);
  CHECK(row->typed_address == bob.address());
  CHECK(row->announced_address.empty());
}

TEST_CASE_METHOD(Fixture, "registrar: keys come first, then what introduces us") {
  ScriptedPeer bob(bob_who(AckStatus::pending));
  Registration terms = wish(bob.address());
  terms.announced = "alice.example:5050";
  run(terms);
  bob.end();
  REQUIRE(bob.requests().size() == 2);
  CHECK(bob.requests().front() == "keys");
  const Result<Request> request = open_as_bob(bob.requests().back(), false);
  REQUIRE(request);
  CHECK(request->type == RequestType::registration);
  CHECK(request->iss == id_of(Who::alice));
  REQUIRE(request->introduction);
  CHECK(request->introduction->name == "alice");
  CHECK(request->introduction->addr == "alice.example:5050");
  CHECK(request->introduction->keys.token == current_statement(Who::alice).token);
}

TEST_CASE_METHOD(Fixture, "registrar: what is announced is what was asked for, or the fixed port") {
  struct Row {
    const char* config;
    std::optional<std::string> announced;
    const char* claim;
  };
  const Row row = GENERATE(Row{"", std::nullopt, ""}, Row{"", "none", ""}, Row{"", ":7", ":7"},
                           Row{"[listen]\nport = 5050\n", std::nullopt, ":5050"},
                           Row{"[listen]\nport = 5050\n", "none", ""},
                           Row{"[listen]\nport = 0\n", std::nullopt, ""});
  write_file(home / "config", row.config);
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  Registration terms = wish(bob.address());
  terms.announced = row.announced;
  run(terms);
  bob.end();
  const Result<Request> request = open_as_bob(bob.requests().back(), false);
  REQUIRE(request);
  CHECK(request->introduction->addr == row.claim);
}

TEST_CASE_METHOD(Fixture, "registrar: what was typed is refused before anything leaves") {
  Loop silent(LoopLimits{});
  Registration terms = wish(silent.listen("127.0.0.1", 0));
  Status expected = Status::usage;
  SECTION("a bad name") {
    terms.name = "a b";
  }
  SECTION("a number for a name") {
    terms.name = "4040";
  }
  SECTION("a bad address") {
    terms.address = "bob.example:http";
  }
  SECTION("an empty address") {
    terms.address = "";
  }
  SECTION("a bad announcement") {
    terms.announced = "everywhere";
  }
  SECTION("a name of ours with a control character") {
    terms.name_hint = "a\x1b";
  }
  SECTION("--replace without --expect") {
    terms.replace = true;
  }
  SECTION("a new peer without an address") {
    terms.address = std::nullopt;
  }
  SECTION("half a fingerprint") {
    terms.expected = "SHA256:AAAAAAAA";
    expected = Status::data;
  }
  CHECK(error_from([&] { run(terms); }).status() == expected);
  CHECK(peers.all().empty());
}

TEST_CASE_METHOD(Fixture, "registrar: an address without a port means the default one") {
  Registration terms = wish("nosuch.invalid");
  const Error error = error_from([&] { run(terms); });
  CHECK(error.status() == Status::no_host);
  CHECK_THAT(error.what(), Catch::Contains("nosuch.invalid:4040"));
}

TEST_CASE_METHOD(Fixture, "registrar: the expected key is compared before anything of us leaves") {
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  Registration terms = wish(bob.address());
  SECTION("another") {
    terms.expected = fingerprint(id_of(Who::alice));
    const Error error = error_from([&] { run(terms); });
    CHECK(error.status() == Status::trust);
    CHECK_THAT(error.what(), Catch::Contains(fingerprint(id_of(Who::bob))));
    CHECK(peers.all().empty());
    bob.end();
    CHECK(bob.requests() == std::vector<std::string>{"keys"});
  }
  SECTION("the same") {
    terms.expected = fingerprint(id_of(Who::bob));
    CHECK_NOTHROW(run(terms));
    CHECK(peers.by_name("bob"));
  }
}

TEST_CASE_METHOD(Fixture, "registrar: a known name keeps its key, and the one cure is named") {
  know_another_bob();
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  const Error error = error_from([&] { run(wish(bob.address())); });
  CHECK(error.status() == Status::trust);
  CHECK_THAT(error.what(), Catch::Contains(fingerprint(std::string(43, 'w'))));
  CHECK_THAT(error.what(), Catch::Contains(fingerprint(id_of(Who::bob))));
  CHECK_THAT(error.hint(), Catch::Contains("--replace --expect " + fingerprint(id_of(Who::bob))));
  CHECK(peers.by_name("bob")->identity == std::string(43, 'w'));
  bob.end();
  CHECK(bob.requests() == std::vector<std::string>{"keys"});
}

TEST_CASE_METHOD(Fixture, "registrar: an expected key that is not the pinned one needs --replace") {
  know_another_bob();
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  Registration terms = wish(bob.address());
  terms.expected = fingerprint(id_of(Who::bob));
  CHECK(error_from([&] { run(terms); }).status() == Status::trust);
  CHECK(peers.by_name("bob")->identity == std::string(43, 'w'));
  bob.end();
  CHECK(bob.requests().empty());
}

TEST_CASE_METHOD(Fixture, "registrar: a known name gets the expected key when that is asked for") {
  know_another_bob();
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  Registration terms = wish(bob.address());
  terms.replace = true;
  SECTION("the expected one") {
    terms.expected = fingerprint(id_of(Who::bob));
    run(terms);
    CHECK(peers.by_name("bob")->identity == id_of(Who::bob));
    CHECK(peers.all().size() == 1);
  }
  SECTION("and no other") {
    terms.expected = fingerprint(id_of(Who::alice));
    CHECK(error_from([&] { run(terms); }).status() == Status::trust);
    CHECK(peers.by_name("bob")->identity == std::string(43, 'w'));
  }
}

TEST_CASE_METHOD(Fixture,
                 "registrar: the same key again updates the address, or uses the stored one") {
  ScriptedPeer first(bob_who(AckStatus::trusted));
  run(wish(first.address()));
  ScriptedPeer second(bob_who(AckStatus::trusted));
  run(wish(second.address()));
  CHECK(peers.by_name("bob")->typed_address == second.address());
  Registration terms = wish("");
  terms.address = std::nullopt;
  terms.name = "BOB";
  CHECK_NOTHROW(run(terms));
  CHECK(peers.by_name("bob")->name == "bob");
  CHECK(peers.by_name("bob")->typed_address == second.address());
  CHECK(peers.all().size() == 1);
  second.end();
  CHECK(second.requests().size() == 4);
}

TEST_CASE_METHOD(Fixture, "registrar: a stranger that waited becomes trusted") {
  PeerRow row;
  row.identity = id_of(Who::bob);
  row.statement = current_statement(Who::bob).token;
  row.announced_address = "192.0.2.7:1";
  row.hint = "Robert";
  row.first_seen = 5;
  peers.insert(row);
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  run(wish(bob.address()));
  const auto trusted = peers.by_name("bob");
  REQUIRE(trusted);
  CHECK(trusted->status == PeerStatus::trusted);
  CHECK(trusted->first_seen == 5);
  CHECK(trusted->announced_address == "192.0.2.7:1");
  CHECK(peers.all().size() == 1);
}

TEST_CASE_METHOD(Fixture, "registrar: a key that has a name is not registered under another") {
  home.trust(Who::bob, "robert", "old.example:1");
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  const Error error = error_from([&] { run(wish(bob.address())); });
  CHECK(error.status() == Status::cannot_create);
  CHECK_THAT(error.what(), Catch::Contains("'robert'"));
  CHECK_FALSE(peers.by_name("bob"));
  bob.end();
  CHECK(bob.requests() == std::vector<std::string>{"keys"});
}

TEST_CASE_METHOD(Fixture, "registrar: nobody registers with itself") {
  ScriptedPeer mirror(saying(current_statement(Who::alice).token));
  CHECK(error_from([&] { run(wish(mirror.address())); }).status() == Status::usage);
  CHECK(peers.all().empty());
}

TEST_CASE_METHOD(Fixture, "registrar: a peer that does not take the registration is not pinned") {
  struct Row {
    AckStatus st;
    Status status;
  };
  const Row row =
      GENERATE(Row{AckStatus::busy, Status::try_later}, Row{AckStatus::skew, Status::try_later});
  ScriptedPeer bob(bob_who(row.st));
  CHECK(error_from([&] { run(wish(bob.address())); }).status() == row.status);
  CHECK(peers.all().empty());
}

TEST_CASE_METHOD(Fixture, "registrar: an ack that only a message can have does not verify") {
  ScriptedPeer bob([](const Incoming& request) -> std::optional<std::string> {
    if (request.frame == "keys") return current_statement(Who::bob).token;
    Result<Request> opened = open_as_bob(request.frame);
    if (!opened) return std::nullopt;
    opened->type = RequestType::message;
    Ack ack;
    ack.status = AckStatus::ok;
    return seal_ack(ack, *opened);
  });
  CHECK(error_from([&] { run(wish(bob.address())); }).status() == Status::data);
  CHECK(peers.all().empty());
}

TEST_CASE_METHOD(Fixture, "registrar: an answer to keys that is no statement has its status") {
  struct Row {
    std::string reply;
    Status status;
  };
  const Row row =
      GENERATE(Row{"", Status::protocol}, Row{"HTTP/1.1 400 Bad Request\r\n", Status::protocol},
               Row{bob_identity().public_key().pem(), Status::protocol},
               Row{bob_says(1, kSecondsPerDay / 48), Status::data},
               Row{with_changed_character(current_statement(Who::bob).token, 200), Status::data});
  CAPTURE(row.reply);
  ScriptedPeer bob(saying(row.reply));
  CHECK(error_from([&] { run(wish(bob.address())); }).status() == row.status);
  CHECK(peers.all().empty());
}

TEST_CASE_METHOD(Fixture, "registrar: a statement older than the stored one is refused") {
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  run(wish(bob.address()));
  ScriptedPeer older(saying(bob_says(current_statement(Who::bob).seq - 1)));
  CHECK(error_from([&] { run(wish(older.address())); }).status() == Status::data);
  CHECK(peers.by_name("bob")->statement == current_statement(Who::bob).token);
  CHECK(peers.by_name("bob")->typed_address == bob.address());
}

TEST_CASE_METHOD(Fixture,
                 "registrar: a connection that ends without an answer is an unknown outcome") {
  const bool at_once = GENERATE(true, false);
  ScriptedPeer bob([=](const Incoming& request) -> std::optional<std::string> {
    if (request.frame == "keys" && !at_once) return current_statement(Who::bob).token;
    return std::nullopt;
  });
  CHECK(error_from([&] { run(wish(bob.address())); }).status() == Status::unknown_outcome);
  CHECK(peers.all().empty());
}

TEST_CASE_METHOD(Fixture, "registrar: who refuses the connection is not reachable") {
  CHECK(error_from([&] { run(wish(closed_address())); }).status() == Status::unavailable);
  CHECK(peers.all().empty());
}

TEST_CASE_METHOD(Fixture, "registrar: a newer statement meanwhile is used once") {
  const std::string newer = bob_says(current_statement(Who::bob).seq + 1);
  int turn = 0;
  ScriptedPeer bob([&](const Incoming& request) {
    switch (++turn) {
      case 1:
        return current_statement(Who::bob).token;
      case 2:
        return newer;
      default:
        return ack_of_bob(request.frame, AckStatus::trusted);
    }
  });
  CHECK(run(wish(bob.address())).trusted_there);
  CHECK(peers.by_name("bob")->statement == newer);
}

TEST_CASE_METHOD(Fixture, "registrar: the statement beside the ack is pinned when it is newer") {
  const std::string newer = bob_says(current_statement(Who::bob).seq + 1);
  ScriptedPeer bob(bob_who(AckStatus::trusted, newer));
  run(wish(bob.address()));
  CHECK(peers.by_name("bob")->statement == newer);
}

TEST_CASE_METHOD(Fixture, "registrar: our own expired statement is renewed before it is sent") {
  const auto seqs = home.home().encryption_seqs();
  for (const std::uint64_t seq : seqs) shred_file(home.home().encryption_file(seq));
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  run(wish(bob.address()));
  REQUIRE(home.home().encryption_seqs().size() == 1);
  bob.end();
  const Result<Request> request = open_as_bob(bob.requests().back(), false);
  REQUIRE(request);
  CHECK(request->introduction->keys.seq == home.home().encryption_seqs().front());
}

TEST_CASE("registrar: without an identity nobody registers") {
  const TestHome empty;
  Registration wish;
  wish.name = "bob";
  wish.address = closed_address();
  CHECK(error_from([&] {
          register_peer(empty.home(), Config::load(empty.home()), wish, kPatience);
        }).status() == Status::config);
}

TEST_CASE_METHOD(Fixture, "registrar: a card is pinned without a network") {
  Registration terms = wish("bob.example:1");
  const std::string card = GENERATE(as<std::string>{}, "", "\n", "\r\n", " \n\n");
  CHECK(register_card(home.home(), terms, card + current_statement(Who::bob).token + card) ==
        fingerprint(id_of(Who::bob)));
  const auto row = peers.by_name("bob");
  REQUIRE(row);
  CHECK(row->identity == id_of(Who::bob));
  CHECK(row->typed_address == "bob.example:1");
  CHECK(row->last_seen == 0);
  CHECK(register_card(home.home(), terms, current_statement(Who::bob).token) ==
        fingerprint(id_of(Who::bob)));
}

TEST_CASE_METHOD(Fixture, "registrar: an expired card pins as well") {
  const KeyStatement expired =
      make_key_statement(bob_identity(), bob_encryption().public_key(), 1, kNow - 100, kNow - 50);
  register_card(home.home(), wish("bob.example:1"), expired.token);
  CHECK(peers.by_name("bob")->statement == expired.token);
}

TEST_CASE_METHOD(Fixture, "registrar: an older card does not take a newer key away") {
  register_card(home.home(), wish("bob.example:1"), bob_says(kNow + 5));
  register_card(home.home(), wish("bob.example:2"), bob_says(kNow + 4));
  CHECK(read_key_statement(peers.by_name("bob")->statement)->seq == kNow + 5);
  CHECK(peers.by_name("bob")->typed_address == "bob.example:2");
}

TEST_CASE_METHOD(Fixture, "registrar: what is no card, or not the right one, pins nothing") {
  const std::string good = current_statement(Who::bob).token;
  const auto status_of = [&](const std::string& card, const Registration& terms) {
    return error_from([&] { register_card(home.home(), terms, card); }).status();
  };
  CHECK(status_of("", wish("b.example")) == Status::data);
  CHECK(status_of("not a card", wish("b.example")) == Status::data);
  CHECK(status_of(good + "\n" + good, wish("b.example")) == Status::data);
  CHECK(status_of(with_changed_character(good, good.size() / 2), wish("b.example")) ==
        Status::data);
  CHECK(status_of(with_segment(good, 2, with_changed_character(segment(good, 2), 3)),
                  wish("b.example")) == Status::data);
  CHECK(status_of(weak_card(), wish("b.example")) == Status::trust);
  CHECK(status_of(current_statement(Who::alice).token, wish("b.example")) == Status::usage);
  Registration expecting = wish("b.example");
  expecting.expected = fingerprint(id_of(Who::alice));
  CHECK(status_of(good, expecting) == Status::trust);
  CHECK_FALSE(peers.by_name("bob"));
  know_another_bob();
  CHECK(status_of(good, wish("b.example")) == Status::trust);
  CHECK(peers.by_name("bob")->identity == std::string(43, 'w'));
}

TEST_CASE_METHOD(Fixture, "registrar: a replaced key keeps address and transport, not the trust") {
  know_another_bob();
  PeerRow row = *peers.by_name("bob");
  row.via = "cat";
  row.trust = Trust::verified;
  peers.update(row);
  Registration terms = wish("");
  terms.address = std::nullopt;
  terms.replace = true;
  terms.expected = fingerprint(id_of(Who::bob));
  register_card(home.home(), terms, current_statement(Who::bob).token);
  row = *peers.by_name("bob");
  CHECK(row.identity == id_of(Who::bob));
  CHECK(row.typed_address == "old.example:1");
  CHECK(row.via == "cat");
  CHECK(row.trust == Trust::accepted);
}

TEST_CASE_METHOD(Fixture, "registrar: a blocked key is not registered") {
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  run(wish(bob.address()));
  PeerRow row = *peers.by_name("bob");
  row.status = PeerStatus::blocked;
  peers.update(row);
  CHECK(error_from([&] { run(wish(bob.address())); }).status() == Status::trust);
  CHECK(peers.by_name("bob")->status == PeerStatus::blocked);
}

TEST_CASE_METHOD(Fixture, "registrar: a command is remembered until it is taken back") {
  ScriptedPeer bob(bob_who(AckStatus::trusted));
  Registration terms = wish(bob.address());
  terms.via = "exec bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; wait'";
  run(terms);
  CHECK(peers.by_name("bob")->via == *terms.via);
  terms.via = std::nullopt;
  run(terms);
  CHECK_FALSE(peers.by_name("bob")->via.empty());
  terms.via = "";
  run(terms);
  CHECK(peers.by_name("bob")->via.empty());
}

}  // namespace p2pchat

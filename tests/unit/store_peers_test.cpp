#include "store/peers.h"

#include <catch2/catch.hpp>

#include "test_home.h"

namespace p2pchat {

namespace {

struct Fixture {
  PeerRow trusted(const std::string& identity, const std::string& name) {
    PeerRow row;
    row.identity = identity;
    row.name = name;
    row.status = PeerStatus::trusted;
    peers.insert(row);
    return *peers.by_identity(identity);
  }

  void stranger(const std::string& identity, const std::string& source, std::uint64_t first_seen) {
    PeerRow row;
    row.identity = identity;
    row.source = source;
    row.first_seen = first_seen;
    peers.insert(row);
  }

  std::vector<std::string> identities() {
    std::vector<std::string> all;
    for (const PeerRow& row : peers.all()) all.push_back(row.identity);
    return all;
  }

  TestHome home;
  Database database = home.state();
  Peers peers{database};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "peers: a row comes back as it was stored") {
  PeerRow row;
  row.identity = "IK";
  row.name = "bob";
  row.status = PeerStatus::trusted;
  row.statement = "a.b.c";
  row.typed_address = "bob.example:4040";
  row.announced_address = "192.0.2.7:1";
  row.hint = "Bob \xc3\xa9";
  row.source = "192.0.2.7";
  row.registered = 1;
  row.first_seen = 2;
  row.last_seen = 3;
  peers.insert(row);
  const auto found = peers.by_identity("IK");
  REQUIRE(found);
  CHECK(found->id > 0);
  CHECK(found->identity == "IK");
  CHECK(found->name == "bob");
  CHECK(found->status == PeerStatus::trusted);
  CHECK(found->statement == "a.b.c");
  CHECK(found->typed_address == "bob.example:4040");
  CHECK(found->announced_address == "192.0.2.7:1");
  CHECK(found->hint == "Bob \xc3\xa9");
  CHECK(found->source == "192.0.2.7");
  CHECK(found->registered == 1);
  CHECK(found->first_seen == 2);
  CHECK(found->last_seen == 3);
}

TEST_CASE_METHOD(Fixture, "peers: a name is found without regard to case") {
  trusted("1", "Bob");
  REQUIRE(peers.by_name("bOB"));
  CHECK(peers.by_name("bOB")->name == "Bob");
  CHECK_FALSE(peers.by_name("bobby"));
  CHECK_FALSE(peers.by_name("bo%"));
}

TEST_CASE_METHOD(Fixture, "peers: a name is unique without regard to case") {
  trusted("1", "bob");
  CHECK(error_from([&] { trusted("2", "BOB"); }).status() == Status::system);
  CHECK(identities() == std::vector<std::string>{"1"});
}

TEST_CASE_METHOD(Fixture, "peers: an identity is there once") {
  trusted("1", "bob");
  CHECK(error_from([&] { trusted("1", "robert"); }).status() == Status::system);
}

TEST_CASE_METHOD(Fixture, "peers: a stranger has no name, and no name finds one") {
  stranger("1", "s", 1);
  stranger("2", "s", 1);
  CHECK(peers.by_identity("1")->name.empty());
  CHECK_FALSE(peers.by_name(""));
}

TEST_CASE_METHOD(Fixture, "peers: a trusted peer has a name and a pending one none") {
  CHECK(error_from([&] { trusted("1", ""); }).status() == Status::system);
  PeerRow row;
  row.identity = "2";
  row.name = "bob";
  CHECK(error_from([&] { peers.insert(row); }).status() == Status::system);
}

TEST_CASE_METHOD(Fixture, "peers: an identity is found by how it begins") {
  for (const char* identity : {"abcd", "abce", "abcz", "abd", "ABCD", "abc"}) {
    stranger(identity, "s", 1);
  }
  CHECK(peers.by_identity_prefix("abc", 10).size() == 4);
  CHECK(peers.by_identity_prefix("abc", 2).size() == 2);
  const auto one = peers.by_identity_prefix("abce", 2);
  REQUIRE(one.size() == 1);
  CHECK(one.front().identity == "abce");
  CHECK(peers.by_identity_prefix("b", 2).empty());
}

TEST_CASE_METHOD(Fixture, "peers: when one was seen changes nothing else, and nobody else") {
  const PeerRow alice = trusted("A", "alice");
  const PeerRow bob = trusted("B", "bob");
  peers.set_last_seen(alice.id, 7);
  const auto found = peers.by_identity("A");
  CHECK(found->last_seen == 7);
  CHECK(found->name == "alice");
  CHECK(found->status == PeerStatus::trusted);
  CHECK(peers.by_identity("B")->last_seen == bob.last_seen);
}

TEST_CASE_METHOD(Fixture, "peers: an update changes its row and no other") {
  const PeerRow bob = trusted("1", "bob");
  const PeerRow carol = trusted("2", "carol");
  PeerRow changed = bob;
  changed.name = "robert";
  changed.typed_address = "r.example:1";
  changed.last_seen = 7;
  peers.update(changed);
  CHECK_FALSE(peers.by_name("bob"));
  CHECK(peers.by_name("robert")->typed_address == "r.example:1");
  CHECK(peers.by_name("robert")->last_seen == 7);
  CHECK(peers.by_name("carol")->last_seen == 0);
  peers.remove(bob.id);
  CHECK_FALSE(peers.by_identity("1"));
  CHECK(peers.by_identity("2")->id == carol.id);
}

TEST_CASE_METHOD(Fixture, "peers: trusted ones come by name, then pending ones by age") {
  stranger("young", "s", 20);
  trusted("z", "Zoe");
  stranger("old", "s", 10);
  trusted("b", "bob");
  trusted("a", "Alice");
  CHECK(identities() == std::vector<std::string>{"a", "b", "z", "old", "young"});
}

TEST_CASE_METHOD(Fixture, "peers: strangers are counted, by source and by day") {
  trusted("t", "bob");
  stranger("1", "here", 10);
  stranger("2", "here", 20);
  stranger("3", "there", 20);
  CHECK(peers.count_pending() == 3);
  CHECK(peers.count_new_between("here", 0, 20) == 2);
  CHECK(peers.count_new_between("here", 10, 20) == 1);
  CHECK(peers.count_new_between("here", 20, 30) == 0);
  CHECK(peers.count_new_between("here", 0, 19) == 1);
  CHECK(peers.count_new_between("nowhere", 0, 30) == 0);
}

TEST_CASE_METHOD(Fixture, "peers: the oldest stranger of the source that has most gives way") {
  trusted("t", "bob");
  stranger("lone", "quiet", 1);  // the oldest of all
  stranger("second", "busy", 20);
  stranger("first", "busy", 10);
  stranger("third", "busy", 30);
  peers.evict_pending();
  CHECK_FALSE(peers.by_identity("first"));
  peers.evict_pending();
  CHECK_FALSE(peers.by_identity("second"));
  CHECK(identities() == std::vector<std::string>{"t", "lone", "third"});
}

TEST_CASE_METHOD(Fixture, "peers: a trusted peer never gives way") {
  trusted("t", "bob");
  peers.evict_pending();
  peers.expire_pending(1'000'000);
  CHECK(identities() == std::vector<std::string>{"t"});
}

TEST_CASE_METHOD(Fixture, "peers: strangers expire by when they were first seen") {
  stranger("old", "s", 99);
  stranger("young", "s", 100);
  peers.expire_pending(100);
  CHECK(identities() == std::vector<std::string>{"young"});
}

TEST_CASE_METHOD(Fixture, "peers: trust, transport and what we told a peer come back as stored") {
  PeerRow row = trusted("IK", "bob");
  row.status = GENERATE(PeerStatus::trusted, PeerStatus::blocked);
  row.trust = GENERATE(Trust::accepted, Trust::first_use, Trust::verified);
  row.via = "ssh %h";
  row.told = ":4040";
  peers.update(row);
  const PeerRow found = *peers.by_identity("IK");
  CHECK(found.status == row.status);
  CHECK(found.trust == row.trust);
  CHECK(found.via == "ssh %h");
  CHECK(found.told == ":4040");
}

TEST_CASE_METHOD(Fixture, "peers: those with a name are found by either address, in any case") {
  PeerRow row = trusted("IK", "bob");
  row.typed_address = "bob.example:1";
  row.announced_address = "192.0.2.7:2";
  peers.update(row);
  stranger("other", "here", 1);
  CHECK(peers.by_address("BOB.example:1").size() == 1);
  CHECK(peers.by_address("192.0.2.7:2").size() == 1);
  CHECK(peers.by_address("").empty());
  CHECK(peers.by_address("bob.example:2").empty());
}

}  // namespace p2pchat

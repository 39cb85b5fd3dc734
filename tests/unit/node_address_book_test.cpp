#include "node/address_book.h"

#include <catch2/catch.hpp>

#include "node/identity.h"
#include "protocol/verification.h"
#include "store/messages.h"
#include "test_home.h"

namespace p2pchat {

namespace {

// An IK that begins so: canonical base64url of 32 bytes.
std::string id(const std::string& start) {
  return start + std::string(43 - start.size(), 'w');
}

struct Fixture {
  Fixture() {
    PeerRow row;
    row.identity = id_of(Who::bob);
    row.name = "bob";
    row.status = PeerStatus::trusted;
    row.statement = bob_statement().token;
    row.typed_address = "typed.example:1";
    row.announced_address = "announced.example:2";
    row.hint = "Robert";
    row.first_seen = 10;
    row.last_seen = 20;
    peers.insert(row);
    stranger(id("AAAAAAAA1"));
    stranger(id("AAAAAAAA2"));
  }

  void stranger(const std::string& identity) {
    PeerRow row;
    row.identity = identity;
    row.statement = "a statement";
    row.announced_address = "192.0.2.7:4040";
    row.hint = "Carol";
    row.first_seen = 5;
    peers.insert(row);
  }

  TestHome home{Who::alice};
  Database database = home.state();
  Peers peers{database};
  AddressBook book{home.home()};
};

}  // namespace

TEST_CASE("address_book: a peer name is short, plain and not a number") {
  for (const std::string& name : {std::string("b"), std::string("Bob"), std::string("0x"),
                                  std::string("a.b_c-d"), std::string(64, 'a')}) {
    CAPTURE(name);
    CHECK(is_peer_name(name));
    CHECK_NOTHROW(require_peer_name(name));
  }
  for (const std::string& name :
       {std::string(), std::string("1"), std::string("4040"), std::string(65, 'a'),
        std::string("-b"), std::string(".b"), std::string("_b"), std::string("a b"),
        std::string("a/b"), std::string("b\n"), std::string("b\xc3\xb6"), std::string("SHA256:x"),
        std::string("b\0", 2)}) {
    CAPTURE(name);
    CHECK_FALSE(is_peer_name(name));
    CHECK(error_from([&] { require_peer_name(name); }).status() == Status::usage);
  }
}

TEST_CASE("address_book: a stranger's hint is proposed as a name only when it can be one") {
  const std::string start = "peers accept SHA256:" + id("A") + " --as ";
  CHECK(accept_command(id("A"), "carol") == start + "carol");
  CHECK(accept_command(id("A"), "") == start + "NAME");
  CHECK(accept_command(id("A"), "carol; rm -rf ~") == start + "NAME");
  CHECK(accept_command(id("A"), "4040") == start + "NAME");
}

TEST_CASE("address_book: without an identity there is none") {
  const TestHome empty;
  CHECK(error_from([&] { AddressBook book(empty.home()); }).status() == Status::config);
}

TEST_CASE_METHOD(Fixture, "address_book: a peer is shown with all that is known of it") {
  const PeerInfo info = book.show("BOB");
  CHECK(info.name == "bob");
  CHECK(info.status == PeerStatus::trusted);
  CHECK(info.fingerprint == fingerprint(id_of(Who::bob)));
  CHECK(info.address == "typed.example:1");
  CHECK(info.announced_address == "announced.example:2");
  CHECK(info.hint == "Robert");
  CHECK(info.first_seen == 10);
  CHECK(info.last_seen == 20);
  CHECK(info.keys_expire == bob_statement().exp);
}

TEST_CASE_METHOD(Fixture, "address_book: a stranger is shown by its fingerprint, without a name") {
  const PeerInfo info = book.show("SHA256:AAAAAAAA1");
  CHECK(info.name.empty());
  CHECK(info.status == PeerStatus::pending);
  CHECK(info.fingerprint == fingerprint(id("AAAAAAAA1")));
  CHECK(info.address == "192.0.2.7:4040");
  CHECK(info.keys_expire == 0);
}

TEST_CASE_METHOD(Fixture, "address_book: all are listed, trusted ones first") {
  const auto all = book.list();
  REQUIRE(all.size() == 3);
  CHECK(all[0].name == "bob");
  CHECK(all[1].status == PeerStatus::pending);
  CHECK(all[2].status == PeerStatus::pending);
}

TEST_CASE_METHOD(Fixture, "address_book: who is not there is unknown") {
  CHECK(error_from([&] { book.show("carol"); }).status() == Status::no_peer);
  CHECK(error_from([&] { book.show("SHA256:BBBBBBBB"); }).status() == Status::no_peer);
  CHECK(error_from([&] { book.show(""); }).status() == Status::no_peer);
}

TEST_CASE_METHOD(Fixture, "address_book: a bad, short or ambiguous fingerprint is refused") {
  const std::string prefix = GENERATE("SHA256:", "SHA256:AAAAAAA", "SHA256:AAAAAAAA",
                                      "SHA256:AAAAAAAA%", "SHA256:AAAAAAAA1=");
  CAPTURE(prefix);
  CHECK(error_from([&] { book.show(prefix); }).status() == Status::data);
  CHECK(error_from([&] { book.accept(prefix, "carol", std::nullopt); }).status() == Status::data);
  CHECK(error_from([&] { book.reject(prefix); }).status() == Status::data);
  CHECK(error_from([&] { book.remove(prefix); }).status() == Status::data);
  CHECK(error_from([&] { book.show(fingerprint(id("AAAAAAAA1")) + "x"); }).status() ==
        Status::data);
}

TEST_CASE_METHOD(Fixture, "address_book: an accepted stranger is trusted under the name") {
  const PeerInfo info = book.accept("SHA256:AAAAAAAA1", "carol", std::nullopt);
  CHECK(info.status == PeerStatus::trusted);
  CHECK(info.name == "carol");
  CHECK(info.fingerprint == fingerprint(id("AAAAAAAA1")));
  const auto row = peers.by_name("carol");
  REQUIRE(row);
  CHECK(row->identity == id("AAAAAAAA1"));
  CHECK(row->status == PeerStatus::trusted);
  CHECK(row->announced_address == "192.0.2.7:4040");
  CHECK(peers.by_identity(id("AAAAAAAA2"))->status == PeerStatus::pending);
}

TEST_CASE_METHOD(Fixture, "address_book: accepting twice finds the same state") {
  book.accept("SHA256:AAAAAAAA1", "carol", std::nullopt);
  const PeerInfo info = book.accept("SHA256:AAAAAAAA1", "Carol", std::nullopt);
  CHECK(info.name == "carol");
  CHECK(info.status == PeerStatus::trusted);
}

TEST_CASE_METHOD(Fixture,
                 "address_book: a fingerprint that is not the expected one is not accepted") {
  const Error error =
      error_from([&] { book.accept("SHA256:AAAAAAAA1", "carol", fingerprint(id("AAAAAAAA2"))); });
  CHECK(error.status() == Status::trust);
  CHECK_THAT(error.what(), Catch::Contains(fingerprint(id("AAAAAAAA1"))));
  CHECK_FALSE(peers.by_name("carol"));
  CHECK(book.accept("SHA256:AAAAAAAA1", "carol", fingerprint(id("AAAAAAAA1"))).status ==
        PeerStatus::trusted);
}

TEST_CASE_METHOD(Fixture, "address_book: an expected fingerprint is a whole one") {
  CHECK(error_from([&] {
          book.accept("SHA256:AAAAAAAA1", "carol", "SHA256:AAAAAAAA1");
        }).status() == Status::data);
  CHECK_FALSE(peers.by_name("carol"));
}

TEST_CASE_METHOD(Fixture,
                 "address_book: nobody is accepted under a name that is taken or is none") {
  const Error error =
      error_from([&] { book.accept("SHA256:AAAAAAAA1", "BOB", fingerprint(id("AAAAAAAA1"))); });
  CHECK(error.status() == Status::trust);
  CHECK_THAT(error.what(), Catch::Contains(fingerprint(id_of(Who::bob))));
  CHECK_THAT(error.what(), Catch::Contains(fingerprint(id("AAAAAAAA1"))));
  CHECK(error.hint() ==
        "if its key has changed: p2pchat register bob 192.0.2.7:4040 --replace "
        "--expect " +
            fingerprint(id("AAAAAAAA1")));
  CHECK(error_from([&] { book.accept("SHA256:AAAAAAAA1", "a b", std::nullopt); }).status() ==
        Status::usage);
  CHECK(peers.by_identity(id("AAAAAAAA1"))->status == PeerStatus::pending);
}

TEST_CASE_METHOD(Fixture, "address_book: a trusted peer is not accepted under another name") {
  const Error error =
      error_from([&] { book.accept(fingerprint(id_of(Who::bob)), "robert", std::nullopt); });
  CHECK(error.status() == Status::cannot_create);
  CHECK_THAT(error.what(), Catch::Contains("'bob'"));
}

TEST_CASE_METHOD(Fixture, "address_book: who is not pending cannot be accepted") {
  CHECK(error_from([&] { book.accept("SHA256:BBBBBBBB", "carol", std::nullopt); }).status() ==
        Status::no_peer);
}

TEST_CASE_METHOD(Fixture, "address_book: a rejected stranger is gone, twice as well as once") {
  book.reject("SHA256:AAAAAAAA1");
  CHECK_FALSE(peers.by_identity(id("AAAAAAAA1")));
  CHECK_NOTHROW(book.reject("SHA256:AAAAAAAA1"));
  CHECK(peers.count_pending() == 1);
}

TEST_CASE_METHOD(Fixture, "address_book: a trusted peer is not rejected") {
  CHECK(error_from([&] { book.reject(fingerprint(id_of(Who::bob))); }).status() == Status::data);
  CHECK(peers.by_name("bob"));
}

TEST_CASE_METHOD(Fixture, "address_book: a removed peer is gone, twice as well as once") {
  const std::string selector = GENERATE_COPY(std::string("Bob"), fingerprint(id_of(Who::bob)));
  book.remove(selector);
  CHECK_FALSE(peers.by_identity(id_of(Who::bob)));
  CHECK_NOTHROW(book.remove(selector));
}

TEST_CASE_METHOD(Fixture, "address_book: a removed peer's message ids stay") {
  Messages messages(database);
  const MessageKey key{Direction::in, id_of(Who::bob), id_of(Who::alice), "1"};
  MessageRow row;
  row.key = key;
  messages.insert(row);
  book.remove("bob");
  CHECK(messages.find(key));
}

TEST_CASE_METHOD(Fixture,
                 "address_book: who claims a known address is accepted only when expected") {
  PeerRow row = *peers.by_name("bob");
  row.typed_address = GENERATE("192.0.2.7:4040", "typed.example:1");
  row.announced_address = "192.0.2.7:4040";
  peers.update(row);
  const std::string whole = fingerprint(id("AAAAAAAA1"));
  const Error error = error_from([&] { book.accept(whole, "carol", std::nullopt); });
  CHECK(error.status() == Status::trust);
  CHECK_THAT(error.what(), Catch::Contains("192.0.2.7:4040 of 'bob'"));
  CHECK_THAT(error.hint(), Catch::EndsWith("--replace --expect " + whole));
  CHECK(peers.by_identity(id("AAAAAAAA1"))->status == PeerStatus::pending);
  CHECK(book.accept(whole, "carol", whole).name == "carol");
}

TEST_CASE_METHOD(Fixture, "address_book: a blocked peer becomes again what it was") {
  const std::string selector = GENERATE("bob", "SHA256:AAAAAAAA1");
  const PeerStatus before = book.show(selector).status;
  book.block(selector);
  book.block(selector);
  CHECK(book.show(selector).status == PeerStatus::blocked);
  book.unblock(selector);
  book.unblock(selector);
  CHECK(book.show(selector).status == before);
  CHECK(error_from([&] { book.block("nobody"); }).status() == Status::no_peer);
  CHECK(error_from([&] { book.unblock("nobody"); }).status() == Status::no_peer);
}

TEST_CASE_METHOD(Fixture, "address_book: a blocked stranger is neither accepted nor rejected") {
  book.block("SHA256:AAAAAAAA1");
  CHECK(error_from([&] { book.accept("SHA256:AAAAAAAA1", "carol", std::nullopt); }).status() ==
        Status::trust);
  CHECK(error_from([&] { book.reject("SHA256:AAAAAAAA1"); }).status() == Status::data);
  CHECK(book.show("SHA256:AAAAAAAA1").status == PeerStatus::blocked);
}

TEST_CASE_METHOD(Fixture, "address_book: a peer has one name at a time, twice as well as once") {
  book.rename("bob", "robert");
  book.rename("bob", "robert");
  CHECK_FALSE(peers.by_name("bob"));
  CHECK(book.show("robert").fingerprint == fingerprint(id_of(Who::bob)));
  book.rename("robert", "Robert");
  CHECK(book.show("robert").name == "Robert");
  book.rename(fingerprint(id_of(Who::bob)), "bob");
  CHECK(book.show("bob").name == "bob");
}

TEST_CASE_METHOD(Fixture, "address_book: a name that is taken or is none is not given") {
  book.accept("SHA256:AAAAAAAA1", "carol", std::nullopt);
  CHECK(error_from([&] { book.rename("bob", "CAROL"); }).status() == Status::cannot_create);
  CHECK(error_from([&] { book.rename("bob", "4040"); }).status() == Status::usage);
  CHECK(error_from([&] { book.rename("nobody", "robert"); }).status() == Status::no_peer);
  CHECK(error_from([&] { book.rename("SHA256:AAAAAAAA2", "dave"); }).status() == Status::trust);
  CHECK(book.show("bob").name == "bob");
}

TEST_CASE_METHOD(Fixture, "address_book: a card is the newest statement of a peer") {
  CHECK(book.card("bob") == bob_statement().token);
  CHECK(error_from([&] { book.card("nobody"); }).status() == Status::no_peer);
}

TEST_CASE_METHOD(Fixture,
                 "address_book: digits are those of both identities, and can be confirmed") {
  CHECK(book.digits("bob", id_of(Who::alice)) ==
        verification_digits(id_of(Who::bob), id_of(Who::alice)));
  book.confirm("bob");
  book.confirm("bob");
  CHECK(book.show("bob").trust == Trust::verified);
  CHECK(error_from([&] { book.confirm("SHA256:AAAAAAAA1"); }).status() == Status::trust);
}

TEST_CASE_METHOD(Fixture, "address_book: accepting a first-use peer is a decision") {
  PeerRow row = *peers.by_name("bob");
  row.trust = Trust::first_use;
  peers.update(row);
  CHECK(book.accept(fingerprint(id_of(Who::bob)), "bob", std::nullopt).trust == Trust::accepted);
}

}  // namespace p2pchat

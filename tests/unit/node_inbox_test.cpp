#include "node/inbox.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>

#include "protocol/claims.h"
#include "store/messages.h"
#include "store/peers.h"
#include "test_home.h"

namespace p2pchat {

namespace {

const Origin kHere{"192.0.2.7", "192.0.2.7"};
const Origin kThere{"2001:db8::7", "2001:db8::/64"};

// What Alice has sent, already opened and verified.
Request message(const std::string& jti, const std::string& body = "hello",
                std::uint64_t exp = kNow + kSecondsPerDay) {
  Request request;
  request.iss = id_of(Who::alice);
  request.aud = id_of(Who::bob);
  request.iat = kNow;
  request.exp = exp;
  request.jti = jti;
  request.body = body;
  request.content_hash = content_hash(request.type, request.aud, body);
  return request;
}

Request registration(std::uint64_t iat = kNow, const std::string& addr = "alice.example:4040",
                     const KeyStatement& keys = alice_statement()) {
  Request request = message("registration");
  request.type = RequestType::registration;
  request.iat = iat;
  request.introduction = Introduction{keys, addr, "Alice"};
  return request;
}

// Somebody nobody knows, told from others by the number.
Request registration_of(unsigned number, std::uint64_t iat = kNow) {
  Request request = registration(iat);
  request.iss = "stranger " + std::to_string(number);
  request.exp = iat + kSecondsPerDay;
  return request;
}

// Nobody else's address either.
Request without_address(Request request) {
  request.introduction->addr.clear();
  return request;
}

KeyStatement statement_with(std::uint64_t seq, const RsaPrivateKey& encryption) {
  return make_key_statement(alice_identity(), encryption.public_key(), seq, kNow,
                            kNow + kSecondsPerDay);
}

// Bob's state.
struct Fixture {
  void know_alice(PeerStatus status) {
    PeerRow row;
    row.identity = id_of(Who::alice);
    row.status = status;
    if (status == PeerStatus::trusted) row.name = "al";
    row.statement = alice_statement().token;
    row.registered = kNow - 100;
    row.typed_address = "typed.example:1";
    peers.insert(row);
  }

  Verdict take(const Request& request, const Origin& origin = kHere, std::uint64_t now = kNow,
               const std::string& reply = "a reply") {
    WriteTransaction transaction(database);
    Verdict verdict =
        Inbox(home.home(), {reply, first_use}, places).take(database, request, origin, now);
    transaction.commit();
    return verdict;
  }

  PeerRow alice() {
    const auto row = peers.by_identity(id_of(Who::alice));
    REQUIRE(row);
    return *row;
  }
  std::optional<MessageRow> stored(const std::string& jti) {
    return messages.find({Direction::in, id_of(Who::alice), id_of(Who::bob), jti});
  }

  bool first_use = false;
  Places* places = nullptr;
  TestHome home;
  Database database = home.state();
  Peers peers{database};
  Messages messages{database};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "inbox: a trusted peer's message is stored, to be printed, and ok") {
  know_alice(PeerStatus::trusted);
  const Verdict verdict = take(message("1", std::string("a\0b", 3)));
  CHECK(verdict.status == AckStatus::ok);
  CHECK(verdict.reply == "a reply");
  CHECK(verdict.rc == 0);
  CHECK_FALSE(verdict.newcomer);
  const auto row = stored("1");
  REQUIRE(row);
  CHECK(row->body == std::string("a\0b", 3));
  CHECK(row->state == MessageState::print);
  CHECK(row->time == kNow);
  CHECK(row->exp == kNow + kSecondsPerDay);
  CHECK(row->reply == "a reply");
  CHECK(messages.count_to_print() == 1);
  CHECK(alice().last_seen == kNow);
}

TEST_CASE_METHOD(Fixture, "inbox: a repetition is a dup with the reply of the first time") {
  know_alice(PeerStatus::trusted);
  take(message("1"));
  const Verdict verdict = take(message("1"), kHere, kNow + 5, "another reply");
  CHECK(verdict.status == AckStatus::dup);
  CHECK(verdict.reply_of == stored("1")->id);
  CHECK(stored("1")->reply == "a reply");
  CHECK(messages.count_to_print() == 1);
  CHECK(stored("1")->time == kNow);
}

TEST_CASE_METHOD(Fixture, "inbox: a repetition gets the handler's status of the first time") {
  know_alice(PeerStatus::trusted);
  take(message("1"));
  messages.set_outcome(stored("1")->id, MessageState::printed, "handled", 3);
  const Verdict verdict = take(message("1"));
  CHECK(verdict.status == AckStatus::dup);
  CHECK(verdict.reply_of == stored("1")->id);
  CHECK(verdict.rc == 3);
  CHECK(stored("1")->state == MessageState::printed);  // and is not printed again
}

TEST_CASE_METHOD(Fixture, "inbox: a repetition is told apart when its body is gone") {
  know_alice(PeerStatus::trusted);
  take(message("1"));
  messages.forget_body(stored("1")->id);
  CHECK(take(message("1")).status == AckStatus::dup);
  CHECK(take(message("1", "other")).status == AckStatus::conflict);
}

TEST_CASE_METHOD(Fixture, "inbox: a repetition's expiry counts when it is later") {
  know_alice(PeerStatus::trusted);
  take(message("1", "hello", kNow + 100));
  take(message("1", "hello", kNow + 50));
  CHECK(stored("1")->exp == kNow + 100);
  take(message("1", "hello", kNow + 200));
  CHECK(stored("1")->exp == kNow + 200);
}

TEST_CASE_METHOD(Fixture, "inbox: welcome are new messages of trusted peers and changes of them") {
  CHECK_FALSE(take(registration_of(1)).welcome);
  first_use = true;
  CHECK_FALSE(take(without_address(registration_of(2))).welcome);
  SECTION("a trusted peer") {
    know_alice(PeerStatus::trusted);
    CHECK(take(message("1")).welcome);
    CHECK_FALSE(take(message("1")).welcome);
    CHECK_FALSE(take(message("1", "another body")).welcome);
    CHECK(take(registration()).welcome);
    CHECK_FALSE(take(registration()).welcome);
  }
  SECTION("others") {
    know_alice(GENERATE(PeerStatus::pending, PeerStatus::blocked));
    CHECK_FALSE(take(message("1")).welcome);
    CHECK_FALSE(take(registration()).welcome);
  }
}

TEST_CASE_METHOD(Fixture, "inbox: the same id with another body is a conflict") {
  know_alice(PeerStatus::trusted);
  take(message("1", "hello", kNow + 100));
  const Verdict verdict = take(message("1", "hullo", kNow + 200));
  CHECK(verdict.status == AckStatus::conflict);
  CHECK(verdict.reply.empty());
  CHECK(stored("1")->body == "hello");
  CHECK(stored("1")->exp == kNow + 100);
  CHECK(messages.count_to_print() == 1);
}

TEST_CASE_METHOD(Fixture, "inbox: a message of a pending peer is not stored") {
  know_alice(PeerStatus::pending);
  const Verdict verdict = take(message("1"));
  CHECK(verdict.status == AckStatus::pending);
  CHECK(verdict.reply.empty());
  CHECK_FALSE(stored("1"));
  CHECK(alice().last_seen == 0);
}

TEST_CASE_METHOD(Fixture,
                 "inbox: a message of nobody we know is answered as if it did not verify") {
  CHECK_FALSE(take(message("1")).status);
  CHECK_FALSE(stored("1"));
}

TEST_CASE_METHOD(Fixture, "inbox: a peer that was removed and accepted again repeats nothing") {
  know_alice(PeerStatus::trusted);
  take(message("1"));
  peers.remove(alice().id);
  know_alice(PeerStatus::pending);
  CHECK(take(message("1")).status == AckStatus::pending);  // its ids are not looked up
  peers.remove(alice().id);
  know_alice(PeerStatus::trusted);
  CHECK(take(message("1")).status == AckStatus::dup);
  CHECK(messages.count_to_print() == 1);
}

TEST_CASE_METHOD(Fixture, "inbox: a request from the future or past its expiry is skew") {
  know_alice(PeerStatus::trusted);
  Request request = GENERATE(true, false) ? message("1") : registration();
  SECTION("too far ahead") {
    request.iat = kNow + kClockToleranceSeconds + 1;
    CHECK(take(request).status == AckStatus::skew);
  }
  SECTION("just expired") {
    request.exp = kNow;
    CHECK(take(request).status == AckStatus::skew);
  }
  SECTION("as far ahead as is tolerated") {
    request.iat = kNow + kClockToleranceSeconds;
    CHECK(take(request).status != AckStatus::skew);
  }
  SECTION("not yet expired") {
    request.exp = kNow + 1;
    CHECK(take(request).status != AckStatus::skew);
  }
}

TEST_CASE_METHOD(Fixture, "inbox: skew changes nothing") {
  know_alice(PeerStatus::trusted);
  take(message("1", "hello", kNow + 100));
  CHECK(take(message("2", "hello", kNow)).status == AckStatus::skew);
  CHECK(take(registration(kNow + 10'000)).status == AckStatus::skew);
  CHECK_FALSE(stored("2"));
  CHECK(alice().registered == kNow - 100);
  CHECK(alice().announced_address.empty());
}

TEST_CASE_METHOD(Fixture, "inbox: an id that may have been purged is skew, a later one is not") {
  know_alice(PeerStatus::trusted);
  take(message("1", "hello", kNow + 100));
  messages.set_state(stored("1")->id, MessageState::printed);
  messages.forget_body(stored("1")->id);
  take(message("newest", "hello", kNow + 200));
  messages.purge(kNow + 101);  // by a clock that ran ahead
  REQUIRE(messages.purge_mark(kNow + kSecondsPerDay) == kNow + 100);
  CHECK(take(message("1", "hello", kNow + 100)).status == AckStatus::skew);
  CHECK(take(message("2", "hello", kNow + 99)).status == AckStatus::skew);
  CHECK(take(message("3", "hello", kNow + 101)).status == AckStatus::ok);
}

// The clocks of both sides ran ahead, and an id of that time was purged: everybody was refused
// until that time came.
TEST_CASE_METHOD(Fixture, "inbox: a clock that once ran ahead locks nobody out for good") {
  know_alice(PeerStatus::trusted);
  const std::uint64_t ahead = kNow + 400 * kSecondsPerDay;
  const auto at = [&](const std::string& jti, std::uint64_t now) {
    Request request = message(jti, "hello", now + 7 * kSecondsPerDay);
    request.iat = now;
    return take(request, kHere, now);
  };
  const auto printed = [&](const std::string& jti) {
    messages.set_state(stored(jti)->id, MessageState::printed);
  };
  CHECK(at("before", kNow - 1).status == AckStatus::ok);
  CHECK(at("ahead", ahead).status == AckStatus::ok);
  printed("before");
  printed("ahead");
  CHECK(at("newest", ahead).status == AckStatus::ok);
  clean_up(database, ahead + 20 * kSecondsPerDay, 0);
  REQUIRE_FALSE(stored("before"));
  REQUIRE_FALSE(stored("ahead"));

  CHECK(at("after", kNow).status == AckStatus::ok);
  CHECK(at("before", kNow - 1).status == AckStatus::skew);  // as it was then
  CHECK(at("ahead", ahead).status == AckStatus::skew);      // in its time, too
}

TEST_CASE_METHOD(Fixture, "inbox: who registered when the clock ran ahead can register again") {
  const std::uint64_t ahead = kNow + 400 * kSecondsPerDay;
  know_alice(PeerStatus::trusted);
  Request then = registration(ahead, "then.example:1");
  then.exp = ahead + 100;
  CHECK(take(then, kHere, ahead).counts);
  CHECK(take(registration(kNow, "now.example:1")).counts);
  CHECK(alice().announced_address == "now.example:1");
  CHECK_FALSE(take(registration(kNow - 1, "before.example:1")).counts);
  CHECK(alice().announced_address == "now.example:1");
}

TEST_CASE_METHOD(Fixture, "inbox: strangers of a time that has not come keep nobody out") {
  const std::uint64_t ahead = kNow + 400 * kSecondsPerDay;
  for (unsigned i = 0; i < kMaxNewPerSourceAndDay; ++i) {
    REQUIRE(take(registration_of(i, ahead), kHere, ahead).status == AckStatus::pending);
  }
  CHECK(take(registration_of(kMaxNewPerSourceAndDay)).status == AckStatus::pending);
}

TEST_CASE_METHOD(Fixture, "inbox: a stranger is kept as pending, with what it says of itself") {
  const Verdict verdict = take(registration());
  CHECK(verdict.status == AckStatus::pending);
  CHECK(verdict.reply.empty());
  CHECK(verdict.newcomer);
  const PeerRow row = alice();
  CHECK(row.status == PeerStatus::pending);
  CHECK(row.name.empty());
  CHECK(row.hint == "Alice");
  CHECK(row.statement == alice_statement().token);
  CHECK(row.announced_address == "alice.example:4040");
  CHECK(row.typed_address.empty());
  CHECK(row.source == kHere.network);
  CHECK(row.registered == kNow);
  CHECK(row.first_seen == kNow);
}

TEST_CASE_METHOD(Fixture, "inbox: a port alone stands for where the registration comes from") {
  const auto announced = [&](const std::string& addr, const Origin& origin) {
    peers.remove(alice().id);
    take(registration(kNow, addr), origin);
    return alice().announced_address;
  };
  take(registration());
  CHECK(announced(":5050", kHere) == "192.0.2.7:5050");
  CHECK(announced(":5050", kThere) == "[2001:db8::7]:5050");
  CHECK(announced("", kHere).empty());
  // A zone means something on one interface of ours alone.
  CHECK(announced(":5050", {"fe80::1%eth0", "fe80::/64"}).empty());
  CHECK(announced("[::1]:1", kHere) == "[::1]:1");
}

TEST_CASE_METHOD(Fixture, "inbox: a registration that is not newer changes nothing") {
  const PeerStatus status = GENERATE(PeerStatus::trusted, PeerStatus::pending);
  know_alice(status);
  const std::uint64_t iat = GENERATE(kNow - 100, kNow - 101);
  const Verdict verdict =
      take(registration(iat, "evil.example:1", statement_with(kNow + 1, bob_encryption())));
  CHECK(verdict.status ==
        (status == PeerStatus::trusted ? AckStatus::trusted : AckStatus::pending));
  CHECK_FALSE(verdict.newcomer);
  CHECK(alice().statement == alice_statement().token);
  CHECK(alice().announced_address.empty());
  CHECK(alice().registered == kNow - 100);
}

TEST_CASE_METHOD(Fixture,
                 "inbox: a newer registration updates address and key, not status or name") {
  const PeerStatus status = GENERATE(PeerStatus::trusted, PeerStatus::pending);
  know_alice(status);
  const KeyStatement newer = statement_with(kNow + 1, bob_encryption());
  const Verdict verdict = take(registration(kNow - 99, ":7", newer));
  CHECK(verdict.status ==
        (status == PeerStatus::trusted ? AckStatus::trusted : AckStatus::pending));
  CHECK_FALSE(verdict.newcomer);
  const PeerRow row = alice();
  CHECK(row.statement == newer.token);
  CHECK(row.announced_address == "192.0.2.7:7");
  CHECK(row.typed_address == "typed.example:1");  // what our user typed is never changed by a peer
  CHECK(row.hint == "Alice");
  CHECK(row.registered == kNow - 99);
  CHECK(row.last_seen == kNow);
  CHECK(row.status == status);
  CHECK(row.name == (status == PeerStatus::trusted ? "al" : ""));
}

TEST_CASE_METHOD(Fixture, "inbox: a registration with the key that is known already is fine") {
  know_alice(PeerStatus::trusted);
  CHECK(take(registration()).status == AckStatus::trusted);
  CHECK(alice().announced_address == "alice.example:4040");
}

TEST_CASE_METHOD(Fixture, "inbox: a registration with an older or a forked key is refused") {
  know_alice(PeerStatus::trusted);
  const KeyStatement statement =
      GENERATE(statement_with(kNow - 1, bob_encryption()), statement_with(kNow, bob_encryption()));
  CHECK_FALSE(take(registration(kNow, ":7", statement)).status);
  CHECK(alice().statement == alice_statement().token);
  CHECK(alice().registered == kNow - 100);
  CHECK(alice().announced_address.empty());
}

TEST_CASE_METHOD(Fixture, "inbox: a source has so many new strangers a day and no more") {
  for (unsigned i = 0; i < kMaxNewPerSourceAndDay; ++i) {
    REQUIRE(take(registration_of(i)).status == AckStatus::pending);
  }
  const Verdict verdict = take(registration_of(9999));
  CHECK(verdict.status == AckStatus::busy);
  CHECK_FALSE(verdict.newcomer);
  CHECK(peers.count_pending() == kMaxNewPerSourceAndDay);
  // Whoever it knows, another source and the next day are not concerned.
  CHECK(take(registration_of(0, kNow + 1)).status == AckStatus::pending);
  CHECK(take(registration_of(9999), kThere).status == AckStatus::pending);
  const std::uint64_t tomorrow = kNow + kSecondsPerDay;
  CHECK(take(registration_of(8888, tomorrow), kHere, tomorrow).status == AckStatus::pending);
}

TEST_CASE_METHOD(Fixture,
                 "inbox: with too many strangers the oldest of the source with most goes") {
  {
    WriteTransaction transaction(database);
    for (std::uint64_t i = 0; i < kMaxPending; ++i) {
      PeerRow row;
      row.identity = std::to_string(i);
      row.source = i == 0 ? "quiet" : "busy";  // the quiet one is the oldest
      row.first_seen = kNow - 10 * kSecondsPerDay + i;
      peers.insert(row);
    }
    transaction.commit();
  }
  CHECK(take(registration()).status == AckStatus::pending);
  CHECK(peers.count_pending() == kMaxPending);
  CHECK(peers.by_identity("0"));
  CHECK_FALSE(peers.by_identity("1"));
  CHECK(peers.by_identity("2"));
  CHECK(alice().status == PeerStatus::pending);
}

TEST_CASE_METHOD(Fixture, "inbox: time takes away what has expired, and nothing else") {
  constexpr std::uint64_t kKeep = 90 * kSecondsPerDay;
  know_alice(PeerStatus::trusted);
  const auto store = [&](const std::string& jti, std::uint64_t age, MessageState state) {
    const Request request = message(jti);
    messages.insert({{Direction::in, request.iss, request.aud, jti},
                     request.content_hash,
                     request.body,
                     kNow - age,
                     kNow - age + kSecondsPerDay,
                     state,
                     "",
                     0,
                     0});
  };
  store("old", kKeep + 1, MessageState::printed);
  store("old and waiting", kKeep + 1, MessageState::print);
  store("kept", kKeep, MessageState::printed);
  take(registration_of(1));
  PeerRow forgotten;
  forgotten.identity = "forgotten";
  forgotten.first_seen = kNow - kPendingLifeDays * kSecondsPerDay - 1;
  peers.insert(forgotten);

  clean_up(database, kNow, kKeep);
  CHECK_FALSE(stored("old"));
  REQUIRE(stored("old and waiting"));
  CHECK(stored("old and waiting")->body == "hello");
  REQUIRE(stored("kept"));
  CHECK(stored("kept")->body == "hello");
  CHECK_FALSE(peers.by_identity("forgotten"));
  CHECK(peers.by_identity("stranger 1"));
  CHECK(peers.by_identity(id_of(Who::alice)));
}

TEST_CASE_METHOD(Fixture, "inbox: an id outlives its expiry by a day, also without its body") {
  know_alice(PeerStatus::trusted);
  take(message("1", "hello", kNow + 100));
  messages.set_state(stored("1")->id, MessageState::printed);
  take(message("newest", "hello", kNow + 200));
  clean_up(database, kNow + 100 + kSecondsPerDay, 0);
  REQUIRE(stored("1"));
  CHECK(stored("1")->body.empty());
  clean_up(database, kNow + 101 + kSecondsPerDay, 0);
  CHECK_FALSE(stored("1"));
  CHECK(messages.purge_mark(kNow + kSecondsPerDay) == kNow + 100);
}

TEST_CASE_METHOD(Fixture, "inbox: at first use a stranger is trusted under a name of ours") {
  first_use = true;
  const Verdict verdict = take(registration());
  CHECK(verdict.status == AckStatus::trusted);
  REQUIRE(verdict.newcomer);
  CHECK(verdict.newcomer->name == "peer-" + id_of(Who::alice).substr(0, 8));
  const PeerRow row = alice();
  CHECK(row.status == PeerStatus::trusted);
  CHECK(row.trust == Trust::first_use);
  CHECK(row.name == verdict.newcomer->name);
  CHECK(row.hint == "Alice");
  CHECK(take(message("1")).status == AckStatus::ok);
}

TEST_CASE_METHOD(Fixture, "inbox: a name of ours that is taken grows") {
  first_use = true;
  PeerRow row;
  row.identity = "somebody";
  row.status = PeerStatus::trusted;
  row.name = "PEER-" + id_of(Who::alice).substr(0, 8);
  peers.insert(row);
  CHECK(take(registration()).newcomer->name == "peer-" + id_of(Who::alice).substr(0, 9));
}

TEST_CASE_METHOD(Fixture, "inbox: first use trusts a thousand, and those after them are pending") {
  first_use = true;
  for (unsigned i = 0; i < kMaxFirstUse; ++i) {
    take(without_address(registration_of(i)), {"192.0.2.7", "network " + std::to_string(i)});
  }
  CHECK(peers.count_first_use() == kMaxFirstUse);
  CHECK(take(without_address(registration())).status == AckStatus::pending);
}

TEST_CASE_METHOD(Fixture, "inbox: first use keeps to the new identities that a source has a day") {
  first_use = true;
  for (unsigned i = 0; i < kMaxNewPerSourceAndDay; ++i) take(without_address(registration_of(i)));
  CHECK(take(without_address(registration())).status == AckStatus::busy);
  CHECK(take(without_address(registration()), kThere).status == AckStatus::trusted);
}

TEST_CASE_METHOD(Fixture, "inbox: first use does not decide about a stranger that waits already") {
  know_alice(PeerStatus::pending);
  first_use = true;
  CHECK(take(registration()).status == AckStatus::pending);
  CHECK(alice().status == PeerStatus::pending);
}

TEST_CASE_METHOD(Fixture, "inbox: another key at a known address is told and never trusted") {
  first_use = GENERATE(false, true);
  PeerRow row;
  row.identity = "somebody";
  row.status = PeerStatus::trusted;
  row.name = "al";
  const bool typed = GENERATE(false, true);
  (typed ? row.typed_address : row.announced_address) = "Alice.Example:4040";
  peers.insert(row);
  const Verdict verdict = take(registration());
  CHECK(verdict.status == AckStatus::pending);
  REQUIRE(verdict.newcomer);
  CHECK(verdict.newcomer->claimed_name == "al");
  CHECK(verdict.newcomer->claimed_id == "somebody");
  CHECK(verdict.newcomer->address == "alice.example:4040");
  CHECK(alice().status == PeerStatus::pending);
}

TEST_CASE_METHOD(Fixture,
                 "inbox: a blocked peer is told what a pending one is, and changes nothing") {
  know_alice(PeerStatus::trusted);
  PeerRow row = alice();
  row.status = PeerStatus::blocked;
  peers.update(row);
  CHECK(take(message("1")).status == AckStatus::pending);
  CHECK_FALSE(stored("1"));
  CHECK(take(registration()).status == AckStatus::pending);
  CHECK(alice().status == PeerStatus::blocked);
  CHECK(alice().registered == row.registered);
  CHECK(alice().announced_address == row.announced_address);
}

TEST_CASE_METHOD(Fixture, "inbox: ten thousand strangers take no more room than a thousand") {
  constexpr unsigned kStrangers = 10'000;
  constexpr std::uintmax_t kBound = 8'000'000;  // bytes of the whole folder
  know_alice(PeerStatus::trusted);
  const auto folder_size = [&] {
    std::uintmax_t size = 0;
    for (const auto& entry : std::filesystem::directory_iterator(home.home().folder())) {
      size += entry.file_size();
    }
    return size;
  };
  const auto trusted_traffic = [&](unsigned round) {
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < 300; ++i) {
      CHECK(take(message(std::to_string(round) + "/" + std::to_string(i))).status == AckStatus::ok);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  trusted_traffic(0);  // the file grows
  const double before = trusted_traffic(1);
  std::uintmax_t after_a_thousand = 0;
  for (unsigned i = 0; i < kStrangers; ++i) {
    // A hundred sources over a hundred days: none has more than its share of a day.
    const std::uint64_t now = kNow + i * 864ULL;
    CHECK(take(without_address(registration_of(i, now)), {"", "network " + std::to_string(i % 100)},
               now)
              .status == AckStatus::pending);
    if (i + 1 == kMaxPending) after_a_thousand = folder_size();
  }
  CHECK(peers.count_pending() <= kMaxPending);
  CHECK(folder_size() < kBound);
  const double after = trusted_traffic(2);
  WARN("folder after 1,000 strangers: " << after_a_thousand << " bytes, after 10,000: "
                                        << folder_size() << " (bound " << kBound
                                        << "); trusted traffic after / before: " << after / before);
}

TEST_CASE_METHOD(Fixture, "inbox: a message for a handler is stored as such, and held meanwhile") {
  know_alice(PeerStatus::trusted);
  Places one(1, std::nullopt);
  places = &one;
  {
    const Verdict verdict = take(message("1"));
    CHECK(verdict.status == AckStatus::ok);
    REQUIRE(verdict.to_handle);
    CHECK(messages.get(verdict.to_handle->row)->key.jti == "1");
    CHECK(verdict.to_handle->lock.held());
    CHECK(stored("1")->state == MessageState::exec);
    CHECK(messages.count_to_print() == 0);

    const Verdict again = take(message("1"));
    CHECK(again.status == AckStatus::busy);
    CHECK_FALSE(again.to_handle);
  }
  CHECK(stored("1")->state == MessageState::exec);
}

TEST_CASE_METHOD(Fixture, "inbox: when all handlers are taken it is busy, and nothing is stored") {
  know_alice(PeerStatus::trusted);
  Places one(1, std::nullopt);
  places = &one;
  const auto taken = one.take();
  const Verdict verdict = take(message("1"));
  CHECK(verdict.status == AckStatus::busy);
  CHECK(verdict.reply.empty());
  CHECK_FALSE(stored("1"));
}

TEST_CASE_METHOD(Fixture, "inbox: what nobody has begun to handle is handled when it comes again") {
  know_alice(PeerStatus::trusted);
  Places one(1, std::nullopt);
  places = &one;
  take(message("1"));
  {
    const Verdict verdict = take(message("1"));
    CHECK(verdict.status == AckStatus::dup);
    REQUIRE(verdict.to_handle);
  }
  places = nullptr;
  CHECK(take(message("1")).status == AckStatus::busy);
  CHECK(stored("1")->state == MessageState::exec);
}

TEST_CASE_METHOD(Fixture,
                 "inbox: a handler whose listener has died is interrupted, and not run again") {
  know_alice(PeerStatus::trusted);
  Places one(1, std::nullopt);
  if (GENERATE(false, true)) places = &one;
  Places other(1, std::nullopt);
  const Inbox inbox(home.home(), {}, &other);
  std::optional<Verdict> held;
  {
    WriteTransaction transaction(database);
    held = inbox.take(database, message("1"), kHere, kNow);
    messages.set_state(held->to_handle->row, MessageState::handling);
    transaction.commit();
  }
  CHECK(take(message("1")).status == AckStatus::busy);
  held.reset();
  const Verdict verdict = take(message("1"));
  CHECK(verdict.status == AckStatus::dup);
  CHECK(verdict.reply.empty());
  CHECK(verdict.rc == kInterrupted);
  CHECK_FALSE(verdict.to_handle);
  REQUIRE(verdict.interrupted);
  CHECK(verdict.interrupted->id == "1");
  CHECK(stored("1")->body == "hello");
  CHECK(stored("1")->state == MessageState::interrupted);
  CHECK(take(message("1")).rc == kInterrupted);
}

TEST_CASE_METHOD(Fixture, "inbox: a message that was handled gets its reply again, byte for byte") {
  know_alice(PeerStatus::trusted);
  Places one(1, std::nullopt);
  places = &one;
  const std::string reply("a\0b\n\xff", 5);
  take(message("1"));
  messages.set_outcome(stored("1")->id, MessageState::handled, reply, 3);
  const Verdict verdict = take(message("1"), kHere, kNow, "another");
  CHECK(verdict.status == AckStatus::dup);
  CHECK(verdict.reply_of == stored("1")->id);
  CHECK(stored("1")->reply == reply);
  CHECK(verdict.rc == 3);
  CHECK_FALSE(verdict.to_handle);
  CHECK(take(message("1", "another body")).status == AckStatus::conflict);
}

TEST_CASE_METHOD(Fixture,
                 "inbox: of an interrupted message nothing is kept when nothing is to be") {
  know_alice(PeerStatus::trusted);
  Places one(1, std::nullopt);
  places = &one;
  take(message("1"));
  messages.set_state(stored("1")->id, MessageState::handling);
  WriteTransaction transaction(database);
  Inbox(home.home(), {}, nullptr, true).take(database, message("1"), kHere, kNow);
  transaction.commit();
  CHECK(stored("1")->state == MessageState::interrupted);
  CHECK(stored("1")->body.empty());
}

TEST_CASE_METHOD(
    Fixture, "inbox: a registration counts unless a newer one has come or its sender is blocked") {
  CHECK(take(registration()).counts);
  CHECK(take(registration()).counts);  // made in the same second
  CHECK_FALSE(take(registration(kNow - 1)).counts);
  CHECK(take(registration(kNow + 1)).counts);
  peers.update([&] {
    PeerRow row = alice();
    row.status = PeerStatus::blocked;
    return row;
  }());
  CHECK_FALSE(take(registration(kNow + 2)).counts);
}

}  // namespace p2pchat

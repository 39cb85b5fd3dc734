#include "node/contact.h"

#include <catch2/catch.hpp>

#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

ScriptedPeer::Script saying(const std::string& reply) {
  return [reply](const Incoming&) { return reply; };
}
std::optional<std::string> nothing(const Incoming& /*request*/) {
  return std::nullopt;
}

std::string asked_keys(const std::string& address, Status lost = Status::unknown_outcome) {
  const Deadline deadline(kPatience);
  const Line line = connect({"bob", {address}}, deadline);
  return ask_keys(line, "bob", deadline, lost);
}

}  // namespace

TEST_CASE("contact: the address that our user typed comes before the one the peer announced") {
  PeerRow row;
  row.name = "bob";
  row.typed_address = "typed.example:1";
  row.announced_address = "announced.example:2";
  const Contact contact = Contact::of(row);
  CHECK(contact.name == "bob");
  CHECK(contact.addresses == std::vector<std::string>{"typed.example:1", "announced.example:2"});
}

TEST_CASE("contact: no address is tried twice, and an absent one not at all") {
  PeerRow row;
  CHECK(Contact::of(row).addresses.empty());
  row.announced_address = "bob.example:1";
  CHECK(Contact::of(row).addresses == std::vector<std::string>{"bob.example:1"});
  row.typed_address = "bob.example:1";
  CHECK(Contact::of(row).addresses == std::vector<std::string>{"bob.example:1"});
}

TEST_CASE("contact: without an address the cure is named") {
  const Error error = error_from([] { connect({"bob", {}}, Deadline(kPatience)); });
  CHECK(error.status() == Status::unavailable);
  CHECK_THAT(error.hint(), Catch::Contains("p2pchat register bob"));
}

TEST_CASE("contact: the next address is tried when one refuses") {
  const ScriptedPeer peer(saying(""));
  const Line line = connect({"bob", {closed_address(), peer.address()}}, Deadline(kPatience));
  CHECK(line.address() == peer.address());
}

TEST_CASE("contact: the first address that answers is taken") {
  const ScriptedPeer first(saying("first"));
  const ScriptedPeer second(saying("second"));
  const Line line = connect({"bob", {first.address(), second.address()}}, Deadline(kPatience));
  CHECK(line.address() == first.address());
}

TEST_CASE("contact: when none answers, the error is that of the first address") {
  const Error error = error_from([] {
    connect({"bob", {closed_address(), "nosuch.invalid:1"}}, Deadline(kPatience));
  });
  CHECK(error.status() == Status::unavailable);
  CHECK(std::string(error.what()) ==
        "cannot connect to 'bob' (" + closed_address() + "): connection refused");
}

TEST_CASE("contact: a name that does not exist has its own status") {
  const Error error = error_from([] {
    connect({"bob", {"nosuch.invalid:4040"}}, Deadline(kPatience));
  });
  CHECK(error.status() == Status::no_host);
  CHECK_THAT(error.what(), Catch::Contains("'bob' (nosuch.invalid:4040)"));
}

TEST_CASE("contact: a resolver that cannot tell now is told from one that can") {
  const auto reach = [](const char* host) {
    connect({"bob", {std::string(host) + ":4040"}}, Deadline(kPatience));
  };
  try {
    reach(kResolverIsDown);
    FAIL("no error was thrown");
  } catch (const NotResolvedNow& error) {
    CHECK(error.status() == Status::no_host);
    CHECK_THAT(error.what(), Catch::StartsWith("cannot resolve the address of 'bob'") &&
                                 Catch::EndsWith("name resolution failed"));
  }
  try {
    reach(kNoSuchHost);
    FAIL("no error was thrown");
  } catch (const NotResolvedNow&) {
    FAIL("there is no such host");
  } catch (const Error& error) {
    CHECK(error.status() == Status::no_host);
    CHECK_THAT(error.what(), Catch::EndsWith("host not found"));
  }
}

TEST_CASE("contact: keys are asked for, and the reply's frame comes back as it is") {
  ScriptedPeer peer(saying("eyJhbGciOiJQUzI1NiIsInR5cCI6InAycGNoYXQta2V5cytqd3QifQ.a.b"));
  CHECK_THAT(asked_keys(peer.address()), Catch::EndsWith(".a.b"));
  peer.end();
  CHECK(peer.requests() == std::vector<std::string>{"keys"});
}

TEST_CASE("contact: what cannot be an answer of this protocol is judged as it came") {
  const ScriptedPeer peer(saying("HTTP/1.1 400 Bad Request"));
  CHECK_THAT(asked_keys(peer.address()), Catch::StartsWith("HTTP/1.1"));
}

TEST_CASE("contact: an answer that does not come has the status that the caller chose") {
  const Status status = GENERATE(Status::unknown_outcome, Status::unavailable);
  const ScriptedPeer peer(nothing);
  const Error error = error_from([&] { asked_keys(peer.address(), status); });
  CHECK(error.status() == status);
  CHECK_THAT(error.what(), Catch::StartsWith("no answer from 'bob' (" + peer.address() + "): "));
}

TEST_CASE("contact: silence ends at the deadline") {
  Loop silent(LoopLimits{});  // the kernel connects, nobody answers
  const std::string address = silent.listen("127.0.0.1", 0);
  const Line line = connect({"bob", {address}}, Deadline(kPatience));
  CHECK(ask(line, "keys", Deadline(500ms)).end == ExchangeEnd::late);
}

TEST_CASE("contact: a command's streams are the connection, with the address in it") {
  Contact contact{"bob", {"[::1]:4041"}, "printf '%s\\0' %h-%p-100%% | tr -d %x; cat >/dev/null"};
  const Line line = connect(contact, Deadline(kPatience));
  CHECK(line.address() == "via " + contact.via);
  const Exchanged end = exchange(line.in(), line.out(), "keys", Deadline(kPatience),
                                 [](std::string_view) { return true; });
  CHECK(end.end == ExchangeEnd::answered);
  CHECK(end.reply == "::1-4041-100");
}

TEST_CASE("contact: a host cannot become more than one word of a command") {
  // No address that is accepted holds such a thing; the quoting does not rely on that.
  Contact contact{
      "bob", {"a-b.example:1"}, "for word in %h; do printf '<%s>' \"$word\"; done; printf '\\0'"};
  const Line line = connect(contact, Deadline(kPatience));
  const Exchanged end = exchange(line.in(), line.out(), "keys", Deadline(kPatience),
                                 [](std::string_view) { return true; });
  CHECK(end.reply == "<a-b.example>");
}

TEST_CASE("contact: a command without a place for the address needs none") {
  CHECK(names_address("nc %h 1"));
  CHECK(names_address("nc x %p"));
  CHECK_FALSE(names_address("nc x 1"));
  CHECK_NOTHROW(connect({"bob", {}, "cat"}, Deadline(kPatience)));
  const Error error = error_from([] { connect({"bob", {}, "nc %h"}, Deadline(kPatience)); });
  CHECK(error.status() == Status::unavailable);
}

TEST_CASE("contact: a command that is not found has let nobody read a byte") {
  const Line line = connect({"bob", {}, "/nonexistent/program 2>/dev/null"}, Deadline(kPatience));
  const Exchanged end = ask(line, "keys", Deadline(kPatience));
  CHECK(end.end == ExchangeEnd::not_begun);
  CHECK_THAT(end.why, Catch::Contains("status 127"));
}

TEST_CASE("contact: a command that ends without an answer has lost it") {
  const Line line = connect({"bob", {}, "head -c 1 >/dev/null; exit 3"}, Deadline(kPatience));
  const Exchanged end = ask(line, "keys", Deadline(kPatience));
  CHECK(end.end == ExchangeEnd::lost);
  CHECK_THAT(end.why, Catch::Contains("status 3"));
}

}  // namespace p2pchat

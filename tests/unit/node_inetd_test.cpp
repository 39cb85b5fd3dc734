#include "node/inetd.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <thread>

#include "base/clock.h"
#include "net/exchange.h"
#include "store/messages.h"
#include "store/peers.h"
#include "test_home.h"

namespace p2pchat {

namespace {

// Descriptors 0 and 1 are others, until the end.
class Redirected {
 public:
  Redirected(int in, int out) : in_(dup(0)), out_(dup(1)) {
    dup2(in, 0);
    dup2(out, 1);
  }
  ~Redirected() {
    dup2(in_.get(), 0);
    dup2(out_.get(), 1);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  Fd in_;
  Fd out_;
};

// Bob serves one exchange on a pair of sockets, or on two pipes.
struct Fixture {
  explicit Fixture(bool pipes = false) {
    std::array<int, 2> a{};
    std::array<int, 2> b{};
    if (pipes) {
      REQUIRE(pipe(a.data()) == 0);
      REQUIRE(pipe(b.data()) == 0);
      client_out = Fd(a[1]);
      client_in = Fd(b[0]);
      server_in = Fd(a[0]);
      server_out = Fd(b[1]);
    } else {
      REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, a.data()) == 0);
      client_out = Fd(a[0]);
      client_in = Fd(dup(a[0]));
      server_in = Fd(a[1]);
      server_out = Fd(dup(a[1]));
    }
  }

  // The reply to a frame, and what Bob was told.
  std::string ask(const std::string& frame, const InboxRules& rules = {}) {
    std::string reply;
    std::thread client([&] {
      reply = exchange(client_in.get(), client_out.get(), frame, Deadline(kPatience),
                       [](std::string_view) { return true; })
                  .reply;
      client_in.reset();
      client_out.reset();
    });
    {
      const Redirected streams(server_in.get(), server_out.get());
      serve_inetd(home.home(), Config::load(home.home()), rules, handler,
                  {[&](const Stranger& stranger) { strangers.push_back(stranger); },
                   [&](const std::string&, std::string_view line) { lines.emplace_back(line); },
                   [](const Received&) {}});
    }
    server_in.reset();
    server_out.reset();
    client.join();
    return reply;
  }

  Fd client_in, client_out, server_in, server_out;
  TestHome home{Who::bob};
  std::optional<HandlerCommand> handler;
  std::vector<std::string> lines;  // of the handler
  std::vector<Stranger> strangers;
};

SealedRequest sealed(RequestType type) {
  Draft draft;
  draft.type = type;
  draft.iat = unix_now();
  draft.exp = draft.iat + 3600;
  draft.jti = "AAAAAAAAAAAAAAAAAAAAAA";
  draft.body = "hello";
  draft.statement_token = current_statement(Who::alice).token;
  draft.addr = ":4040";
  draft.name = "alice";
  return seal_request(draft, alice_identity(), id_of(Who::alice), current_statement(Who::bob));
}

AckStatus status_in(const std::string& reply, const SealedRequest& request, RequestType type) {
  const auto ack =
      open_ack(reply, {type, id_of(Who::bob), id_of(Who::alice), "AAAAAAAAAAAAAAAAAAAAAA",
                       request.frame_hash, request.reply_key});
  REQUIRE(ack);
  return ack->status;
}

}  // namespace

TEST_CASE("inetd: keys are answered, on a socket and on pipes") {
  Fixture fixture(GENERATE(false, true));
  CHECK(fixture.ask("keys") == current_statement(Who::bob).token);
}

TEST_CASE("inetd: a message is stored before it is acknowledged, and left for the next listen") {
  Fixture fixture(GENERATE(false, true));
  fixture.home.trust(Who::alice, "alice", "");
  const SealedRequest request = sealed(RequestType::message);
  CHECK(status_in(fixture.ask(request.frame, {"a reply", false}), request, RequestType::message) ==
        AckStatus::ok);
  Database database = fixture.home.state();
  const auto row = Messages(database).next_to_print();
  REQUIRE(row);
  CHECK(row->body == "hello");
  CHECK(row->reply == "a reply");
}

TEST_CASE("inetd: a stranger is pending, and its port alone is no address where there is none") {
  Fixture fixture(true);
  const SealedRequest request = sealed(RequestType::registration);
  CHECK(status_in(fixture.ask(request.frame), request, RequestType::registration) ==
        AckStatus::pending);
  REQUIRE(fixture.strangers.size() == 1);
  CHECK(fixture.strangers.front().hint == "alice");
  Database database = fixture.home.state();
  CHECK(Peers(database).by_identity(id_of(Who::alice))->announced_address.empty());
}

TEST_CASE("inetd: a client that goes without a frame is nothing to complain about") {
  Fixture fixture(GENERATE(false, true));
  fixture.client_in.reset();
  fixture.client_out.reset();
  const Redirected streams(fixture.server_in.get(), fixture.server_out.get());
  CHECK_NOTHROW(serve_inetd(fixture.home.home(), Config::load(fixture.home.home()), {}, {}, {}));
}

TEST_CASE("inetd: a handler answers on the connection, and what it has answered stays") {
  Fixture fixture(GENERATE(false, true));
  fixture.home.trust(Who::alice, "alice", "");
  fixture.handler = HandlerCommand{{"/bin/sh", "-c", "cat; echo oops >&2; exit 3"}, kPatience};
  const SealedRequest request = sealed(RequestType::message);
  CHECK(status_in(fixture.ask(request.frame), request, RequestType::message) == AckStatus::ok);
  CHECK(fixture.lines == std::vector<std::string>{"oops"});
  Database database = fixture.home.state();
  const auto row = Messages(database).get(1);
  REQUIRE(row);
  CHECK(row->state == MessageState::handled);
  CHECK(row->reply == "hello");
  CHECK(row->rc == 3);
}

}  // namespace p2pchat

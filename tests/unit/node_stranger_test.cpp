#include "node/stranger.h"

#include <catch2/catch.hpp>

#include "node/identity.h"
#include "test_home.h"

namespace p2pchat {

namespace {

Request registration() {
  Request request;
  request.type = RequestType::registration;
  request.iss = id_of(Who::alice);
  request.introduction = Introduction{alice_statement(), "", "alice"};
  return request;
}

}  // namespace

TEST_CASE("stranger: our user is told who it is and what to type") {
  const Stranger stranger = stranger_of(registration(), {});
  CHECK(stranger.fingerprint == fingerprint(id_of(Who::alice)));
  CHECK(stranger.hint == "alice");
  CHECK(stranger.accept_command == "p2pchat peers accept " + stranger.fingerprint + " --as alice");
  CHECK(stranger.name.empty());
  CHECK(stranger.claimed_name.empty());
}

TEST_CASE("stranger: another key at a known address comes with the command that replaces it") {
  const Stranger stranger =
      stranger_of(registration(), {"", "alice.example:1", "al", id_of(Who::bob)});
  CHECK(stranger.claimed_name == "al");
  CHECK(stranger.claimed_fingerprint == fingerprint(id_of(Who::bob)));
  CHECK(stranger.claimed_address == "alice.example:1");
  CHECK(stranger.replace_command ==
        "p2pchat register al alice.example:1 --replace --expect " + fingerprint(id_of(Who::alice)));
}

}  // namespace p2pchat

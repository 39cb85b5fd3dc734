#include "node/received.h"

#include <catch2/catch.hpp>

#include "test_home.h"

namespace p2pchat {

TEST_CASE("received: a sender goes by our name for it, and by its fingerprint once removed") {
  const TestHome home;
  home.trust(Who::alice, "al", "");
  Database database = home.state();
  Peers peers(database);
  MessageRow row;
  row.key = {Direction::in, id_of(Who::alice), id_of(Who::bob), "id"};
  row.time = 7;
  row.body = "hello";
  const Received named = received(peers, row);
  CHECK(named.peer == "al");
  CHECK(named.fingerprint == "SHA256:" + id_of(Who::alice));
  CHECK(named.id == "id");
  CHECK(named.time == 7);
  CHECK(named.body == "hello");
  row.key.iss = id_of(Who::bob);
  CHECK(received(peers, row).peer == "SHA256:" + id_of(Who::bob));
}

}  // namespace p2pchat

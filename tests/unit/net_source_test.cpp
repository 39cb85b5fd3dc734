#include "net/source.h"

#include <Poco/Net/IPAddress.h>

#include <catch2/catch.hpp>

namespace p2pchat {

namespace {

struct Row {
  const char* seen;
  const char* address;
  const char* network;
};

Source seen_as(const std::string& address) {
  return source_of(Poco::Net::IPAddress(address));
}

}  // namespace

TEST_CASE("source: an IPv4 address is its own network, an IPv6 address shares its /64") {
  const Row row = GENERATE(
      Row{"192.0.2.7", "192.0.2.7", "192.0.2.7"}, Row{"127.0.0.1", "127.0.0.1", "127.0.0.1"},
      Row{"::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"},
      Row{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
      Row{"2001:db8::7", "2001:db8::7", "2001:db8::/64"}, Row{"::1", "::1", "::/64"});
  CAPTURE(row.seen);
  const Source source = seen_as(row.seen);
  CHECK(source.address == row.address);
  CHECK(source.network == row.network);
}

TEST_CASE("source: two addresses share a network when their first 64 bits are alike") {
  CHECK(seen_as("2001:db8:0:1::1").network == seen_as("2001:db8:0:1:ffff::2").network);
  CHECK(seen_as("2001:db8:0:1::1").network != seen_as("2001:db8:0:2::1").network);
  CHECK(seen_as("192.0.2.1").network != seen_as("192.0.2.2").network);
}

}  // namespace p2pchat

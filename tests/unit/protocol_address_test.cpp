#include "protocol/address.h"

#include <catch2/catch.hpp>

namespace p2pchat {

namespace {

using namespace std::string_view_literals;

std::string name_of(std::size_t characters) {
  return std::string(characters, 'a');
}

// What both forms refuse.
const std::vector<std::string>& bad_addresses() {
  static const std::vector<std::string> texts = {"-oProxyCommand=x:1",
                                                 "-host:1",
                                                 "host:",
                                                 "host:0",
                                                 "host:080",
                                                 "host:00001",
                                                 "host:65536",
                                                 "host:99999",
                                                 "host:+80",
                                                 "host:-1",
                                                 "host: 80",
                                                 "host:80 ",
                                                 "host:0x50",
                                                 "host:80:80",
                                                 "host:8o",
                                                 " host:80",
                                                 "ho st:80",
                                                 "host\n:80",
                                                 "host:80\n",
                                                 "h\xC3\xB6st:80",
                                                 "host_a:80",
                                                 "host/a:80",
                                                 "user@host:80",
                                                 "host$(id):80",
                                                 "host;id:80",
                                                 "host%eth0:80",
                                                 "'host':80",
                                                 "[::1:80",
                                                 "::1]:80",
                                                 "[]:80",
                                                 "[::1]80",
                                                 "[::1]:",
                                                 "[::1]:080",
                                                 "[::1]x:80",
                                                 "[[::1]]:80",
                                                 "[127.0.0.1]:80",
                                                 "[host]:80",
                                                 "[fe80::1%eth0]:80",
                                                 "[1:2:3:4:5:6:7]:80",
                                                 "[1:2:3:4:5:6:7:8:9]:80",
                                                 "[1::2::3]:80",
                                                 "[:::]:80",
                                                 "[12345::]:80",
                                                 "[g::]:80",
                                                 "[1:2:3:4:5:6:7:]:80",
                                                 "[:1:2:3:4:5:6:7]:80",
                                                 "[1:2:3:4::5:6:7:8]:80",
                                                 "[::1.2.3.256]:80",
                                                 "[1.2.3.4::]:80",
                                                 name_of(254) + ":80"};
  return texts;
}

}  // namespace

TEST_CASE("address: a claim is a host or nothing, a colon and a port") {
  const auto [text, host, port] = GENERATE(table<std::string, std::string, std::uint16_t>({
      {":4040", "", 4040},
      {"host:1", "host", 1},
      {"host:65535", "host", 65535},
      {"a-b.example.org:80", "a-b.example.org", 80},
      {"4ever:80", "4ever", 80},
      {"1234:80", "1234", 80},
      {"256.1.1.1:80", "256.1.1.1", 80},
      {"UPPER.Example:80", "UPPER.Example", 80},
      {"192.0.2.7:80", "192.0.2.7", 80},
      {"0.0.0.0:80", "0.0.0.0", 80},
      {"255.255.255.255:80", "255.255.255.255", 80},
      {"[::]:80", "::", 80},
      {"[::1]:80", "::1", 80},
      {"[2001:db8::A]:80", "2001:db8::A", 80},
      {"[1:2:3:4:5:6:7:8]:80", "1:2:3:4:5:6:7:8", 80},
      {"[1:2:3:4:5:6:7::]:80", "1:2:3:4:5:6:7::", 80},
      {"[::ffff:192.0.2.7]:80", "::ffff:192.0.2.7", 80},
      {"[1:2:3:4:5:6:192.0.2.7]:80", "1:2:3:4:5:6:192.0.2.7", 80},
      {name_of(253) + ":80", name_of(253), 80},
  }));
  CAPTURE(text);
  const auto address = read_address_claim(text);
  REQUIRE(address);
  CHECK(address->host == host);
  CHECK(address->port == port);
  CHECK(address->text() == text);
  CHECK(is_address_claim(text));
}

TEST_CASE("address: a claim that breaks the grammar is refused") {
  const std::string text = GENERATE(from_range(bad_addresses()));
  CAPTURE(text);
  CHECK_FALSE(read_address_claim(text));
  CHECK_FALSE(is_address_claim(text));
}

TEST_CASE("address: a claim without a port is refused") {
  const std::string text =
      GENERATE(as<std::string>{}, "host", "192.0.2.7", "[::1]", "::1", "::1:80", "2001:db8::1:80",
               ":", ":080", ":99999", "::80", "80");
  CAPTURE(text);
  CHECK_FALSE(read_address_claim(text));
}

TEST_CASE("address: a NUL is refused wherever it stands") {
  const std::string_view text = GENERATE("host\0:80"sv, "host:80\0"sv, "\0:80"sv, "host:8\0"sv);
  CHECK_FALSE(read_address_claim(text));
  CHECK_FALSE(read_address_argument(text));
}

TEST_CASE("address: no address is a claim, and no address") {
  CHECK(is_address_claim(""));
  CHECK_FALSE(read_address_claim(""));
}

TEST_CASE("address: an argument may leave the port to the default") {
  const auto [text, host, port] = GENERATE(table<std::string, std::string, std::uint16_t>({
      {"host", "host", kDefaultPort},
      {"host:80", "host", 80},
      {"192.0.2.7", "192.0.2.7", kDefaultPort},
      {"192.0.2.7:80", "192.0.2.7", 80},
      {"[::1]", "::1", kDefaultPort},
      {"[::1]:80", "::1", 80},
      {"::1", "::1", kDefaultPort},
      {"::", "::", kDefaultPort},
      {"2001:db8::1:80", "2001:db8::1:80", kDefaultPort},
      {"::ffff:192.0.2.7", "::ffff:192.0.2.7", kDefaultPort},
  }));
  CAPTURE(text);
  const auto address = read_address_argument(text);
  REQUIRE(address);
  CHECK(address->host == host);
  CHECK(address->port == port);
}

TEST_CASE("address: an argument that breaks the grammar is refused") {
  const std::string text = GENERATE(from_range(bad_addresses()));
  CAPTURE(text);
  CHECK_FALSE(read_address_argument(text));
}

TEST_CASE("address: an argument names a host") {
  const std::string text =
      GENERATE(as<std::string>{}, "", ":", ":4040", "-o", "--help", "[::1", "::1]");
  CAPTURE(text);
  CHECK_FALSE(read_address_argument(text));
}

TEST_CASE("address: an IPv6 address is written in brackets, nothing else is") {
  CHECK(Address{"::1", 80}.text() == "[::1]:80");
  CHECK(Address{"host", 80}.text() == "host:80");
  CHECK(Address{"", 80}.text() == ":80");
  CHECK(Address{"host"}.text() == "host:4040");
}

TEST_CASE("address: a port is 1 to 65535 in plain digits") {
  CHECK(read_port("1") == 1);
  CHECK(read_port("65535") == 65535);
  CHECK_FALSE(read_port(GENERATE(as<std::string>{}, "", "0", "01", "65536", "-1", "+1", " 1", "1 ",
                                 "http", "18446744073709551617")));
}

}  // namespace p2pchat

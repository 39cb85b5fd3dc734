#include "node/config.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

Config with(const std::string& content) {
  const TestHome home;
  write_file(home / "config", content);
  return Config::load(home.home());
}

// Where "section.key = value" is written.
std::string line(const std::string& key, const std::string& value) {
  const std::size_t dot = key.find('.');
  return "[" + key.substr(0, dot) + "]\n" + key.substr(dot + 1) + " = " + value + "\n";
}

Setting setting(const Config& config, const std::string& key) {
  const auto& all = config.settings();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Setting& s) { return s.key == key; });
  REQUIRE(found != all.end());
  return *found;
}

class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

struct Row {
  const char* key;
  const char* value;
};

}  // namespace

TEST_CASE("config: without a file every value is the default and says so") {
  const TestHome home;
  const Config config = Config::load(home.home());
  CHECK(config.listen_port() == 4040);
  CHECK_FALSE(config.listen_port_is_set());
  CHECK(config.listen_address().empty());
  CHECK_FALSE(config.send_timeout());
  CHECK(config.rotate_days() == 7);
  CHECK(config.log_keep_seconds() == 90 * 86'400);
  for (const Setting& each : config.settings()) CHECK(each.origin == "default");
}

TEST_CASE("config: every key is listed, in the order of the page") {
  const TestHome home;
  const Config config = Config::load(home.home());
  std::vector<std::string> keys;
  for (const Setting& each : config.settings()) keys.push_back(each.key);
  CHECK(keys == std::vector<std::string>{"listen.port", "listen.address", "send.timeout",
                                         "rotate.days", "log.keep"});
}

TEST_CASE("config: the file is read, and each value says that it comes from there") {
  const TestHome home;
  write_file(home / "config",
             "; a remark\n"
             "[listen]\nport = 5050\naddress = 127.0.0.1\n"
             "[send]\ntimeout = 2m\n[rotate]\ndays = 30\n[log]\nkeep = 0\n");
  const Config config = Config::load(home.home());
  CHECK(config.listen_port() == 5050);
  CHECK(config.listen_port_is_set());
  CHECK(config.listen_address() == "127.0.0.1");
  CHECK(config.send_timeout() == 120s);
  CHECK(config.rotate_days() == 30);
  CHECK(config.log_keep_seconds() == 0);
  for (const Setting& each : config.settings()) CHECK(each.origin == home / "config");
  CHECK(setting(config, "send.timeout").value == "2m");
}

TEST_CASE("config: the environment comes before the file") {
  const TestHome home;
  write_file(home / "config", line("listen.port", "5050") + line("rotate.days", "30"));
  const Variable variable("P2PCHAT_LISTEN_PORT", "6060");
  const Config config = Config::load(home.home());
  CHECK(config.listen_port() == 6060);
  CHECK(setting(config, "listen.port").origin == "environment P2PCHAT_LISTEN_PORT");
  CHECK(config.rotate_days() == 30);
}

TEST_CASE("config: each key has its variable") {
  const Variable port("P2PCHAT_LISTEN_PORT", "1");
  const Variable address("P2PCHAT_LISTEN_ADDRESS", "::1");
  const Variable timeout("P2PCHAT_SEND_TIMEOUT", "1500ms");
  const Variable days("P2PCHAT_ROTATE_DAYS", "2");
  const Variable keep("P2PCHAT_LOG_KEEP", "3d");
  const TestHome home;
  const Config config = Config::load(home.home());
  CHECK(config.listen_port() == 1);
  CHECK(config.listen_address() == "::1");
  CHECK(config.send_timeout() == 1500ms);
  CHECK(config.rotate_days() == 2);
  CHECK(config.log_keep_seconds() == 3 * 86'400);
}

TEST_CASE("config: good values are taken") {
  const Row row = GENERATE(
      Row{"listen.port", "0"}, Row{"listen.port", "1"}, Row{"listen.port", "65535"},
      Row{"listen.address", "*"}, Row{"listen.address", "192.0.2.7"}, Row{"listen.address", "::1"},
      Row{"listen.address", "bob.example"}, Row{"send.timeout", "30"}, Row{"send.timeout", "0.5"},
      Row{"send.timeout", "1h"}, Row{"rotate.days", "1"}, Row{"rotate.days", "200"},
      Row{"log.keep", "0"}, Row{"log.keep", "90d"});
  CAPTURE(row.key, row.value);
  CHECK(setting(with(line(row.key, row.value)), row.key).value == row.value);
}

TEST_CASE("config: a bad value is refused, with file, key and value") {
  const Row row = GENERATE(
      Row{"listen.port", "65536"}, Row{"listen.port", "-1"}, Row{"listen.port", "http"},
      Row{"listen.port", ""}, Row{"listen.port", "40 40"}, Row{"listen.address", "a b"},
      Row{"listen.address", "-x"}, Row{"listen.address", ""}, Row{"send.timeout", "0"},
      Row{"send.timeout", "soon"}, Row{"send.timeout", "-1s"}, Row{"send.timeout", "11000d"},
      Row{"rotate.days", "0"}, Row{"rotate.days", "201"}, Row{"rotate.days", "7d"},
      Row{"log.keep", "forever"}, Row{"log.keep", "-1"}, Row{"log.keep", ""});
  CAPTURE(row.key, row.value);
  const TestHome home;
  write_file(home / "config", line(row.key, row.value));
  const Error error = error_from([&] { Config::load(home.home()); });
  CHECK(error.status() == Status::config);
  CHECK_THAT(error.what(), Catch::Contains(home / "config"));
  CHECK_THAT(error.what(), Catch::Contains("'" + std::string(row.key) + "'"));
  CHECK_THAT(error.what(), Catch::Contains("'" + std::string(row.value) + "'"));
}

// The port has a key of its own: with two of them, the listener could only guess.
TEST_CASE("config: an address to listen on has no port") {
  const std::string value = GENERATE("127.0.0.1:5050", "[::1]:5050", "bob.example:1", "[::1]:");
  CAPTURE(value);
  CHECK(error_from([&] { with(line("listen.address", value)); }).status() == Status::config);
}

TEST_CASE("config: an address to listen on is read without its brackets, all of them as none") {
  CHECK(read_listen_address("*") == "");
  CHECK(read_listen_address("[::1]") == "::1");
  CHECK(read_listen_address("::1") == "::1");
  CHECK(read_listen_address("192.0.2.7") == "192.0.2.7");
  CHECK_FALSE(read_listen_address(""));
  CHECK_FALSE(read_listen_address("**"));
  CHECK(with(line("listen.address", "[::1]")).listen_address() == "::1");
}

TEST_CASE("config: a timeout can be left to the size of the message in words too") {
  CHECK_FALSE(with(line("send.timeout", "auto")).send_timeout());
}

TEST_CASE("config: a bad value in the environment is refused with the variable's name") {
  const Variable variable("P2PCHAT_ROTATE_DAYS", "many");
  const TestHome home;
  const Error error = error_from([&] { Config::load(home.home()); });
  CHECK(error.status() == Status::config);
  CHECK_THAT(error.what(), Catch::Contains("environment P2PCHAT_ROTATE_DAYS"));
}

TEST_CASE("config: an unknown key is refused, with the file and the key") {
  const Row row = GENERATE(Row{"listen.prot", "1"}, Row{"colour.red", "1"}, Row{"port", "1"},
                           Row{"listen", "1"}, Row{"listen.port.x", "1"});
  CAPTURE(row.key);
  const TestHome home;
  write_file(home / "config", std::string(row.key) + " = " + row.value + "\n");
  const Error error = error_from([&] { Config::load(home.home()); });
  CHECK(error.status() == Status::config);
  CHECK_THAT(error.what(), Catch::Contains(home / "config"));
  CHECK_THAT(error.what(), Catch::Contains("unknown key"));
}

TEST_CASE("config: keys may be written in any case") {
  CHECK(with("[Listen]\nPort = 5050\n").listen_port() == 5050);
}

// POCO reads a folder for ever, and waits for the other end of a FIFO.
TEST_CASE("config: what is no regular file is refused") {
  const TestHome home;
  SECTION("a folder") {
    REQUIRE(mkdir((home / "config").c_str(), 0700) == 0);
  }
  SECTION("a FIFO") {
    REQUIRE(mkfifo((home / "config").c_str(), 0600) == 0);
  }
  CHECK(error_from([&] { Config::load(home.home()); }).status() == Status::config);
}

}  // namespace p2pchat

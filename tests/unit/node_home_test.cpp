#include "node/home.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "test_home.h"

namespace p2pchat {

namespace {

// An environment variable, until the end.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* previous = std::getenv(name); previous != nullptr) previous_ = previous;
    set(value);
  }
  ~Variable() { set(previous_ ? previous_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) {
    if (value == nullptr) {
      unsetenv(name_);
    } else {
      setenv(name_, value, 1);
    }
  }

  const char* name_;
  std::optional<std::string> previous_;
};

}  // namespace

TEST_CASE("home: the flag comes before the variable, the variable before the user's folder") {
  const Variable user("HOME", "/home/somebody");
  {
    const Variable variable("P2PCHAT_HOME", "/from/variable");
    CHECK(Home::locate("/from/flag", std::nullopt).folder() == "/from/flag");
    CHECK(Home::locate(std::nullopt, std::nullopt).folder() == "/from/variable");
  }
  const Variable variable("P2PCHAT_HOME", GENERATE(static_cast<const char*>(nullptr), ""));
  CHECK(Home::locate(std::nullopt, std::nullopt).folder() == "/home/somebody/.p2pchat");
}

TEST_CASE("home: an empty flag is refused") {
  CHECK(error_from([] { Home::locate("", std::nullopt); }).status() == Status::usage);
}

TEST_CASE("home: without HOME the user's entry counts") {
  const Variable variable("P2PCHAT_HOME", nullptr);
  const Variable user("HOME", nullptr);
  const std::string folder = Home::locate(std::nullopt, std::nullopt).folder();
  CHECK(folder.starts_with('/'));
  CHECK_THAT(folder, Catch::EndsWith("/.p2pchat"));
}

TEST_CASE("home: every file has its place in the folder") {
  const Home home("/state");
  CHECK(home.config_file() == "/state/config");
  CHECK(home.identity_file() == "/state/identity.pem");
  CHECK(home.encryption_file(17) == "/state/encryption-17.pem");
  CHECK(home.state_file() == "/state/state.db");
  CHECK(home.lock_file() == "/state/lock");
}

TEST_CASE("home: encryption keys are listed by number, newest first, and nothing else is") {
  const TestHome home;
  for (const char* name :
       {"encryption-9.pem", "encryption-10.pem", "encryption-2.pem", "encryption-.pem",
        "encryption-x.pem", "encryption-3.pem.new", "encryption-4", "my-encryption-5.pem"}) {
    write_file(home / name, "");
  }
  CHECK(home.home().encryption_seqs() == std::vector<std::uint64_t>{10, 9, 2});
}

TEST_CASE("home: a folder that cannot be read is not taken for an empty one") {
  const Error error = error_from([] { Home("/nonexistent").encryption_seqs(); });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::Contains("'/nonexistent'"));
  CHECK_FALSE(Home("/nonexistent").has_identity());
}

TEST_CASE("home: without an identity the cure is named") {
  const TestHome empty;
  const Error error = error_from([&] { empty.home().require_identity(); });
  CHECK(error.status() == Status::config);
  CHECK_THAT(error.hint(), Catch::Contains("p2pchat keygen"));
  CHECK(error_from([] { Home("/nonexistent").require_identity(); }).status() == Status::config);
}

TEST_CASE("home: with an identity all is well, unless others can enter the folder") {
  const TestHome home(Who::alice);
  CHECK(home.home().has_identity());
  CHECK_NOTHROW(home.home().require_identity());
  for (const unsigned mode : {0701U, 0710U, 0740U, 0755U}) {
    REQUIRE(chmod(home.home().folder().c_str(), mode) == 0);
    CHECK(error_from([&] { home.home().require_identity(); }).status() == Status::trust);
  }
}

TEST_CASE("home: the state is a database of ours in the folder") {
  const TestHome home;
  home.home().open_state(Durability::full);
  CHECK(exists(home / "state.db"));
}

TEST_CASE("home: a passphrase is the first line of a file that is ours alone") {
  const TestHome home;
  Home locked = home.home();
  CHECK_FALSE(locked.passphrase());
  locked.set_passphrase_file(home / "phrase");
  CHECK(error_from([&] { locked.passphrase(); }).status() == Status::no_input);
  write_file(home / "phrase", "one line\nand another");
  CHECK(locked.passphrase()->view() == "one line");
  write_file(home / "phrase", "\n");
  CHECK(error_from([&] { locked.passphrase(); }).status() == Status::config);
  write_file(home / "phrase", "one line", 0640);
  CHECK(error_from([&] { locked.passphrase(); }).status() == Status::trust);
}

}  // namespace p2pchat

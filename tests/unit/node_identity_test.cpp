#include "node/identity.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/clock.h"
#include "jose/jwk.h"
#include "node/keyring.h"
#include "protocol/claims.h"
#include "test_home.h"

namespace p2pchat {

namespace {

constexpr unsigned kBits = 2048;
constexpr std::uint64_t kDays = 7;

}  // namespace

TEST_CASE("identity: a fingerprint is SHA256: and the key's thumbprint, and is read back") {
  const std::string text = fingerprint(id_of(Who::alice));
  CHECK(text == "SHA256:" + thumbprint(alice_identity().public_key()));
  CHECK(text.size() == 50);
  CHECK(read_fingerprint(text) == id_of(Who::alice));
}

TEST_CASE("identity: what is not a whole fingerprint is refused") {
  const std::string whole = fingerprint(id_of(Who::alice));
  const std::string text =
      GENERATE_COPY(std::string(), whole.substr(7), whole.substr(0, 49), whole + "A",
                    "sha256:" + whole.substr(7), " " + whole, whole + "\n",
                    "SHA256:" + std::string(42, 'A') + "=", "SHA256:" + std::string(42, 'A') + "B");
  CAPTURE(text);
  const Error error = error_from([&] { read_fingerprint(text); });
  CHECK(error.status() == Status::data);
  CHECK_FALSE(error.hint().empty());
}

TEST_CASE("identity: a new one comes with its folder and one encryption key, for its owner alone") {
  const TestHome parent;
  const Home home(parent / "state");
  const mode_t previous = umask(0);
  const Created created = create_identity(home, kBits, kDays, Present::refuse);
  umask(previous);
  const Identity& identity = created.identity;

  CHECK(created.is_new);
  CHECK(identity.key.bytes() == kBits / 8);
  CHECK(identity.id == thumbprint(identity.key.public_key()));
  CHECK(mode_of(home.folder()) == 0700);
  CHECK(mode_of(home.identity_file()) == 0600);
  const auto seqs = home.encryption_seqs();
  REQUIRE(seqs.size() == 1);
  CHECK(mode_of(home.encryption_file(seqs.front())) == 0600);
  CHECK(load_identity(home).id == identity.id);

  const auto keyring = load_keyring(home, identity, kDays, Renewal::at_half_life);
  CHECK(keyring->keys.size() == 1);
  const KeyStatement& statement = keyring->current().statement;
  CHECK(statement.identity_id == identity.id);
  CHECK(statement.exp - statement.iat == 2 * kDays * kSecondsPerDay);
  CHECK(statement.encryption.bytes() == kBits / 8);
  CHECK(home.encryption_seqs() == seqs);
}

TEST_CASE("identity: one that is there is not replaced, and no byte of it changes") {
  const TestHome home(Who::alice);
  const std::string before = read_file(home / "identity.pem");
  const auto seqs = home.home().encryption_seqs();
  const Error error =
      error_from([&] { create_identity(home.home(), kBits, kDays, Present::refuse); });
  CHECK(error.status() == Status::cannot_create);
  CHECK_FALSE(error.hint().empty());
  CHECK(read_file(home / "identity.pem") == before);
  CHECK(home.home().encryption_seqs() == seqs);
}

TEST_CASE("identity: one that is there is kept, if that is wished, and no byte of it changes") {
  const TestHome home(Who::alice);
  const std::string before = read_file(home / "identity.pem");
  const auto seqs = home.home().encryption_seqs();
  const Created created = create_identity(home.home(), kBits, kDays, Present::keep);
  CHECK_FALSE(created.is_new);
  CHECK(created.identity.id == id_of(Who::alice));
  CHECK(read_file(home / "identity.pem") == before);
  CHECK(home.home().encryption_seqs() == seqs);
}

TEST_CASE("identity: one that is there and cannot be used is not kept") {
  const TestHome home(Who::alice);
  write_file(home / "identity.pem", "hello\n");
  CHECK(error_from([&] { create_identity(home.home(), kBits, kDays, Present::keep); }).status() ==
        Status::config);
}

TEST_CASE("identity: one that replaces another takes its encryption keys away") {
  const TestHome home(Who::alice);
  const auto old_seqs = home.home().encryption_seqs();
  const Identity identity = create_identity(home.home(), kBits, kDays, Present::replace).identity;
  CHECK(identity.id != id_of(Who::alice));
  CHECK(load_identity(home.home()).id == identity.id);
  const auto seqs = home.home().encryption_seqs();
  REQUIRE(seqs.size() == 1);
  CHECK(seqs != old_seqs);
  CHECK(load_keyring(home.home(), identity, kDays, Renewal::at_half_life)
            ->current()
            .statement.identity_id == identity.id);
}

TEST_CASE("identity: a folder that others can enter is refused before a key is made") {
  const TestHome home;
  REQUIRE(chmod(home.home().folder().c_str(), 0755) == 0);
  CHECK(error_from([&] { create_identity(home.home(), kBits, kDays, Present::refuse); }).status() ==
        Status::trust);
  CHECK_FALSE(home.home().has_identity());
}

TEST_CASE("identity: a folder whose parent is missing cannot be created") {
  CHECK(error_from([] {
          create_identity(Home("/nonexistent/state"), kBits, kDays, Present::refuse);
        }).status() == Status::cannot_create);
}

TEST_CASE("identity: it is loaded as it was stored") {
  const TestHome home(Who::alice);
  const Identity identity = load_identity(home.home());
  CHECK(identity.id == id_of(Who::alice));
  CHECK(identity.key.public_key().modulus() == alice_identity().public_key().modulus());
}

TEST_CASE("identity: without one the cure is named") {
  const TestHome home;
  const Error error = error_from([&] { load_identity(home.home()); });
  CHECK(error.status() == Status::config);
  CHECK_THAT(error.hint(), Catch::Contains("p2pchat keygen"));
}

TEST_CASE("identity: a key that others can read is refused, with the command that cures it") {
  const TestHome home(Who::alice);
  for (const unsigned mode : {0640U, 0604U, 0644U, 0660U}) {
    REQUIRE(chmod((home / "identity.pem").c_str(), mode) == 0);
    const Error error = error_from([&] { load_identity(home.home()); });
    CHECK(error.status() == Status::trust);
    CHECK_THAT(error.hint(), Catch::StartsWith("chmod 600 "));
  }
}

TEST_CASE("identity: a symbolic link to a key is refused") {
  const TestHome home(Who::alice);
  std::filesystem::rename(home / "identity.pem", home / "elsewhere.pem");
  std::filesystem::create_symlink(home / "elsewhere.pem", home / "identity.pem");
  CHECK(error_from([&] { load_identity(home.home()); }).status() == Status::trust);
}

TEST_CASE("identity: a file that holds no usable key is refused by its name") {
  const TestHome home(Who::alice);
  write_file(home / "identity.pem",
             GENERATE(std::string("hello\n"), std::string(), bob_identity().public_key().pem(),
                      weak_private_pem(), encrypted_pem(alice_identity(), "secret")));
  const Error error = error_from([&] { load_identity(home.home()); });
  CHECK(error.status() == Status::config);
  CHECK_THAT(error.what(), Catch::Contains(home / "identity.pem"));
}

}  // namespace p2pchat

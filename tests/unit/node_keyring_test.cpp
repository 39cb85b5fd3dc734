#include "node/keyring.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/clock.h"
#include "jose/jwe.h"
#include "protocol/claims.h"
#include "test_home.h"

namespace p2pchat {

namespace {

constexpr std::uint64_t kDays = 7;
constexpr std::uint64_t kLife = 2 * kDays * kSecondsPerDay;

// Alice's folder, without an encryption key.
struct Fixture {
  Fixture() { shred_file(home.home().encryption_file(current_statement(Who::alice).seq)); }

  // A key of Alice's that was made some time ago.
  void add(std::uint64_t seq, std::uint64_t seconds_ago,
           const RsaPrivateKey& key = alice_encryption(), std::uint64_t life = kLife) {
    const std::uint64_t iat = now - seconds_ago;
    home.add_encryption_key(
        make_key_statement(alice_identity(), key.public_key(), seq, iat, iat + life), key);
  }

  std::shared_ptr<const Keyring> load(Renewal renewal = Renewal::at_half_life) const {
    return load_keyring(home.home(), identity, kDays, renewal);
  }
  std::vector<std::uint64_t> on_disk() const { return home.home().encryption_seqs(); }

  static std::vector<std::uint64_t> seqs(const Keyring& keyring) {
    std::vector<std::uint64_t> all;
    for (const EncryptionKey& key : keyring.keys) all.push_back(key.statement.seq);
    return all;
  }

  using Seqs = std::vector<std::uint64_t>;

  TestHome home{Who::alice};
  Identity identity{alice_identity(), id_of(Who::alice)};
  std::uint64_t now = unix_now();
};

}  // namespace

TEST_CASE_METHOD(Fixture, "keyring: keys are read newest first, and fresh ones are left alone") {
  add(5, kSecondsPerDay, bob_encryption());
  add(6, 0);
  const auto keyring = load();
  CHECK(seqs(*keyring) == Seqs{6, 5});
  CHECK(on_disk() == Seqs{6, 5});
  CHECK(keyring->current().statement.seq == 6);
  CHECK(keyring->current().key.public_key().modulus() == alice_encryption().public_key().modulus());
}

TEST_CASE_METHOD(Fixture, "keyring: a key is found by its thumbprint alone") {
  add(5, kSecondsPerDay, bob_encryption());
  add(6, 0);
  const auto keyring = load();
  const auto* found = keyring->find(bob_statement().encryption_id);
  REQUIRE(found != nullptr);
  CHECK(found->statement.seq == 5);
  CHECK(keyring->find(bob_statement().identity_id) == nullptr);
  CHECK(keyring->find("") == nullptr);
}

TEST_CASE_METHOD(Fixture, "keyring: a third key is taken from the disk, unread") {
  add(7, 0);
  add(6, 1, bob_encryption());
  write_file(home / "encryption-5.pem", "not even a key");
  add(4, 1);
  CHECK(seqs(*load()) == Seqs{7, 6});
  CHECK(on_disk() == Seqs{7, 6});
}

TEST_CASE_METHOD(Fixture, "keyring: an expired key is taken from the disk") {
  add(5, kLife, bob_encryption());
  add(6, 0);
  CHECK(seqs(*load()) == Seqs{6});
  CHECK(on_disk() == Seqs{6});
}

TEST_CASE_METHOD(Fixture,
                 "keyring: a key is used until its half-life, and then a new one is made") {
  add(5, kLife / 2 - 3600);
  CHECK(seqs(*load()) == Seqs{5});
  add(5, kLife / 2);
  const auto keyring = load();
  CHECK(keyring->keys.size() == 2);
  const KeyStatement& made = keyring->current().statement;
  CHECK(made.seq >= now);
  CHECK(made.seq <= unix_now());
  CHECK(made.iat == made.seq);
  CHECK(made.exp == made.iat + kLife);
  CHECK(made.identity_id == identity.id);
  CHECK(made.encryption_id != alice_statement().encryption_id);
  CHECK(on_disk() == Seqs{made.seq, 5});
  CHECK(mode_of(home.home().encryption_file(made.seq)) == 0600);
  CHECK(seqs(*load()) == Seqs{made.seq, 5});  // and that is all
}

TEST_CASE_METHOD(Fixture, "keyring: who only needs a valid key makes none at half-life") {
  add(5, kLife - 60);
  CHECK(seqs(*load(Renewal::when_expired)) == Seqs{5});
  CHECK(on_disk() == Seqs{5});
}

TEST_CASE_METHOD(Fixture, "keyring: without a valid key one is made") {
  SECTION("none at all") {}
  SECTION("an expired one") {
    add(5, kLife);
  }
  const auto keyring = load(Renewal::when_expired);
  REQUIRE(keyring->keys.size() == 1);
  CHECK(keyring->current().statement.seq >= now);
  CHECK(on_disk() == seqs(*keyring));
}

TEST_CASE_METHOD(Fixture,
                 "keyring: a new key's number is above the one before, whatever the clock") {
  const std::uint64_t ahead = now + 1'000'000;
  add(ahead, kLife / 2);
  CHECK(seqs(*load()) == Seqs{ahead + 1, ahead});
}

TEST_CASE_METHOD(Fixture, "keyring: a key from a clock that ran ahead is replaced") {
  const std::uint64_t future = now + 2 * kSecondsPerDay;
  home.add_encryption_key(make_key_statement(alice_identity(), alice_encryption().public_key(),
                                             future, future, future + kLife),
                          alice_encryption());
  const auto keyring = load(GENERATE(Renewal::at_half_life, Renewal::when_expired));
  CHECK(seqs(*keyring) == Seqs{future + 1, future});
  CHECK(keyring->current().statement.iat <= unix_now());
}

// Its number is known to peers, who refuse an older one.
TEST_CASE_METHOD(Fixture, "keyring: when the newest key has expired, an older one is not current") {
  add(5, kSecondsPerDay, bob_encryption(), 400 * kSecondsPerDay);
  add(6, kLife);
  const auto keyring = load(GENERATE(Renewal::at_half_life, Renewal::when_expired));
  CHECK(keyring->current().statement.seq > 6);
}

TEST_CASE_METHOD(Fixture, "keyring: a key file that cannot be used is refused by its name") {
  add(5, 0);
  const std::string good = read_file(home / "encryption-5.pem");
  const std::size_t line_end = good.find('\n');
  SECTION("garbage") {
    write_file(home / "encryption-5.pem", "garbage\n");
  }
  SECTION("empty") {
    write_file(home / "encryption-5.pem", "");
  }
  SECTION("no key") {
    write_file(home / "encryption-5.pem", good.substr(0, line_end + 1));
  }
  SECTION("no statement") {
    write_file(home / "encryption-5.pem", good.substr(line_end + 1));
  }
  SECTION("a broken statement") {
    write_file(home / "encryption-5.pem", with_changed_character(good, 60));
  }
  SECTION("another number") {
    write_file(home / "encryption-6.pem", good);
    shred_file(home / "encryption-5.pem");
  }
  SECTION("another key") {
    write_file(home / "encryption-5.pem",
               good.substr(0, line_end + 1) + std::string(bob_encryption().pem().view()));
  }
  SECTION("another identity") {
    home.add_encryption_key(
        make_key_statement(bob_identity(), bob_encryption().public_key(), 5, now, now + kLife),
        bob_encryption());
  }
  const Seqs before = on_disk();
  const Error error = error_from([&] { load(); });
  CHECK(error.status() == Status::config);
  CHECK_THAT(error.what(), Catch::Contains(home.home().encryption_file(before.front())));
  CHECK(on_disk() == before);
}

TEST_CASE_METHOD(Fixture, "keyring: a key file that others can read is refused") {
  add(5, 0);
  REQUIRE(chmod((home / "encryption-5.pem").c_str(), 0644) == 0);
  CHECK(error_from([&] { load(); }).status() == Status::trust);
}

TEST_CASE_METHOD(Fixture, "keyring: a running listener sees a key that another command has made") {
  add(5, 0);
  LiveKeyring live(home.home(), identity, kDays);
  const auto before = live.now();
  CHECK(seqs(*before) == Seqs{5});
  add(6, 0, bob_encryption());
  CHECK(seqs(*live.now()) == Seqs{5});
  SECTION("at an unknown key id") {
    live.reread();
  }
  SECTION("with time") {
    live.renew();
  }
  CHECK(seqs(*live.now()) == Seqs{6, 5});
  CHECK(seqs(*before) == Seqs{5});  // who works with the old ones goes on
}

TEST_CASE_METHOD(Fixture, "keyring: with nothing new the keys are not read again") {
  add(5, 0);
  LiveKeyring live(home.home(), identity, kDays);
  live.reread();
  const auto before = live.now();
  live.reread();
  live.renew();
  CHECK(live.now() == before);
}

TEST_CASE_METHOD(Fixture,
                 "keyring: a running listener keeps its keys when the files are unusable") {
  add(5, 0);
  LiveKeyring live(home.home(), identity, kDays);
  write_file(home / "encryption-6.pem", "garbage");
  live.reread();
  live.renew();
  CHECK(seqs(*live.now()) == Seqs{5});
  add(6, 0, bob_encryption());  // and tries again
  live.renew();
  CHECK(seqs(*live.now()) == Seqs{6, 5});
}

TEST_CASE_METHOD(Fixture, "keyring: a running listener keeps its keys when the files are gone") {
  add(5, 0);
  LiveKeyring live(home.home(), identity, kDays);
  shred_file(home / "encryption-5.pem");
  live.reread();
  CHECK(seqs(*live.now()) == Seqs{5});
}

TEST_CASE_METHOD(Fixture, "keyring: a listener that begins makes the key that is due") {
  add(5, kLife / 2);
  const LiveKeyring live(home.home(), identity, kDays);
  CHECK(live.now()->keys.size() == 2);
  CHECK(live.now()->current().statement.seq >= now);
}

TEST_CASE_METHOD(Fixture,
                 "keyring: looking again makes no key, renewing makes the one that is due") {
  add(5, kLife / 2 - 3600);
  LiveKeyring live(home.home(), identity, kDays);
  REQUIRE(seqs(*live.now()) == Seqs{5});
  // Another command has put a key there whose half-life is over.
  add(6, kLife / 2, bob_encryption());
  live.reread();
  CHECK(seqs(*live.now()) == Seqs{6, 5});
  live.renew();
  CHECK(live.now()->keys.size() == 2);
  CHECK(live.now()->current().statement.seq >= now);
  CHECK(on_disk() == seqs(*live.now()));
}

TEST_CASE_METHOD(Fixture, "keyring: a rotation makes a key in any case, and keeps the one before") {
  add(5, 60, bob_encryption());
  add(6, 0);
  const auto keyring = load(Renewal::now);
  REQUIRE(keyring->keys.size() == 2);
  CHECK(keyring->current().statement.seq > 6);
  CHECK(keyring->keys.back().statement.seq == 6);
  CHECK(on_disk() == seqs(*keyring));
}

TEST_CASE_METHOD(Fixture, "keyring: the card is the newest statement, expired or not") {
  CHECK(error_from([&] { own_card(home.home()); }).status() == Status::config);
  add(5, kLife + 1, bob_encryption());
  CHECK(own_card(home.home()).seq == 5);
  add(6, 0);
  CHECK(own_card(home.home()).seq == 6);
  write_file(home.home().encryption_file(7), "not even a key");
  CHECK(error_from([&] { own_card(home.home()); }).status() == Status::config);
}

TEST_CASE_METHOD(Fixture, "keyring: commands that need no key drop the old ones") {
  add(4, 1, bob_encryption());
  add(5, kLife, bob_encryption());
  add(6, 0);
  drop_old_keys(home.home());
  CHECK(on_disk() == Seqs{6});
  drop_old_keys(home.home());
  CHECK(on_disk() == Seqs{6});
}

TEST_CASE_METHOD(Fixture, "keyring: old keys are left to whoever is at the keys already") {
  add(5, kLife);
  const FileLock lock(home.home().lock_file(), LockByte::keys, std::chrono::seconds(0));
  drop_old_keys(home.home());
  CHECK(on_disk() == Seqs{5});
}

TEST_CASE_METHOD(Fixture, "keyring: a key file that says nothing of its end is nobody's business") {
  write_file(home.home().encryption_file(9), "not even a key");
  CHECK_NOTHROW(drop_old_keys(home.home()));
  CHECK(on_disk() == Seqs{9});
  chmod(home.home().encryption_file(9).c_str(), 0644);
  CHECK(error_from([&] { drop_old_keys(home.home()); }).status() == Status::trust);
}

TEST_CASE("keyring: after two rotations nothing that was recorded before can be opened") {
  freeze_unix_clock(kNow);
  const TestHome home;
  write_file(home.home().identity_file(), bob_identity().pem().view());
  const Identity identity{bob_identity(), id_of(Who::bob)};
  LiveKeyring keyring(home.home(), identity, kDays);
  const auto opens = [&](const std::string& frame) {
    const auto seqs = home.home().encryption_seqs();
    return std::any_of(seqs.begin(), seqs.end(), [&](std::uint64_t seq) {
      const std::string file = read_file(home.home().encryption_file(seq));
      const auto key = RsaPrivateKey::from_pem(file.substr(file.find('\n') + 1));
      const auto jwe = SealedJwe::parse(frame);
      const auto content_key = key && jwe ? unwrap_key(*key, jwe->encrypted_key()) : std::nullopt;
      return content_key && jwe->open(*content_key);
    });
  };
  Draft draft;
  draft.iat = kNow;
  draft.exp = kNow + 1;
  draft.jti = new_message_id();
  const std::string recorded =
      seal_request(draft, alice_identity(), id_of(Who::alice), keyring.now()->current().statement)
          .frame;
  CHECK(opens(recorded));
  freeze_unix_clock(kNow + kDays * kSecondsPerDay);
  keyring.renew();
  CHECK(home.home().encryption_seqs().size() == 2);
  CHECK(opens(recorded));
  freeze_unix_clock(kNow + 2 * kDays * kSecondsPerDay);
  keyring.renew();
  CHECK(home.home().encryption_seqs().size() == 2);
  CHECK_FALSE(opens(recorded));
  freeze_unix_clock(std::nullopt);
}

TEST_CASE_METHOD(Fixture, "keyring: keys have the passphrase of the identity") {
  Home locked = home.home();
  write_file(home / "phrase", "one line\nand another\n");
  locked.set_passphrase_file(home / "phrase");
  const auto keyring = load_keyring(locked, identity, kDays, Renewal::at_half_life);
  const std::string path = locked.encryption_file(keyring->current().statement.seq);
  CHECK_THAT(read_file(path), Catch::Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
  CHECK(load_keyring(locked, identity, kDays, Renewal::at_half_life)->keys.size() == 1);
  const Error error = error_from([&] { load(); });
  CHECK(error.status() == Status::config);
  CHECK_THAT(error.hint(), Catch::Contains("P2PCHAT_PASSPHRASE_FILE"));
}

}  // namespace p2pchat

#include "store/database.h"

#include <SQLiteCpp/Statement.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>
#include <vector>

#include "store/messages.h"
#include "store/peers.h"
#include "store/schema.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

int number(Database& database, const std::string& query) {
  return database.sqlite().execAndGet(query).getInt();
}

void mark(Database& database, const std::string& name) {
  database.sqlite().exec("INSERT INTO marks VALUES ('" + name + "', 1)");
}

int count_marks(Database& database) {
  return number(database, "SELECT count(*) FROM marks");
}

// The database and its log: what must not change.
std::array<std::string, 2> bytes_of(const TestHome& home) {
  const std::string log = home / "state.db-wal";
  return {read_file(home / "state.db"), exists(log) ? read_file(log) : "no log"};
}

// A connection that follows none of our rules, and leaves the log as it is when it closes.
SQLite::Database stranger_to(const TestHome& home) {
  SQLite::Database database(home / "state.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  chmod((home / "state.db").c_str(), 0600);
  sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  int keep_log = 1;
  sqlite3_file_control(database.getHandle(), "main", SQLITE_FCNTL_PERSIST_WAL, &keep_log);
  return database;
}

}  // namespace

TEST_CASE("database: the file and its companions are for their owner alone") {
  const mode_t previous = umask(0);
  const TestHome home;
  {
    Database database = home.state();
    mark(database, "a");
    for (const char* name : {"state.db", "state.db-wal", "state.db-shm"}) {
      CAPTURE(name);
      CHECK(mode_of(home / name) == 0600);
    }
  }
  umask(previous);
}

TEST_CASE("database: a new one has the version of the schema and says whose it is") {
  const TestHome home;
  Database database = home.state();
  CHECK(number(database, "PRAGMA user_version") == kSchemaVersion);
  CHECK(number(database, "PRAGMA application_id") == kApplicationId);
  CHECK(number(database, "SELECT count(*) FROM peers") == 0);
  CHECK(number(database, "SELECT count(*) FROM messages") == 0);
}

TEST_CASE("database: every connection keeps the rules") {
  const TestHome home;
  home.state();
  Database database = home.state();
  CHECK(database.sqlite().execAndGet("PRAGMA journal_mode").getString() == "wal");
  CHECK(number(database, "PRAGMA foreign_keys") == 1);
  CHECK(number(database, "PRAGMA secure_delete") == 1);
  CHECK(number(database, "PRAGMA busy_timeout") > 0);
}

TEST_CASE("database: durability decides whether a commit waits for the disk") {
  constexpr int kNormal = 1;
  constexpr int kFull = 2;
  const TestHome home;
  Database database = home.home().open_state(Durability::full);
  CHECK(number(database, "PRAGMA synchronous") == kFull);
  database.set_durability(Durability::normal);
  CHECK(number(database, "PRAGMA synchronous") == kNormal);
}

TEST_CASE("database: opening it again keeps what is there") {
  const TestHome home;
  {
    Database database = home.state();
    mark(database, "a");
  }
  Database database = home.state();
  CHECK(count_marks(database) == 1);
}

TEST_CASE("database: closing the last connection neither empties nor removes the log") {
  const TestHome home;
  std::array<std::string, 2> open_bytes;
  {
    Database database = home.state();
    mark(database, "a");
    open_bytes = bytes_of(home);
  }
  CHECK(open_bytes[1].size() > 4096);
  CHECK(bytes_of(home) == open_bytes);
}

TEST_CASE("database: a newer version is refused and stays as it is") {
  const TestHome home;
  {
    Database database = home.state();
    mark(database, "a");
  }
  stranger_to(home).exec("PRAGMA user_version = " + std::to_string(kSchemaVersion + 1));
  const auto before = bytes_of(home);
  const Error error = error_from([&] { home.state(); });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::Contains("newer version"));
  CHECK_THAT(error.what(), Catch::Contains(home / "state.db"));
  // Once the log of a newer version was merged and removed by the connection that was refused.
  CHECK((bytes_of(home) == before));
}

TEST_CASE("database: one of another program is refused and stays as it is") {
  const TestHome home;
  stranger_to(home).exec("CREATE TABLE recipes (name TEXT)");
  const auto before = bytes_of(home);
  const Error error = error_from([&] { home.state(); });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::Contains("not a database of p2pchat"));
  CHECK((bytes_of(home) == before));
}

TEST_CASE("database: what is no database is called damaged and stays as it is") {
  const auto* content = GENERATE("hello", "SQLite format 3");
  const TestHome home;
  std::string bytes = content;
  bytes.resize(10'000, '\x7f');
  write_file(home / "state.db", bytes);
  const Error error = error_from([&] { home.state(); });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::Contains("damaged"));
  CHECK((bytes_of(home) == std::array<std::string, 2>{bytes, "no log"}));
}

TEST_CASE("database: an empty file, left by a run that was killed, becomes one") {
  const TestHome home;
  write_file(home / "state.db", "");
  Database database = home.state();
  CHECK(count_marks(database) == 0);
}

TEST_CASE("database: a file that others can read is refused") {
  const TestHome home;
  home.state();
  chmod((home / "state.db").c_str(), 0640);
  CHECK(error_from([&] { home.state(); }).status() == Status::trust);
}

TEST_CASE("database: a symbolic link is refused") {
  const TestHome home;
  home.state();
  std::filesystem::rename(home / "state.db", home / "elsewhere.db");
  std::filesystem::create_symlink(home / "elsewhere.db", home / "state.db");
  CHECK(error_from([&] { home.state(); }).status() == Status::trust);
}

TEST_CASE("database: without its folder it cannot be created") {
  const Home nowhere("/nonexistent/p2pchat");
  CHECK(error_from([&] { nowhere.open_state(Durability::full); }).status() ==
        Status::cannot_create);
}

TEST_CASE("database: a write transaction that is not committed leaves nothing") {
  const TestHome home;
  Database database = home.state();
  {
    const WriteTransaction transaction(database);
    mark(database, "a");
    CHECK(count_marks(database) == 1);
  }
  CHECK(count_marks(database) == 0);
}

TEST_CASE("database: a committed write transaction is seen by every connection") {
  const TestHome home;
  Database writer = home.state();
  Database reader = home.state();
  {
    WriteTransaction transaction(writer);
    mark(writer, "a");
    CHECK(count_marks(reader) == 0);
    transaction.commit();
  }
  CHECK(count_marks(reader) == 1);
}

TEST_CASE("database: a transaction can follow one that failed") {
  const TestHome home;
  Database database = home.state();
  const auto twice = [&] {
    WriteTransaction transaction(database);
    database.guarded([&] { mark(database, "a"); });
    database.guarded([&] { mark(database, "a"); });
    transaction.commit();
  };
  CHECK(error_from(twice).status() == Status::system);
  WriteTransaction transaction(database);
  mark(database, "b");
  transaction.commit();
  CHECK(count_marks(database) == 1);
}

TEST_CASE("database: a failure names the file") {
  const TestHome home;
  Database database = home.state();
  const Error error = error_from(
      [&] { database.guarded([&] { database.sqlite().exec("INSERT INTO nothing VALUES (1)"); }); });
  CHECK(error.status() == Status::system);
  CHECK_THAT(error.what(), Catch::Contains(home / "state.db"));
}

TEST_CASE("database: a writer waits for another process to finish") {
  const TestHome home;
  Database database = home.state();
  SQLite::Database other = stranger_to(home);
  other.exec("BEGIN IMMEDIATE");
  std::thread ending([&] {
    std::this_thread::sleep_for(50ms);
    other.exec("COMMIT");
  });
  CHECK_NOTHROW(WriteTransaction(database));
  ending.join();
}

TEST_CASE("database: threads of one process take turns") {
  constexpr int kThreads = 4;
  constexpr int kTurns = 25;
  const TestHome home;
  Database database = home.state();
  mark(database, "sum");
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      Database own = home.state();
      for (int turn = 0; turn < kTurns; ++turn) {
        try {
          WriteTransaction transaction(own);
          const int value = number(own, "SELECT value FROM marks");
          own.sqlite().exec("UPDATE marks SET value = " + std::to_string(value + 1));
          transaction.commit();
        } catch (const std::exception&) {
          ++failures;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(number(database, "SELECT value FROM marks") == 1 + kThreads * kTurns);
}

TEST_CASE("database: processes that open a new folder at once all succeed") {
  constexpr int kOpeners = 6;
  for (int round = 0; round < 10; ++round) {
    const TestHome home;
    std::array<int, 2> gate{};
    REQUIRE(pipe2(gate.data(), O_CLOEXEC) == 0);
    std::vector<pid_t> children;
    for (int i = 0; i < kOpeners; ++i) {
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        close(gate[1]);
        char unused = 0;
        [[maybe_unused]] const ssize_t opened = read(gate[0], &unused, 1);
        int status = 0;
        try {
          Database database = home.state();
          WriteTransaction transaction(database);
          mark(database, std::to_string(i));
          transaction.commit();
        } catch (const std::exception& error) {
          status = 1;
          [[maybe_unused]] const ssize_t said =
              write(STDERR_FILENO, error.what(), std::string(error.what()).size());
        }
        _exit(status);
      }
      children.push_back(child);
    }
    close(gate[0]);
    close(gate[1]);
    for (const pid_t child : children) {
      int status = -1;
      REQUIRE(waitpid(child, &status, 0) == child);
      CHECK(status == 0);
    }
    Database database = home.state();
    CHECK(count_marks(database) == kOpeners);
  }
}

TEST_CASE("database: a state of the first version keeps its peers and messages") {
  const TestHome home;
  {
    SQLite::Database old = stranger_to(home);
    old.exec("PRAGMA journal_mode = WAL");
    old.exec(kMigrations[0]);
    old.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    old.exec("PRAGMA user_version = 1");
    old.exec(
        "INSERT INTO peers VALUES (7, 'IK', 'bob', 'trusted', 'a.b.c', 'typed:1', 'told:2', "
        "'Bob', '', 1, 2, 3), (8, 'IK2', NULL, 'pending', 'd.e.f', '', '', 'x', 'here', 4, 5, "
        "6)");
    old.exec(
        "INSERT INTO messages VALUES (1, 'in', 'IK', 'me', 'jti', x'00', x'01', 1, 2, 'print', "
        "x'', 0)");
  }
  Database database = home.state();
  CHECK(number(database, "PRAGMA user_version") == kSchemaVersion);
  Peers peers(database);
  const auto bob = peers.by_name("BOB");
  REQUIRE(bob);
  CHECK(bob->id == 7);
  CHECK(bob->status == PeerStatus::trusted);
  CHECK(bob->trust == Trust::accepted);
  CHECK(bob->statement == "a.b.c");
  CHECK(bob->typed_address == "typed:1");
  CHECK(bob->last_seen == 3);
  CHECK(peers.by_identity("IK2")->status == PeerStatus::pending);
  CHECK(number(database, "SELECT count(*) FROM messages") == 1);
  CHECK(database.sqlite().execAndGet("PRAGMA integrity_check").getString() == "ok");
}

// Each clean-up went through all that had expired, whose text most states still hold: `send` took
// longer the more had been sent.
TEST_CASE(
    "database: a state with an index over all that expires purges the same by a smaller one") {
  const TestHome home;
  constexpr int kBefore = 4;
  {
    SQLite::Database old = stranger_to(home);
    old.exec("PRAGMA journal_mode = WAL");
    for (int i = 0; i < kBefore; ++i) old.exec(kMigrations[static_cast<std::size_t>(i)]);
    old.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    old.exec("PRAGMA user_version = " + std::to_string(kBefore));
    old.exec(
        "INSERT INTO messages VALUES "
        "(1, 'in', 'IK', 'me', 'gone', x'00', NULL, 1, 99, 'printed', x'', 0, 0), "
        "(2, 'in', 'IK', 'me', 'kept', x'00', x'01', 1, 99, 'printed', x'', 0, 0), "
        "(3, 'in', 'IK', 'me', 'late', x'00', NULL, 1, 100, 'printed', x'', 0, 0), "
        "(4, 'in', 'IK', 'me', 'last', x'00', x'01', 1, 200, 'printed', x'', 0, 0)");
  }
  Database database = home.state();
  CHECK(number(database, "PRAGMA user_version") == kSchemaVersion);
  CHECK(number(database, "SELECT count(*) FROM sqlite_master WHERE name = 'messages_by_exp'") == 0);
  Messages messages(database);
  messages.purge(100);
  CHECK_FALSE(messages.get(1));
  CHECK(messages.purge_mark(1000) == 99);
  for (const std::int64_t id : {2, 3, 4}) CHECK(messages.get(id));
  CHECK(database.sqlite().execAndGet("PRAGMA integrity_check").getString() == "ok");
}

TEST_CASE("prepared: a statement that has failed works again, and is the same one") {
  const TestHome home;
  Database database = home.state();
  constexpr const char* kInsert = "INSERT INTO marks VALUES (?, 1)";
  const SQLite::Statement* first = nullptr;
  const auto insert = [&](const std::string& name) {
    Prepared prepared(database, kInsert);
    if (first == nullptr) first = &prepared.statement();
    CHECK(&prepared.statement() == first);
    prepared.statement().bind(1, name);
    prepared.statement().exec();
  };
  insert("one");
  CHECK_THROWS_AS(insert("one"), SQLite::Exception);
  insert("two");
  CHECK(count_marks(database) == 2);
}

TEST_CASE("prepared: one that ended at a row stops no checkpoint, and nothing is left bound") {
  const TestHome home;
  Database database = home.state();
  mark(database, "one");
  constexpr const char* kSelect = "SELECT value FROM marks WHERE name = ?";
  {
    Prepared prepared(database, kSelect);
    prepared.statement().bind(1, "one");
    CHECK(prepared.statement().executeStep());
  }
  CHECK(database.scrub_log());
  Prepared again(database, kSelect);
  CHECK_FALSE(again.statement().executeStep());
}

TEST_CASE("prepared: two of the same text at once are two statements") {
  const TestHome home;
  Database database = home.state();
  mark(database, "one");
  mark(database, "two");
  constexpr const char* kSelect = "SELECT name FROM marks ORDER BY name";
  Prepared outer(database, kSelect);
  REQUIRE(outer.statement().executeStep());
  Prepared inner(database, kSelect);
  REQUIRE(inner.statement().executeStep());
  CHECK(outer.statement().executeStep());
  CHECK(inner.statement().getColumn(0).getString() == "one");
  CHECK(outer.statement().getColumn(0).getString() == "two");
}

}  // namespace p2pchat

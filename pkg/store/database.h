// One connection to state.db and the rules every use of it follows: schema version, write-ahead log
// kept on close, one writer at a time, errors as Error{system}. The tables have files of their own.
#pragma once

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace p2pchat {

// When a commit returns: on disk, or with the kernel (it survives a crash of ours, not a power
// cut).
enum class Durability { full, normal };

// A state that cannot be read: nothing that it says may be relied on.
class DamagedState : public Error {
 public:
  using Error::Error;
};

class Database {
 public:
  // Opens, and creates with mode 0600 or migrates under a lock in `lock_path`. Throws Error{system}
  // for a damaged file or one of a newer version, which stays untouched, and Error{trust} when
  // others have access to it.
  Database(const std::string& path, const std::string& lock_path, Durability durability);
  Database(Database&&) = default;
  Database& operator=(Database&&) = delete;  // the old connection would end before its statements

  // Not inside a transaction.
  void set_durability(Durability durability);
  // How long to wait for other writers, at most; 10 s unless said otherwise.
  void set_patience(std::chrono::milliseconds patience);
  std::chrono::milliseconds patience() const { return patience_; }

  // BEGIN IMMEDIATE, for WriteTransaction.
  void begin(const Deadline& deadline);

  // Takes what was deleted out of the log as well. Only tries: another reader may need it, and then
  // it is false.
  bool scrub_log();

  SQLite::Database& sqlite() { return sqlite_; }

  // For Prepared: a statement of that text that nobody uses, and its return.
  std::unique_ptr<SQLite::Statement> take_statement(const std::string& sql);
  void keep_statement(std::string sql, std::unique_ptr<SQLite::Statement> statement) noexcept;

  // Runs `work` and turns the library's exceptions into Error{system} with the path.
  template <typename Work>
  auto guarded(Work work) {
    try {
      return work();
    } catch (const SQLite::Exception& error) {
      fail(error);
    }
  }

 private:
  [[noreturn]] void fail(const SQLite::Exception& error) const;
  int schema_version();
  void require_known_schema();
  void migrate(const std::string& lock_path);

  std::string path_;
  std::chrono::milliseconds patience_;
  SQLite::Database sqlite_;
  // After sqlite_, which they need to the end.
  std::vector<std::pair<std::string, std::unique_ptr<SQLite::Statement>>> prepared_;
};

// A statement that is run for every message: compiled once for a connection, and kept by it.
class Prepared {
 public:
  Prepared(Database& database, std::string sql)
      : database_(database), sql_(std::move(sql)), statement_(database.take_statement(sql_)) {}
  ~Prepared() { database_.keep_statement(std::move(sql_), std::move(statement_)); }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  SQLite::Statement& statement() { return *statement_; }

 private:
  Database& database_;
  std::string sql_;
  std::unique_ptr<SQLite::Statement> statement_;
};

// What the database can hold: the largest it has for what is larger.
std::int64_t to_sql(std::uint64_t value);
// A number that to_sql() has put there.
std::uint64_t from_sql(const SQLite::Column& column);

// BEGIN IMMEDIATE, so that the busy timeout is honoured; rolled back unless committed. Threads of
// this process queue on a mutex instead of SQLite's polling, and the database's patience is for
// both waits together.
class WriteTransaction {
 public:
  explicit WriteTransaction(Database& database);
  ~WriteTransaction();
  WriteTransaction(const WriteTransaction&) = delete;
  WriteTransaction& operator=(const WriteTransaction&) = delete;

  void commit();

 private:
  Database& database_;
  std::unique_lock<std::timed_mutex> turn_;
  bool open_ = true;
};

}  // namespace p2pchat

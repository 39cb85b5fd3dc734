#include "store/database.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>

#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/text.h"
#include "store/schema.h"

namespace p2pchat {

namespace {

constexpr std::chrono::milliseconds kPatience{10'000};
// Who opens the state while nobody else has it open reads the whole log: more than this costs a
// short command more time than a checkpoint now and then.
constexpr int kMostLogPages = 250;

// Creates the file itself, so that it has its mode from the first moment on.
const std::string& prepared(const std::string& path) {
  create_private_file(path);
  require_private_file(path);
  for (const char* suffix : {"-wal", "-shm"}) {
    if (exists(path + suffix)) require_private_file(path + suffix);
  }
  return path;
}

SQLite::Database opened(const std::string& path) {
  try {
    return SQLite::Database(prepared(path), SQLite::OPEN_READWRITE,
                            static_cast<int>(kPatience.count()));
  } catch (const SQLite::Exception& error) {
    throw Error(Status::system, "cannot open " + in_quotes(path) + ": " + error.getErrorStr());
  }
}

}  // namespace

Database::Database(const std::string& path, const std::string& lock_path, Durability durability)
    : path_(path), patience_(kPatience), sqlite_(opened(path)) {
  guarded([&] {
    // Checkpointing and unlinking the log at every close would cost a short command three syncs,
    // and change a database that is refused below.
    int keep_log = 1;
    sqlite3_file_control(sqlite_.getHandle(), "main", SQLITE_FCNTL_PERSIST_WAL, &keep_log);
    sqlite3_db_config(sqlite_.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    require_known_schema();
    if (schema_version() < kSchemaVersion) migrate(lock_path);
    sqlite_.exec("PRAGMA foreign_keys = ON");
    sqlite_.exec("PRAGMA secure_delete = ON");
    sqlite3_wal_autocheckpoint(sqlite_.getHandle(), kMostLogPages);
  });
  set_durability(durability);
}

void Database::set_durability(Durability durability) {
  guarded([&] {
    sqlite_.exec(durability == Durability::full ? "PRAGMA synchronous = FULL"
                                                : "PRAGMA synchronous = NORMAL");
  });
}

void Database::set_patience(std::chrono::milliseconds patience) {
  patience_ = std::min(patience, kPatience);
  guarded([&] { sqlite_.setBusyTimeout(static_cast<int>(patience_.count())); });
}

void Database::begin(const Deadline& deadline) {
  guarded([&] {
    sqlite_.setBusyTimeout(static_cast<int>(deadline.remaining().count()));
    const int result = sqlite_.tryExec("BEGIN IMMEDIATE");
    sqlite_.setBusyTimeout(static_cast<int>(patience_.count()));
    if (result != SQLITE_OK) throw SQLite::Exception(sqlite_.getHandle(), result);
  });
}

bool Database::scrub_log() {
  return sqlite3_wal_checkpoint_v2(sqlite_.getHandle(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr,
                                   nullptr) == SQLITE_OK;
}

std::unique_ptr<SQLite::Statement> Database::take_statement(const std::string& sql) {
  const auto kept = std::find_if(prepared_.begin(), prepared_.end(),
                                 [&](const auto& entry) { return entry.first == sql; });
  if (kept == prepared_.end()) return std::make_unique<SQLite::Statement>(sqlite_, sql);
  std::unique_ptr<SQLite::Statement> statement = std::move(kept->second);
  prepared_.erase(kept);
  return statement;
}

void Database::keep_statement(std::string sql,
                              std::unique_ptr<SQLite::Statement> statement) noexcept {
  try {
    // What was bound goes too: it may be a body of up to 1 MiB.
    statement->tryReset();
    statement->clearBindings();
    prepared_.emplace_back(std::move(sql), std::move(statement));
  } catch (const std::exception&) {  // no memory: it is compiled again
  }
}

void Database::fail(const SQLite::Exception& error) const {
  const std::string where = "cannot use the state in " + in_quotes(path_) + ": ";
  std::string why = error.getErrorStr();
  switch (error.getErrorCode()) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      why = "locked by another process for too long";
      break;
    case SQLITE_NOMEM:
      throw std::bad_alloc();
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw DamagedState(Status::system, where + "damaged (" + why + ")");
    default:
      break;
  }
  throw Error(Status::system, where + why);
}

int Database::schema_version() {
  return sqlite_.execAndGet("PRAGMA user_version").getInt();
}

void Database::require_known_schema() {
  const int version = schema_version();
  // In this order: whoever creates the tables beside us commits them together with the id.
  const int tables = sqlite_.execAndGet("SELECT count(*) FROM sqlite_master").getInt();
  const int application = sqlite_.execAndGet("PRAGMA application_id").getInt();
  if (version > kSchemaVersion) {
    throw Error(Status::system,
                "the state in " + in_quotes(path_) + " was written by a newer version of p2pchat");
  }
  if (tables > 0 && application != kApplicationId) {
    throw Error(Status::system, in_quotes(path_) + " is not a database of p2pchat");
  }
}

void Database::migrate(const std::string& lock_path) {
  const FileLock lock(lock_path, LockByte::schema, kPatience);
  if (!lock.held()) throw Error(Status::system, in_quotes(path_) + " is being created elsewhere");
  sqlite_.exec("PRAGMA journal_mode = WAL");
  WriteTransaction transaction(*this);
  for (int version = schema_version(); version < kSchemaVersion; ++version) {
    sqlite_.exec(kMigrations[static_cast<std::size_t>(version)]);
  }
  sqlite_.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
  sqlite_.exec("PRAGMA user_version = " + std::to_string(kSchemaVersion));
  transaction.commit();
}

std::int64_t to_sql(std::uint64_t value) {
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min<std::uint64_t>(value, kLargest));
}

std::uint64_t from_sql(const SQLite::Column& column) {
  return static_cast<std::uint64_t>(column.getInt64());
}

namespace {
// One for the process: it has one state folder.
std::timed_mutex write_turn;
}  // namespace

WriteTransaction::WriteTransaction(Database& database)
    : database_(database), turn_(write_turn, std::defer_lock) {
  const Deadline deadline(database.patience());
  // Without a turn the writer before us has kept it so long: SQLite says so.
  turn_.try_lock_until(deadline.at());
  database_.begin(deadline);
}

WriteTransaction::~WriteTransaction() {
  if (!open_) return;
  // After some errors SQLite has rolled back by itself: then this says so and nothing is lost.
  database_.sqlite().tryExec("ROLLBACK");
}

void WriteTransaction::commit() {
  database_.guarded([&] {
    if (fault("commit", EIO)) throw SQLite::Exception("disk I/O error", SQLITE_IOERR);
    database_.sqlite().exec("COMMIT");
  });
  open_ = false;
  if (turn_.owns_lock()) turn_.unlock();
}

}  // namespace p2pchat

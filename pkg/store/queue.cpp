#include "store/queue.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Statement.h>

namespace p2pchat {

namespace {

constexpr const char* kSelect =
    "SELECT queue.message, queue.peer, queue.attempts, queue.next, queue.failed, "
    "queue.why, messages.iss, messages.jti, messages.time, messages.exp, messages.state, "
    "coalesce(length(messages.body), 0) "
    "FROM queue CROSS JOIN messages ON messages.id = queue.message ";

QueuedMessage read_queued(SQLite::Statement& query) {
  QueuedMessage row;
  row.entry.message = query.getColumn(0).getInt64();
  row.entry.peer = query.getColumn(1).getString();
  row.entry.attempts = from_sql(query.getColumn(2));
  row.entry.next = from_sql(query.getColumn(3));
  row.entry.failed = query.getColumn(4).getInt() != 0;
  row.entry.why = query.getColumn(5).getString();
  row.iss = query.getColumn(6).getString();
  row.jti = query.getColumn(7).getString();
  row.time = from_sql(query.getColumn(8));
  row.exp = from_sql(query.getColumn(9));
  row.state = read_state(query.getColumn(10).getString());
  row.bytes = from_sql(query.getColumn(11));
  return row;
}

std::vector<QueuedMessage> read_all(SQLite::Statement& query) {
  std::vector<QueuedMessage> rows;
  while (query.executeStep()) rows.push_back(read_queued(query));
  return rows;
}

}  // namespace

void QueueTable::put(const QueueEntry& entry) {
  database_.guarded([&] {
    SQLite::Statement query(
        database_.sqlite(),
        "INSERT OR REPLACE INTO queue (message, peer, attempts, next, failed, why) "
        "VALUES (?, ?, ?, ?, ?, ?)");
    query.bind(1, entry.message);
    query.bind(2, entry.peer);
    query.bind(3, to_sql(entry.attempts));
    query.bind(4, to_sql(entry.next));
    query.bind(5, entry.failed ? 1 : 0);
    query.bind(6, entry.why);
    query.exec();
  });
}

void QueueTable::remove(std::int64_t message) {
  database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(), "DELETE FROM queue WHERE message = ?");
    query.bind(1, message);
    query.exec();
  });
}

std::optional<QueuedMessage> QueueTable::find(std::int64_t message) {
  return database_.guarded([&]() -> std::optional<QueuedMessage> {
    SQLite::Statement query(database_.sqlite(), std::string(kSelect) + "WHERE queue.message = ?");
    query.bind(1, message);
    if (!query.executeStep()) return std::nullopt;
    return read_queued(query);
  });
}

std::optional<QueuedMessage> QueueTable::first_waiting(const std::string& peer, std::uint64_t now) {
  return database_.guarded([&]() -> std::optional<QueuedMessage> {
    SQLite::Statement query(database_.sqlite(),
                            std::string(kSelect) +
                                "WHERE queue.peer = ? AND queue.failed = 0 AND messages.exp > ? "
                                "ORDER BY queue.message LIMIT 1");
    query.bind(1, peer);
    query.bind(2, to_sql(now));
    if (!query.executeStep()) return std::nullopt;
    return read_queued(query);
  });
}

std::uint64_t QueueTable::count_waiting(const std::optional<std::string>& peer) {
  return database_.guarded([&] {
    SQLite::Statement query(
        database_.sqlite(),
        std::string("SELECT count(*) FROM queue WHERE failed = 0") + (peer ? " AND peer = ?" : ""));
    if (peer) query.bind(1, *peer);
    query.executeStep();
    return from_sql(query.getColumn(0));
  });
}

std::vector<std::string> QueueTable::peers_waited_for() {
  return database_.guarded([&] {
    SQLite::Statement query(
        database_.sqlite(),
        "SELECT peer FROM queue WHERE failed = 0 GROUP BY peer ORDER BY min(message)");
    std::vector<std::string> peers;
    while (query.executeStep()) peers.push_back(query.getColumn(0).getString());
    return peers;
  });
}

std::vector<QueuedMessage> QueueTable::expired(std::uint64_t now) {
  return database_.guarded([&] {
    SQLite::Statement query(
        database_.sqlite(),
        std::string(kSelect) +
            "WHERE queue.failed = 0 AND messages.exp <= ? ORDER BY queue.message");
    query.bind(1, to_sql(now));
    return read_all(query);
  });
}

std::vector<QueuedMessage> QueueTable::all() {
  return database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(), std::string(kSelect) + "ORDER BY queue.message");
    return read_all(query);
  });
}

std::vector<QueuedMessage> QueueTable::with_id(const std::string& jti) {
  return database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(),
                            std::string(kSelect) + "WHERE messages.jti = ? ORDER BY queue.message");
    query.bind(1, jti);
    return read_all(query);
  });
}

}  // namespace p2pchat

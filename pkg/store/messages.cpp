#include "store/messages.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Statement.h>

#include <algorithm>
#include <array>

namespace p2pchat {

namespace {

constexpr const char* kMessageColumns =
    "id, direction, iss, aud, jti, hash, body, time, exp, state, reply, rc, repeated";
// What the purge remembers: the largest expiry of each span of time, under this and its number.
constexpr const char* kPurgeMarks = "purged_exp";
constexpr std::uint64_t kPurgeSpanSeconds = 30 * 86'400;
// The reply to a received message stays: a repetition of it gets the same one.
constexpr const char* kForget =
    "UPDATE messages SET body = NULL, reply = CASE direction WHEN 'out' THEN x'' ELSE reply END ";

struct StateName {
  MessageState state;
  const char* name;
};
constexpr std::array kStateNames = {
    StateName{MessageState::print, "print"},
    StateName{MessageState::printed, "printed"},
    StateName{MessageState::exec, "exec"},
    StateName{MessageState::handling, "handling"},
    StateName{MessageState::handled, "handled"},
    StateName{MessageState::interrupted, "interrupted"},
    StateName{MessageState::queued, "queued"},
    StateName{MessageState::unknown, "unknown"},
    StateName{MessageState::acked, "acked"},
    StateName{MessageState::untaken, "untaken"},
    StateName{MessageState::failed, "failed"},
};

std::string direction_text(Direction direction) {
  return direction == Direction::in ? "in" : "out";
}

void bind_blob(SQLite::Statement& statement, int index, const std::string& bytes) {
  statement.bind(index, bytes.data(), static_cast<int>(bytes.size()));
}

void bind_key(SQLite::Statement& statement, const MessageKey& key) {
  statement.bind(1, direction_text(key.direction));
  statement.bind(2, key.iss);
  statement.bind(3, key.aud);
  statement.bind(4, key.jti);
}

MessageRow read_row(SQLite::Statement& statement) {
  MessageRow row;
  row.id = statement.getColumn(0).getInt64();
  row.key.direction = statement.getColumn(1).getString() == "in" ? Direction::in : Direction::out;
  row.key.iss = statement.getColumn(2).getString();
  row.key.aud = statement.getColumn(3).getString();
  row.key.jti = statement.getColumn(4).getString();
  row.hash = statement.getColumn(5).getString();
  row.body = statement.getColumn(6).getString();
  row.time = from_sql(statement.getColumn(7));
  row.exp = from_sql(statement.getColumn(8));
  row.state = read_state(statement.getColumn(9).getString());
  row.reply = statement.getColumn(10).getString();
  row.rc = statement.getColumn(11).getUInt();
  row.repeated = from_sql(statement.getColumn(12));
  return row;
}

// Not still to be written, handled or delivered: then neither the body nor the id may go.
constexpr const char* kHandedOut =
    "state NOT IN ('print', 'exec', 'handling') AND id NOT IN (SELECT message FROM queue)";

}  // namespace

std::string state_text(MessageState state) {
  return std::find_if(kStateNames.begin(), kStateNames.end(),
                      [&](const StateName& row) { return row.state == state; })
      ->name;
}

MessageState read_state(const std::string& text) {
  const auto* row = std::find_if(kStateNames.begin(), kStateNames.end(),
                                 [&](const StateName& r) { return r.name == text; });
  return row == kStateNames.end() ? MessageState::failed : row->state;
}

std::optional<MessageRow> Messages::get(std::int64_t id) {
  return database_.guarded([&]() -> std::optional<MessageRow> {
    Prepared prepared(database_,
                      std::string("SELECT ") + kMessageColumns + " FROM messages WHERE id = ?");
    SQLite::Statement& query = prepared.statement();
    query.bind(1, id);
    if (!query.executeStep()) return std::nullopt;
    return read_row(query);
  });
}

std::vector<std::int64_t> Messages::unhandled() {
  return database_.guarded([&] {
    SQLite::Statement query(
        database_.sqlite(),
        "SELECT id FROM messages WHERE state IN ('exec', 'handling') ORDER BY id");
    std::vector<std::int64_t> ids;
    while (query.executeStep()) ids.push_back(query.getColumn(0).getInt64());
    return ids;
  });
}

std::optional<MessageRow> Messages::find(const MessageKey& key) {
  return database_.guarded([&]() -> std::optional<MessageRow> {
    Prepared prepared(database_, std::string("SELECT ") + kMessageColumns +
                                     " FROM messages WHERE direction = ? AND iss = ? AND aud = ? "
                                     "AND jti = ?");
    SQLite::Statement& query = prepared.statement();
    bind_key(query, key);
    if (!query.executeStep()) return std::nullopt;
    return read_row(query);
  });
}

std::int64_t Messages::insert(const MessageRow& row) {
  return database_.guarded([&] {
    Prepared prepared(database_, std::string("INSERT INTO messages (") + kMessageColumns +
                                     ") VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    SQLite::Statement& query = prepared.statement();
    bind_key(query, row.key);
    bind_blob(query, 5, row.hash);
    bind_blob(query, 6, row.body);
    query.bind(7, to_sql(row.time));
    query.bind(8, to_sql(row.exp));
    query.bind(9, state_text(row.state));
    bind_blob(query, 10, row.reply);
    query.bind(11, row.rc);
    query.bind(12, to_sql(row.repeated));
    query.exec();
    return std::int64_t{database_.sqlite().getLastInsertRowid()};
  });
}

void Messages::extend(std::int64_t id, std::uint64_t exp) {
  database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(),
                            "UPDATE messages SET exp = ?1 WHERE id = ?2 AND exp < ?1");
    query.bind(1, to_sql(exp));
    query.bind(2, id);
    query.exec();
  });
}

void Messages::repeat(std::int64_t id, std::uint64_t exp) {
  database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(),
                            "UPDATE messages SET exp = ?, repeated = repeated + 1, "
                            "state = CASE state WHEN 'acked' THEN state ELSE 'unknown' END "
                            "WHERE id = ?");
    query.bind(1, to_sql(exp));
    query.bind(2, id);
    query.exec();
  });
}

void Messages::set_state(std::int64_t id, MessageState state) {
  database_.guarded([&] {
    Prepared prepared(database_, "UPDATE messages SET state = ? WHERE id = ?");
    SQLite::Statement& query = prepared.statement();
    query.bind(1, state_text(state));
    query.bind(2, id);
    query.exec();
  });
}

void Messages::set_outcome(std::int64_t id, MessageState state, const std::string& reply,
                           unsigned rc) {
  database_.guarded([&] {
    Prepared prepared(database_, "UPDATE messages SET state = ?, reply = ?, rc = ? WHERE id = ?");
    SQLite::Statement& query = prepared.statement();
    query.bind(1, state_text(state));
    bind_blob(query, 2, reply);
    query.bind(3, rc);
    query.bind(4, id);
    query.exec();
  });
}

void Messages::queue_again(std::int64_t id, const std::string& body, std::uint64_t exp) {
  database_.guarded([&] {
    SQLite::Statement query(
        database_.sqlite(),
        "UPDATE messages SET body = ?1, exp = ?2, "
        "state = CASE WHEN state IN ('unknown', 'acked') THEN state ELSE 'queued' END "
        "WHERE id = ?3");
    bind_blob(query, 1, body);
    query.bind(2, to_sql(exp));
    query.bind(3, id);
    query.exec();
  });
}

void Messages::forget_body(std::int64_t id) {
  database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(), std::string(kForget) + "WHERE id = ?");
    query.bind(1, id);
    query.exec();
  });
}

std::optional<MessageRow> Messages::next_to_print() {
  return database_.guarded([&]() -> std::optional<MessageRow> {
    Prepared prepared(database_, std::string("SELECT ") + kMessageColumns +
                                     " FROM messages WHERE state = 'print' ORDER BY id LIMIT 1");
    SQLite::Statement& query = prepared.statement();
    if (!query.executeStep()) return std::nullopt;
    return read_row(query);
  });
}

std::uint64_t Messages::count_to_print() {
  return database_.guarded([&] {
    return from_sql(
        database_.sqlite().execAndGet("SELECT count(*) FROM messages WHERE state = 'print'"));
  });
}

void Messages::purge(std::uint64_t exp_before) {
  // By expiry, whatever else could be looked up in an index ("+"): it is run with every message
  // that is sent.
  const std::string purged = std::string(
                                 "exp < ?1 AND body IS NULL "
                                 "AND +id < (SELECT max(id) FROM messages) AND ") +
                             kHandedOut;
  database_.guarded([&] {
    SQLite::Statement mark(database_.sqlite(),
                           "INSERT INTO marks (name, value) "
                           "SELECT ?2 || ' ' || (exp / ?3), max(exp) FROM messages "
                           "WHERE +direction = 'in' AND " +
                               purged +
                               " GROUP BY exp / ?3 ON CONFLICT (name) "
                               "DO UPDATE SET value = max(value, excluded.value)");
    mark.bind(1, to_sql(exp_before));
    mark.bind(2, kPurgeMarks);
    mark.bind(3, to_sql(kPurgeSpanSeconds));
    mark.exec();
    SQLite::Statement query(database_.sqlite(), "DELETE FROM messages WHERE " + purged);
    query.bind(1, to_sql(exp_before));
    query.exec();
  });
}

std::uint64_t Messages::purge_mark(std::uint64_t largest_exp) {
  return database_.guarded([&] {
    Prepared prepared(database_,
                      "SELECT ifnull(max(value), 0) FROM marks "
                      "WHERE name >= ?1 AND name < ?1 || '!' AND value / ?3 <= ?2 / ?3");
    SQLite::Statement& query = prepared.statement();
    query.bind(1, kPurgeMarks);
    query.bind(2, to_sql(largest_exp));
    query.bind(3, to_sql(kPurgeSpanSeconds));
    query.executeStep();
    return from_sql(query.getColumn(0));
  });
}

void Messages::forget_bodies(std::uint64_t time_before) {
  database_.guarded([&] {
    SQLite::Statement query(
        database_.sqlite(),
        std::string(kForget) + "WHERE body IS NOT NULL AND time < ? AND " + kHandedOut);
    query.bind(1, to_sql(time_before));
    query.exec();
  });
}

std::optional<std::int64_t> Messages::forget_next(const std::optional<std::string>& peer,
                                                  std::uint64_t time_before, std::int64_t after) {
  // Few enough that nobody waits for long, were each of the largest size.
  constexpr const char* kAtOnce = " LIMIT 64";
  const std::string chosen = std::string(
                                 "id > ?1 AND +time < ?2 AND (body IS NOT NULL OR "
                                 "(+direction = 'out' AND reply <> x'')) AND ") +
                             kHandedOut +
                             (peer ? std::string(" AND ") + kPeerColumn + " = ?3" : "");
  return database_.guarded([&]() -> std::optional<std::int64_t> {
    const auto bind = [&](SQLite::Statement& query) {
      query.bind(1, after);
      query.bind(2, to_sql(time_before));
      if (peer) query.bind(3, *peer);
    };
    SQLite::Statement last(database_.sqlite(),
                           "SELECT max(id) FROM (SELECT id FROM messages WHERE " + chosen +
                               " ORDER BY id" + kAtOnce + ")");
    bind(last);
    last.executeStep();
    if (last.getColumn(0).isNull()) return std::nullopt;
    const std::int64_t end = last.getColumn(0).getInt64();
    SQLite::Statement query(database_.sqlite(), kForget + ("WHERE id <= ?4 AND " + chosen));
    bind(query);
    query.bind(4, end);
    query.exec();
    return end;
  });
}

}  // namespace p2pchat

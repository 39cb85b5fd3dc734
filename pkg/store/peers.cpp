#include "store/peers.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Statement.h>

#include <algorithm>
#include <array>
#include <utility>

namespace p2pchat {

namespace {

constexpr const char* kPeerColumns =
    "id, identity, name, status, trust, statement, typed_address, announced_address, via, told, "
    "hint, "
    "source, registered, first_seen, last_seen";

template <typename Value, std::size_t size>
using Names = std::array<std::pair<Value, const char*>, size>;

constexpr Names<PeerStatus, 3> kStatusNames = {{{PeerStatus::trusted, "trusted"},
                                                {PeerStatus::pending, "pending"},
                                                {PeerStatus::blocked, "blocked"}}};
constexpr Names<Trust, 3> kTrustNames = {{{Trust::accepted, "accepted"},
                                          {Trust::first_use, "first-use"},
                                          {Trust::verified, "verified"}}};

template <typename Value, std::size_t size>
std::string name_of(const Names<Value, size>& names, Value value) {
  return std::find_if(names.begin(), names.end(),
                      [&](const auto& row) { return row.first == value; })
      ->second;
}

// A word that the table does not allow stands for `otherwise`.
template <typename Value, std::size_t size>
Value value_of(const Names<Value, size>& names, const std::string& name, Value otherwise) {
  const auto* row = std::find_if(names.begin(), names.end(),
                                 [&](const auto& entry) { return entry.second == name; });
  return row == names.end() ? otherwise : row->first;
}

// The columns after id, in their order.
void bind_row(SQLite::Statement& statement, const PeerRow& row) {
  int index = 0;
  statement.bind(++index, row.identity);
  ++index;  // an unbound parameter is NULL
  if (!row.name.empty()) statement.bind(index, row.name);
  statement.bind(++index, name_of(kStatusNames, row.status));
  statement.bind(++index, name_of(kTrustNames, row.trust));
  for (const std::string* text : {&row.statement, &row.typed_address, &row.announced_address,
                                  &row.via, &row.told, &row.hint, &row.source}) {
    statement.bind(++index, *text);
  }
  for (const std::uint64_t number : {row.registered, row.first_seen, row.last_seen}) {
    statement.bind(++index, to_sql(number));
  }
}

std::optional<PeerRow> only(std::vector<PeerRow> rows) {
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

}  // namespace

PeerRow Peers::read(SQLite::Statement& statement) {
  PeerRow row;
  int index = 0;
  row.id = statement.getColumn(index++).getInt64();
  row.identity = statement.getColumn(index++).getString();
  row.name = statement.getColumn(index++).getString();
  row.status =
      value_of(kStatusNames, statement.getColumn(index++).getString(), PeerStatus::pending);
  row.trust = value_of(kTrustNames, statement.getColumn(index++).getString(), Trust::first_use);
  for (std::string* text : {&row.statement, &row.typed_address, &row.announced_address, &row.via,
                            &row.told, &row.hint, &row.source}) {
    *text = statement.getColumn(index++).getString();
  }
  for (std::uint64_t* number : {&row.registered, &row.first_seen, &row.last_seen}) {
    *number = from_sql(statement.getColumn(index++));
  }
  return row;
}

std::vector<PeerRow> Peers::select(const std::string& condition, const std::string& parameter) {
  return database_.guarded([&] {
    Prepared prepared(database_,
                      std::string("SELECT ") + kPeerColumns + " FROM peers " + condition);
    SQLite::Statement& query = prepared.statement();
    if (query.getBindParameterCount() > 0) query.bind(1, parameter);
    std::vector<PeerRow> rows;
    while (query.executeStep()) rows.push_back(read(query));
    return rows;
  });
}

std::optional<PeerRow> Peers::by_name(const std::string& name) {
  return only(select("WHERE name = ?", name));
}

std::optional<PeerRow> Peers::by_identity(const std::string& identity) {
  return only(select("WHERE identity = ?", identity));
}

std::vector<PeerRow> Peers::by_identity_prefix(const std::string& prefix, unsigned limit) {
  // Base64url has no character above 'z', so this range holds all that begin with the prefix.
  return select("WHERE identity >= ?1 AND identity < ?1 || '{' LIMIT " + std::to_string(limit),
                prefix);
}

std::vector<PeerRow> Peers::by_address(const std::string& address) {
  return select(
      "WHERE id IN (SELECT id FROM peers INDEXED BY peers_by_typed"
      "             WHERE name IS NOT NULL AND typed_address = ?1"
      "             UNION SELECT id FROM peers INDEXED BY peers_by_announced"
      "             WHERE name IS NOT NULL AND announced_address = ?1)",
      address);
}

std::vector<PeerRow> Peers::all() {
  return select("ORDER BY name IS NULL, name, first_seen, id", {});
}

void Peers::insert(const PeerRow& row) {
  database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(),
                            std::string("INSERT INTO peers (") + kPeerColumns +
                                ") VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    bind_row(query, row);
    query.exec();
  });
}

void Peers::update(const PeerRow& row) {
  database_.guarded([&] {
    Prepared prepared(
        database_,
        "UPDATE peers SET identity = ?, name = ?, status = ?, trust = ?, statement = ?, "
        "typed_address = ?, announced_address = ?, via = ?, told = ?, hint = ?, source = ?, "
        "registered = ?, first_seen = ?, last_seen = ? WHERE id = ?");
    SQLite::Statement& query = prepared.statement();
    bind_row(query, row);
    query.bind(15, row.id);
    query.exec();
  });
}

void Peers::set_last_seen(std::int64_t id, std::uint64_t time) {
  database_.guarded([&] {
    Prepared prepared(database_, "UPDATE peers SET last_seen = ? WHERE id = ?");
    SQLite::Statement& query = prepared.statement();
    query.bind(1, to_sql(time));
    query.bind(2, id);
    query.exec();
  });
}

void Peers::remove(std::int64_t id) {
  database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(), "DELETE FROM peers WHERE id = ?");
    query.bind(1, id);
    query.exec();
  });
}

std::uint64_t Peers::count_pending() {
  return database_.guarded([&] {
    return from_sql(
        database_.sqlite().execAndGet("SELECT count(*) FROM peers INDEXED BY peers_pending "
                                      "WHERE status = 'pending'"));
  });
}

std::uint64_t Peers::count_first_use() {
  return database_.guarded([&] {
    return from_sql(
        database_.sqlite().execAndGet("SELECT count(*) FROM peers WHERE trust = 'first-use'"));
  });
}

std::uint64_t Peers::count_new_between(const std::string& source, std::uint64_t after,
                                       std::uint64_t until) {
  return database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(),
                            "SELECT count(*) FROM peers WHERE (status = 'pending' OR trust = "
                            "'first-use') AND source = ? AND first_seen > ? AND first_seen <= ?");
    query.bind(1, source);
    query.bind(2, to_sql(after));
    query.bind(3, to_sql(until));
    query.executeStep();
    return from_sql(query.getColumn(0));
  });
}

void Peers::evict_pending() {
  database_.guarded([&] {
    database_.sqlite().exec(
        "DELETE FROM peers WHERE id = ("
        "  SELECT id FROM peers INDEXED BY peers_pending WHERE status = 'pending' AND source = ("
        "    SELECT source FROM peers INDEXED BY peers_pending WHERE status = 'pending'"
        "    GROUP BY source ORDER BY count(*) DESC, min(first_seen) LIMIT 1)"
        "  ORDER BY first_seen, id LIMIT 1)");
  });
}

void Peers::expire_pending(std::uint64_t first_seen_before) {
  database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(),
                            "DELETE FROM peers WHERE status = 'pending' AND first_seen < ?");
    query.bind(1, to_sql(first_seen_before));
    query.exec();
  });
}

}  // namespace p2pchat

#include "store/message_reader.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Statement.h>

namespace p2pchat {

namespace {

constexpr std::size_t kPageRows = 1'000;
constexpr std::size_t kPageBytes = 4'194'304;

// Always in the order of ids, which one index each gives: none of the others may be chosen for a
// condition that only thins out ("+").
std::string condition(const MessageFilter& filter) {
  std::string text = "id > :after";
  if (filter.peer) text += std::string(" AND ") + kPeerColumn + " = :peer";
  if (filter.direction) {
    text += filter.peer ? " AND +direction = " : " AND direction = ";
    text += *filter.direction == Direction::in ? "'in'" : "'out'";
  }
  if (filter.since > 0) text += " AND +time >= :since";
  return text;
}

void bind(SQLite::Statement& query, const MessageFilter& filter, std::int64_t after) {
  query.bind(":after", after);
  if (filter.peer) query.bind(":peer", *filter.peer);
  if (filter.since > 0) query.bind(":since", to_sql(filter.since));
}

StoredMessage read_stored(SQLite::Statement& query) {
  StoredMessage message;
  int index = 0;
  message.id = query.getColumn(index++).getInt64();
  message.direction = query.getColumn(index++).getString() == "in" ? Direction::in : Direction::out;
  message.peer = query.getColumn(index++).getString();
  message.jti = query.getColumn(index++).getString();
  const SQLite::Column body = query.getColumn(index++);
  if (!body.isNull()) message.body = body.getString();
  message.time = from_sql(query.getColumn(index++));
  message.state = read_state(query.getColumn(index++).getString());
  message.reply = query.getColumn(index++).getString();
  message.rc = query.getColumn(index++).getUInt();
  return message;
}

}  // namespace

std::vector<StoredMessage> MessageReader::page(const MessageFilter& filter, std::int64_t after) {
  return database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(),
                            std::string("SELECT id, direction, ") + kPeerColumn +
                                ", jti, body, time, state, reply, rc FROM messages WHERE " +
                                condition(filter) + " ORDER BY id LIMIT :rows");
    bind(query, filter, after);
    query.bind(":rows", static_cast<std::int64_t>(kPageRows));
    std::vector<StoredMessage> messages;
    std::size_t bytes = 0;
    while (bytes < kPageBytes && query.executeStep()) {
      messages.push_back(read_stored(query));
      bytes += messages.back().reply.size();
      if (messages.back().body) bytes += messages.back().body->size();
    }
    return messages;
  });
}

std::int64_t MessageReader::before_oldest(const MessageFilter& filter) {
  if (filter.since == 0) return 0;
  return database_.guarded([&] {
    // min(id) would look for the time in one message after another, instead of in the index.
    SQLite::Statement query(
        database_.sqlite(),
        "SELECT coalesce((SELECT min(+id) FROM messages WHERE time >= ?) - 1, max(id), 0) "
        "FROM messages");
    query.bind(1, to_sql(filter.since));
    query.executeStep();
    return std::int64_t{query.getColumn(0).getInt64()};
  });
}

std::int64_t MessageReader::before_newest(const MessageFilter& filter, std::uint64_t count) {
  const std::int64_t start = before_oldest(filter);
  return database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(),
                            "SELECT min(id) FROM (SELECT id FROM messages WHERE " +
                                condition(filter) + " ORDER BY id DESC LIMIT :rows)");
    bind(query, filter, start);
    query.bind(":rows", to_sql(count));
    query.executeStep();
    return query.getColumn(0).isNull() ? start : query.getColumn(0).getInt64() - 1;
  });
}

std::int64_t MessageReader::newest() {
  return database_.guarded([&] {
    return std::int64_t{
        database_.sqlite().execAndGet("SELECT coalesce(max(id), 0) FROM messages").getInt64()};
  });
}

bool MessageReader::knows(const std::string& peer) {
  return database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(), std::string("SELECT 1 FROM messages WHERE ") +
                                                    kPeerColumn + " = ? LIMIT 1");
    query.bind(1, peer);
    return query.executeStep();
  });
}

}  // namespace p2pchat

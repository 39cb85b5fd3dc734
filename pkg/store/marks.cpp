#include "store/marks.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Statement.h>

namespace p2pchat {

std::uint64_t Marks::get(const std::string& name) {
  return database_.guarded([&]() -> std::uint64_t {
    SQLite::Statement query(database_.sqlite(), "SELECT value FROM marks WHERE name = ?");
    query.bind(1, name);
    return query.executeStep() ? from_sql(query.getColumn(0)) : 0;
  });
}

void Marks::raise(const std::string& name, std::uint64_t value) {
  database_.guarded([&] {
    SQLite::Statement query(database_.sqlite(),
                            "INSERT INTO marks (name, value) VALUES (?, ?) "
                            "ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)");
    query.bind(1, name);
    query.bind(2, static_cast<std::int64_t>(value));
    query.exec();
  });
}

}  // namespace p2pchat

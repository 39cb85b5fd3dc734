// Data on standard output: every write is checked, and what fails is Error{system}. No other file
// of cmd/ writes there, but for the listener's printer (node/printer).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace p2pchat {

// Writes the bytes as they are, at once.
void print(std::string_view bytes);

// One JSON object on one line, members in this order. Text that is not UTF-8 is replaced by U+FFFD.
struct JsonField {
  std::string name;
  std::variant<std::string, std::uint64_t, std::int64_t, std::nullptr_t> value;
};
std::string json_line(const std::vector<JsonField>& fields);

// Rows of cells as columns, two spaces apart, without trailing spaces.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace p2pchat

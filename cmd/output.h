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

// A member of a record: what it is called in JSON, and the letter that stands for it in a --format.
struct Field {
  std::string name;
  std::variant<std::string, std::uint64_t, std::int64_t, std::nullptr_t> value;
  char letter = '\0';     // none
  std::string text = {};  // what %LETTER becomes
};
using Record = std::vector<Field>;

// Text that is its own value.
Field text_field(std::string name, const std::string& text, char letter = '\0');
// Seconds since 1970 as RFC 3339; 0 is null, and nothing in a --format.
Field time_field(std::string name, std::uint64_t time, char letter = '\0');
// The bytes of a message: as `text_name` when they are UTF-8, else as `data_name` in base64.
Field bytes_field(const std::string& text_name, const std::string& data_name,
                  const std::string& bytes, char letter = '\0');

// One JSON object on one line, members in this order. Text that is not UTF-8 is replaced by U+FFFD;
// whatever a terminal would obey is escaped.
std::string json_line(const Record& record);

// What --format gives: text with %LETTER for a field and %% for a percent sign.
class Template {
 public:
  // letters: those that every record has. Throws Error{usage} for any other.
  Template(std::string_view text, std::string_view letters);

  // One record, without a newline after it; escaped: on one line, fit for a terminal.
  std::string expand(const Record& record, bool escaped) const;

 private:
  std::string text_;
};

// Rows of cells as columns, two spaces apart, without trailing spaces.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace p2pchat

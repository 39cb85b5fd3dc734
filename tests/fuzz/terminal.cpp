// Text of strangers on its way to a terminal, into JSON and into a command line.
#include <algorithm>

#include "base/text.h"
#include "fuzz.h"
#include "model.h"

namespace p2pchat {

namespace {

bool is_harmless(std::string_view text) {
  const auto points = model_code_points(text);
  return points && std::all_of(points->begin(), points->end(), model_is_harmless);
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7E; });
}

void check_lines(std::string_view input, std::string_view continuation) {
  const std::string text = escape_for_terminal(input, continuation);
  std::string_view rest = text;
  std::ptrdiff_t lines = 0;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    HOLDS(is_harmless(rest.substr(0, end)));
    rest.remove_prefix(end);
    if (rest.empty()) break;
    ++lines;
    rest.remove_prefix(1);
    HOLDS(rest.starts_with(continuation));
  }
  HOLDS(lines == std::count(input.begin(), input.end(), '\n'));
}

// What a POSIX shell makes of the word; nothing when it would be more or less than one.
std::optional<std::string> expanded(std::string_view word) {
  constexpr std::string_view kSpecial = "|&;<>()$`\\\"' \t\n*?[#~!{}";
  std::string text;
  if (word.empty()) return std::nullopt;
  while (!word.empty()) {
    const char c = word.front();
    word.remove_prefix(1);
    if (c == '\'') {
      const std::size_t end = word.find('\'');
      if (end == std::string_view::npos) return std::nullopt;
      text += word.substr(0, end);
      word.remove_prefix(end + 1);
    } else if (c == '\\' && !word.empty()) {
      text += word.front();
      word.remove_prefix(1);
    } else if (kSpecial.find(c) == std::string_view::npos) {
      text += c;
    } else {
      return std::nullopt;
    }
  }
  return text;
}

// A text in double quotes that ends at its last byte and not before.
bool is_quoted(std::string_view text) {
  if (!text.starts_with('"')) return false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1 == text.size();
    }
  }
  return false;
}

}  // namespace

FUZZ_TARGET(terminal) {
  const bool utf8 = model_code_points(input).has_value();
  HOLDS(is_utf8(input) == utf8);

  const std::string line = escape_for_terminal(input);
  HOLDS(is_harmless(line));
  HOLDS(escape_for_terminal(line) == line);
  if (is_printable_ascii(input)) HOLDS(line == input);
  HOLDS(in_quotes(input) == "'" + line + "'");
  check_lines(input, "    ");
  check_lines(input, "> ");

  const std::string quoted = in_double_quotes(input);
  HOLDS(is_harmless(quoted) && is_quoted(quoted));

  if (input.find('\0') == std::string_view::npos) HOLDS(expanded(shell_word(input)) == input);

  if (!utf8) return;
  const std::string json = write_json({{"text", input}});
  const std::string escaped = escape_in_json(json);
  HOLDS(is_harmless(escaped));
  HOLDS(model_json(json) && model_json(escaped) == model_json(json));
  HOLDS(escape_in_json(escaped) == escaped);
}

}  // namespace p2pchat

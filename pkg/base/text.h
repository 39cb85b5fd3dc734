// Text as people and scripts write it: UTF-8 validity, escaping of what strangers sent, quoting,
// and the numbers and durations of the command line. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace p2pchat {

// Well-formed UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, at most U+10FFFF.
bool is_utf8(std::string_view bytes);

// Makes bytes safe to show on a terminal: control characters (C0, DEL, C1), line and paragraph
// separators, bidi and other invisible format characters become visible escapes (\t, \x1b,
// \u{202e}); bytes that are not UTF-8 become \xNN. A newline stays a line break whose next line
// starts with `continuation`, so that no text can imitate the first line of another record; with
// an empty continuation it is escaped as well. Idempotent on its own output.
std::string escape_for_terminal(std::string_view bytes, std::string_view continuation = {});

// A JSON text of valid UTF-8, whose strings may hold any of those characters but C0: they become
// \u escapes, so that it means the same and can be shown on a terminal.
std::string escape_in_json(std::string_view json);

// RFC 4648, section 4: with padding, on one line.
std::string base64(std::string_view bytes);

// 'text', escaped for a terminal on one line: the form in which messages name their subject.
std::string in_quotes(std::string_view text);

// "text", escaped likewise and with a backslash before each '"' and '\', so that nothing inside can
// end it: the form in which a remote name hint is shown.
std::string in_double_quotes(std::string_view text);

// One word of a POSIX shell command line that expands to exactly `text`.
std::string shell_word(std::string_view text);

// ASCII only: other bytes stay as they are.
std::string ascii_lower(std::string_view text);
bool equal_ignoring_ascii_case(std::string_view a, std::string_view b);

// How many bytes have to be put in, left out, replaced or swapped with their neighbour to get from
// one to the other (Damerau-Levenshtein, no byte being touched twice).
std::size_t edit_distance(std::string_view a, std::string_view b);

// Decimal digits only, at most `max`; nothing otherwise.
std::optional<std::uint64_t> parse_unsigned(std::string_view text, std::uint64_t max);

// A number of seconds ("2", "0.5") or with a unit: ms s m h d. At most 10 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// A number of bytes, or with a unit: K and M for 1,024 and 1,048,576. At most `max`.
std::optional<std::uint64_t> parse_size(std::string_view text, std::uint64_t max);

}  // namespace p2pchat

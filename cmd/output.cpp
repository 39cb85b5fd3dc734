#include "output.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace p2pchat {

void print(std::string_view bytes) {
  if (const int error = write_all(STDOUT_FILENO, bytes); error != 0) {
    throw Error(Status::system, "cannot write to standard output: " + errno_text(error));
  }
}

Field text_field(std::string name, const std::string& text, char letter) {
  return {std::move(name), text, letter, text};
}

Field time_field(std::string name, std::uint64_t time, char letter) {
  if (time == 0) return {std::move(name), nullptr, letter};
  return text_field(std::move(name), rfc3339(time), letter);
}

Field bytes_field(const std::string& text_name, const std::string& data_name,
                  const std::string& bytes, char letter) {
  if (is_utf8(bytes)) return text_field(text_name, bytes, letter);
  return {data_name, base64(bytes), letter, bytes};
}

// A member at a time: to destroy an object the library allocates memory, which there may not be.
std::string json_line(const Record& record) {
  const auto json = [](const auto& value) {
    return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  std::string line;
  for (const Field& field : record) {
    line += (line.empty() ? '{' : ',') + json(field.name) + ':' + std::visit(json, field.value);
  }
  return escape_in_json(line) + "}\n";
}

Template::Template(std::string_view text, std::string_view letters) : text_(text) {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 2)) {
    const std::string_view letter = text.substr(at + 1, 1);
    if (letter == "%" || (!letter.empty() && letters.find(letter) != std::string_view::npos)) {
      continue;
    }
    std::string known;
    for (const char c : letters) known += std::string("%") + c + " ";
    throw Error(Status::usage, "no field " + in_quotes("%" + std::string(letter)) + " in a format",
                "there are: " + known + "%%");
  }
}

std::string Template::expand(const Record& record, bool escaped) const {
  std::string out;
  std::size_t at = 0;
  while (at < text_.size()) {
    const std::size_t percent = std::min(text_.find('%', at), text_.size());
    out += text_.substr(at, percent - at);
    if (percent == text_.size()) break;
    const char letter = text_[percent + 1];
    at = percent + 2;
    const auto field = std::find_if(record.begin(), record.end(),
                                    [&](const Field& f) { return f.letter == letter; });
    if (letter == '%' || field == record.end()) {
      out += '%';
    } else {
      out += escaped ? escape_for_terminal(field->text) : field->text;
    }
  }
  return out;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace p2pchat

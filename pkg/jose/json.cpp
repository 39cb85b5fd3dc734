#include "jose/json.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace p2pchat {

namespace {

// Receives the parser's events and stops it (by returning false) at the first thing refused.
class StrictBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::optional<JsonObject> result;

  bool null() override { return false; }
  bool boolean(bool /*value*/) override { return false; }
  bool number_integer(number_integer_t /*value*/) override { return false; }  // it had a sign
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return false; }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_array(std::size_t /*size*/) override { return false; }
  bool end_array() override { return false; }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

  bool number_unsigned(number_unsigned_t value) override {
    return value <= kMaxJsonInteger && add(JsonValue(value));
  }
  bool string(string_t& value) override { return add(JsonValue(std::move(value))); }
  bool key(string_t& name) override {
    open_.back().pending_name = std::move(name);
    return true;
  }
  bool start_object(std::size_t /*size*/) override {
    if (open_.size() == kMaxJsonDepth) return false;
    open_.emplace_back();
    return true;
  }
  bool end_object() override {
    JsonObject finished = std::move(open_.back().object);
    open_.pop_back();
    if (!open_.empty()) return add(std::make_unique<JsonObject>(std::move(finished)));
    result = std::move(finished);
    return true;
  }

 private:
  struct Level {
    JsonObject object;
    std::string pending_name;
  };

  // A value outside any object is a text that is no object.
  bool add(JsonValue value) {
    if (open_.empty()) return false;
    return open_.back().object.add(std::move(open_.back().pending_name), std::move(value));
  }

  std::vector<Level> open_;
};

}  // namespace

std::optional<JsonObject> JsonObject::parse(std::string_view text) {
  // The library would skip a byte order mark and take a NUL for the end of the text.
  if (text.starts_with("\xEF\xBB\xBF") || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  StrictBuilder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return std::nullopt;
  return std::move(builder.result);
}

template <typename T>
std::optional<T> JsonObject::take(std::string_view name) {
  const auto found = members_.find(name);
  if (found == members_.end()) return std::nullopt;
  JsonValue value = std::move(found->second);
  members_.erase(found);
  T* wanted = std::get_if<T>(&value);
  if (wanted == nullptr) return std::nullopt;
  return std::move(*wanted);
}

std::optional<std::uint64_t> JsonObject::take_integer(std::string_view name) {
  return take<std::uint64_t>(name);
}

std::optional<std::string> JsonObject::take_string(std::string_view name) {
  return take<std::string>(name);
}

std::optional<JsonObject> JsonObject::take_object(std::string_view name) {
  auto object = take<std::unique_ptr<JsonObject>>(name);
  if (!object) return std::nullopt;
  return std::move(**object);
}

bool JsonObject::take_expected(std::string_view name, std::string_view expected) {
  return take_string(name) == expected;
}

bool JsonObject::add(std::string name, JsonValue value) {
  return members_.emplace(std::move(name), std::move(value)).second;
}

// A member at a time: to destroy an object the library allocates memory, which there may not be.
std::string write_json(const std::vector<JsonMember>& members) {
  const auto quoted = [](std::string_view text) { return nlohmann::json(text).dump(); };
  std::string json;
  for (const JsonMember& member : members) {
    json += (json.empty() ? '{' : ',') + quoted(member.name) + ':';
    if (const auto* integer = std::get_if<std::uint64_t>(&member.value)) {
      json += std::to_string(*integer);
    } else if (const auto* text = std::get_if<std::string_view>(&member.value)) {
      json += quoted(*text);
    } else {
      json += write_json(std::get<std::vector<JsonMember>>(member.value));
    }
  }
  return json.empty() ? "{}" : json + '}';
}

}  // namespace p2pchat

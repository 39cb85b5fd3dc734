#include "node/config.h"

#include <Poco/AutoPtr.h>
#include <Poco/Exception.h>
#include <Poco/Util/IniFileConfiguration.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "protocol/address.h"

namespace p2pchat {

namespace {

using Poco::Util::AbstractConfiguration;
using Poco::Util::IniFileConfiguration;

constexpr std::uint64_t kMaxRotateDays = 200;
constexpr std::string_view kTimeoutBySize = "auto";

bool is_port(const std::string& text) {
  return read_listen_port(text).has_value();
}
bool is_listen_address(const std::string& text) {
  return read_listen_address(text).has_value();
}
bool is_timeout(const std::string& text) {
  const auto time = parse_duration(text);
  return text == kTimeoutBySize || (time && time->count() > 0);
}
bool is_days(const std::string& text) {
  const auto days = parse_unsigned(text, kMaxRotateDays);
  return days && *days > 0;
}
bool is_duration(const std::string& text) {
  return parse_duration(text).has_value();
}

struct Rule {
  const char* key;
  std::string_view default_value;
  bool (*accepts)(const std::string& text);
  const char* expected;
};

constexpr std::array kRules = {
    Rule{"listen.port", "4040", is_port, "a port from 0 to 65535"},
    Rule{"listen.address", "*", is_listen_address, "* or an address of this machine"},
    Rule{"send.timeout", kTimeoutBySize, is_timeout, "a time like 30s, or auto"},
    Rule{"rotate.days", "7", is_days, "a number of days from 1 to 200"},
    Rule{"log.keep", "90d", is_duration, "a time like 90d, or 0"},
};

// "listen.port" -> "P2PCHAT_LISTEN_PORT"
std::string variable_name(const std::string& key) {
  std::string name = "P2PCHAT_" + key;
  for (char& c : name) {
    if (c == '.') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return name;
}

[[noreturn]] void fail(const std::string& origin, const std::string& what,
                       const std::string& hint = {}) {
  throw Error(Status::config, "bad config: " + escape_for_terminal(origin) + ": " + what, hint);
}

void require_known_keys(const AbstractConfiguration& file, const std::string& path,
                        const std::string& prefix) {
  AbstractConfiguration::Keys names;
  file.keys(prefix, names);
  for (const std::string& name : names) {
    const std::string key = prefix.empty() ? name : prefix + "." + name;
    const bool known = std::any_of(kRules.begin(), kRules.end(), [&](const Rule& rule) {
      return equal_ignoring_ascii_case(rule.key, key);
    });
    AbstractConfiguration::Keys inner;
    file.keys(key, inner);
    if (known && inner.empty()) continue;
    if (known || name.empty() || inner.empty())
      fail(path, "unknown key " + in_quotes(key), "comments begin with ;");
    require_known_keys(file, path, key);
  }
}

Poco::AutoPtr<IniFileConfiguration> read_file(const std::string& path) {
  if (!exists(path)) return new IniFileConfiguration();
  // POCO reads a folder for ever and waits for whoever opens the other end of a FIFO.
  if (!is_regular_file(path)) fail(path, "not a regular file");
  try {
    Poco::AutoPtr<IniFileConfiguration> file = new IniFileConfiguration(path);
    require_known_keys(*file, path, {});
    return file;
  } catch (const Poco::Exception& error) {
    fail(path, "cannot read it: " + ascii_lower(error.displayText()));
  }
}

}  // namespace

std::optional<std::uint16_t> read_listen_port(const std::string& text) {
  return text == "0" ? 0 : read_port(text);
}

std::optional<std::string> read_listen_address(const std::string& text) {
  return text == "*" ? "" : read_host(text);
}

Config Config::load(const Home& home) {
  const std::string path = home.config_file();
  const auto file = read_file(path);
  Config config;
  for (const Rule& rule : kRules) {
    Setting setting{rule.key, std::string(rule.default_value), "default"};
    const std::string variable = variable_name(setting.key);
    if (const char* value = std::getenv(variable.c_str()); value != nullptr) {
      setting.value = value;
      setting.origin = "environment " + variable;
    } else if (file->hasProperty(setting.key)) {
      setting.value = file->getRawString(setting.key);
      setting.origin = path;
    }
    if (setting.origin != "default" && !rule.accepts(setting.value)) {
      fail(setting.origin,
           in_quotes(setting.key) + " is " + in_quotes(setting.value) + ", not " + rule.expected);
    }
    config.settings_.push_back(std::move(setting));
  }
  return config;
}

const std::string& Config::value(const std::string& key) const {
  return std::find_if(settings_.begin(), settings_.end(),
                      [&](const Setting& setting) { return setting.key == key; })
      ->value;
}

std::uint16_t Config::listen_port() const {
  return read_port(value("listen.port")).value_or(0);
}

bool Config::listen_port_is_set() const {
  return settings_.front().origin != "default";
}

std::string Config::listen_address() const {
  return *read_listen_address(value("listen.address"));
}

std::optional<std::chrono::milliseconds> Config::send_timeout() const {
  return parse_duration(value("send.timeout"));  // nothing for "auto"
}

std::uint64_t Config::rotate_days() const {
  return *parse_unsigned(value("rotate.days"), kMaxRotateDays);
}

std::uint64_t Config::log_keep_seconds() const {
  const auto time = *parse_duration(value("log.keep"));
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(time).count());
}

}  // namespace p2pchat

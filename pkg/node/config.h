// The settings: environment, then the config file, then defaults (flags come before all of them, in
// the commands). p2pchat-config(5).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node/home.h"

namespace p2pchat {

struct Setting {
  std::string key;     // "listen.port"
  std::string value;   // as it was written
  std::string origin;  // "default", "environment P2PCHAT_LISTEN_PORT" or the file's path
};

// The port to listen on: 0 to 65535, without leading zeros.
std::optional<std::uint16_t> read_listen_port(const std::string& text);

// The address to listen on: "*" for all gives "", else a host without port and brackets. Nothing
// when it is neither.
std::optional<std::string> read_listen_address(const std::string& text);

class Config {
 public:
  // Throws Error{config}, with file and key, for an unknown key, a bad value or an unreadable file.
  static Config load(const Home& home);

  // In the order of the page.
  const std::vector<Setting>& settings() const { return settings_; }

  std::uint16_t listen_port() const;
  bool listen_port_is_set() const;     // not by default
  std::string listen_address() const;  // "" for all
  // Nothing by default: then it depends on the size of the message.
  std::optional<std::chrono::milliseconds> send_timeout() const;
  std::uint64_t rotate_days() const;  // 1-200: life of an encryption key until the next is made
  std::uint64_t log_keep_seconds() const;  // 0: a body goes once it is handed out

 private:
  const std::string& value(const std::string& key) const;

  std::vector<Setting> settings_;
};

}  // namespace p2pchat

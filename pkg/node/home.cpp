#include "node/home.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace p2pchat {

namespace {

constexpr std::string_view kKeyPrefix = "encryption-";
constexpr std::string_view kKeySuffix = ".pem";

std::string user_folder() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return home;
  const passwd* entry = getpwuid(geteuid());
  if (entry == nullptr) {
    throw Error(Status::config, "cannot find a home folder: $HOME is not set",
                "give the state folder with --home");
  }
  return entry->pw_dir;
}

}  // namespace

Home Home::locate(const std::optional<std::string>& folder,
                  const std::optional<std::string>& passphrase_file) {
  if (folder && folder->empty()) throw Error(Status::usage, "--home needs a folder");
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  std::string place = folder.value_or(variable("P2PCHAT_HOME"));
  Home home(place.empty() ? user_folder() + "/.p2pchat" : std::move(place));
  home.passphrase_file_ = passphrase_file.value_or(variable("P2PCHAT_PASSPHRASE_FILE"));
  return home;
}

std::optional<Secret> Home::passphrase() const {
  constexpr std::size_t kMostBytes = 4096;
  if (passphrase_file_.empty()) return std::nullopt;
  if (!exists(passphrase_file_)) {
    throw Error(Status::no_input, "no passphrase file " + in_quotes(passphrase_file_));
  }
  const Secret content(read_secret_file(passphrase_file_, kMostBytes));
  const std::string_view line = content.view().substr(0, content.view().find('\n'));
  if (line.empty()) {
    throw Error(Status::config,
                "no passphrase in the first line of " + in_quotes(passphrase_file_));
  }
  return Secret(std::string(line));
}

std::string Home::encryption_file(std::uint64_t seq) const {
  return folder_ + "/" + std::string(kKeyPrefix) + std::to_string(seq) + std::string(kKeySuffix);
}

std::vector<std::uint64_t> Home::encryption_seqs() const {
  std::vector<std::uint64_t> seqs;
  for (const std::string& name : names_in(folder_)) {
    if (!name.starts_with(kKeyPrefix) || !name.ends_with(kKeySuffix)) continue;
    const std::size_t digits = name.size() - kKeyPrefix.size() - kKeySuffix.size();
    // A statement has no larger number.
    constexpr std::uint64_t kLargest = (1ULL << 53U) - 1;
    const auto seq =
        parse_unsigned(std::string_view(name).substr(kKeyPrefix.size(), digits), kLargest);
    if (seq && encryption_file(*seq) == folder_ + "/" + name) seqs.push_back(*seq);
  }
  std::sort(seqs.rbegin(), seqs.rend());
  return seqs;
}

bool Home::has_identity() const {
  return exists(identity_file());
}

void Home::require_identity() const {
  if (exists(folder_)) require_private_folder(folder_);
  if (!has_identity()) {
    throw Error(Status::config, "no identity in " + in_quotes(folder_),
                "make one with: " + own_command("keygen"));
  }
}

Database Home::open_state(Durability durability) const {
  return Database(state_file(), lock_file(), durability);
}

}  // namespace p2pchat

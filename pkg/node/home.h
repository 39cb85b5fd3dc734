// The state folder: where it is, what lies where in it, and that nobody else can enter.
// p2pchat(1) FILES.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/secret.h"
#include "store/database.h"

namespace p2pchat {

class Home {
 public:
  explicit Home(std::string folder) : folder_(std::move(folder)) {}
  // folder: --home, else $P2PCHAT_HOME, else ~/.p2pchat. passphrase_file: --passphrase-file, else
  // $P2PCHAT_PASSPHRASE_FILE, else none.
  static Home locate(const std::optional<std::string>& folder,
                     const std::optional<std::string>& passphrase_file);

  const std::string& folder() const { return folder_; }
  std::string config_file() const { return folder_ + "/config"; }
  std::string identity_file() const { return folder_ + "/identity.pem"; }
  std::string encryption_file(std::uint64_t seq) const;
  std::string state_file() const { return folder_ + "/state.db"; }
  std::string lock_file() const { return folder_ + "/lock"; }

  // The first line of the passphrase file, if there is one. Throws Error{trust} when others can
  // read it, Error{config} when it holds none.
  std::optional<Secret> passphrase() const;
  void set_passphrase_file(std::string path) { passphrase_file_ = std::move(path); }

  // The numbers of the encryption key files, newest first. Throws Error{system}.
  std::vector<std::uint64_t> encryption_seqs() const;

  bool has_identity() const;
  // Throws Error{config} when there is no identity, Error{trust} when others can enter the folder.
  void require_identity() const;

  Database open_state(Durability durability) const;

 private:
  std::string folder_;
  std::string passphrase_file_;
};

}  // namespace p2pchat

// The state folder: where it is, what lies where in it, and that nobody else can enter.
// p2pchat(1) FILES.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"

namespace p2pchat {

class Home {
 public:
  explicit Home(std::string folder) : folder_(std::move(folder)) {}
  // --home, else $P2PCHAT_HOME, else ~/.p2pchat.
  static Home locate(const std::optional<std::string>& flag);

  const std::string& folder() const { return folder_; }
  std::string config_file() const { return folder_ + "/config"; }
  std::string identity_file() const { return folder_ + "/identity.pem"; }
  std::string encryption_file(std::uint64_t seq) const;
  std::string state_file() const { return folder_ + "/state.db"; }
  std::string lock_file() const { return folder_ + "/lock"; }

  // The numbers of the encryption key files, newest first. Throws Error{system}.
  std::vector<std::uint64_t> encryption_seqs() const;

  bool has_identity() const;
  // Throws Error{config} when there is no identity, Error{trust} when others can enter the folder.
  void require_identity() const;

  Database open_state(Durability durability) const;

 private:
  std::string folder_;
};

}  // namespace p2pchat

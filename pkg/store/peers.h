// The table of peers: identities that our user trusts, and strangers that wait for a decision.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"

namespace SQLite {
class Statement;
}

namespace p2pchat {

enum class PeerStatus { trusted, pending };

struct PeerRow {
  std::int64_t id = 0;
  std::string identity;  // IK
  std::string name;      // "" while pending
  PeerStatus status = PeerStatus::pending;
  std::string statement;          // key statement, compact JWS
  std::string typed_address;      // "host:port" or ""
  std::string announced_address;  // "host:port" or ""
  std::string hint;               // the name the peer gives itself: untrusted text
  std::string source;             // network of the first registration
  std::uint64_t registered = 0;   // iat of the last registration taken, 0 for none
  std::uint64_t first_seen = 0;   // seconds since 1970
  std::uint64_t last_seen = 0;    // 0: never
};

class Peers {
 public:
  explicit Peers(Database& database) : database_(database) {}

  std::optional<PeerRow> by_name(const std::string& name);  // without regard to case
  std::optional<PeerRow> by_identity(const std::string& identity);
  // Those whose IK begins so, at most `limit`.
  std::vector<PeerRow> by_identity_prefix(const std::string& prefix, unsigned limit);
  std::vector<PeerRow> all();  // trusted by name, then pending by age

  void insert(const PeerRow& row);  // id is given by the database
  void update(const PeerRow& row);  // the row with that id
  void remove(std::int64_t id);

  std::uint64_t count_pending();
  std::uint64_t count_pending_since(const std::string& source, std::uint64_t first_seen);
  // Removes the oldest stranger of the source that has most.
  void evict_pending();
  void expire_pending(std::uint64_t first_seen_before);

 private:
  static PeerRow read(SQLite::Statement& statement);
  std::vector<PeerRow> select(const std::string& condition, const std::string& parameter);

  Database& database_;
};

}  // namespace p2pchat

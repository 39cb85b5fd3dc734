// The table of peers: identities that our user trusts or has blocked, and strangers that wait for a
// decision.
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

enum class PeerStatus { trusted, pending, blocked };

// How far a peer with a name is trusted.
enum class Trust {
  accepted,   // our user has said so
  first_use,  // it was the first to come
  verified,   // our user has compared keys with it
};

struct PeerRow {
  std::int64_t id = 0;
  std::string identity;  // IK
  std::string name;      // "" for strangers, blocked ones included
  PeerStatus status = PeerStatus::pending;
  Trust trust = Trust::accepted;
  std::string statement;          // key statement, compact JWS
  std::string typed_address;      // "host:port" or ""
  std::string announced_address;  // "host:port" or ""
  std::string via;                // our user's command to reach it through, or ""
  std::string told;               // the address claim of our last registration there
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
  // Those with a name that are reached at this "host:port".
  std::vector<PeerRow> by_address(const std::string& address);
  std::vector<PeerRow> all();  // those with a name by name, then strangers by age

  void insert(const PeerRow& row);  // id is given by the database
  void update(const PeerRow& row);  // the row with that id
  // The same for one column alone, which costs a tenth.
  void set_last_seen(std::int64_t id, std::uint64_t time);
  void remove(std::int64_t id);

  std::uint64_t count_pending();
  std::uint64_t count_first_use();
  // Strangers and first-use peers of that source, first seen after the one time and not after the
  // other: who came when the clock ran ahead is none of them.
  std::uint64_t count_new_between(const std::string& source, std::uint64_t after,
                                  std::uint64_t until);
  // Removes the oldest stranger of the source that has most.
  void evict_pending();
  void expire_pending(std::uint64_t first_seen_before);

 private:
  static PeerRow read(SQLite::Statement& statement);
  std::vector<PeerRow> select(const std::string& condition, const std::string& parameter);

  Database& database_;
};

}  // namespace p2pchat

// The peers as the user sees them: list, look up, accept and reject strangers, remove. Every verb
// is one transaction on the state and works beside a running listen. p2pchat-peers(1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node/home.h"
#include "store/peers.h"

namespace p2pchat {

struct PeerInfo {
  std::string name;  // "" while pending
  bool trusted = false;
  std::string fingerprint;        // "SHA256:..."
  std::string address;            // where we would connect first, "host:port" or ""
  std::string announced_address;  // what the peer said, "host:port" or ""
  std::string hint;               // what the peer calls itself: untrusted text
  std::uint64_t first_seen = 0;   // seconds since 1970
  std::uint64_t last_seen = 0;    // 0: never
  std::uint64_t keys_expire = 0;  // exp of the newest key statement
};

// A peer name: [A-Za-z0-9][A-Za-z0-9._-]{0,63}, not all digits.
bool is_peer_name(const std::string& text);
// Throws Error{usage}.
void require_peer_name(const std::string& text);

// A command that accepts a stranger, with a name from its hint when that can be one.
std::string accept_command(const std::string& identity_id, const std::string& hint);

class AddressBook {
 public:
  // Throws Error{config} when there is no identity.
  explicit AddressBook(const Home& home);

  std::vector<PeerInfo> list();

  // selector: a name, or SHA256: and at least 8 characters. Throws Error{no_peer} when there is
  // none, Error{data} for a bad or ambiguous fingerprint.
  PeerInfo show(const std::string& selector);

  // Trusts the stranger under a name; says the same about one that already has that name.
  // `expected`: the whole fingerprint it must have. Throws Error{no_peer, data, trust,
  // cannot_create}.
  PeerInfo accept(const std::string& fingerprint_prefix, const std::string& name,
                  const std::optional<std::string>& expected);

  // Forgets a stranger; fine when there is none. Throws Error{data} when it is a trusted peer.
  void reject(const std::string& fingerprint_prefix);

  // Forgets a peer and keeps its message ids; fine when there is none.
  void remove(const std::string& selector);

 private:
  std::optional<PeerRow> find(const std::string& selector);
  std::optional<PeerRow> find_by_fingerprint(const std::string& prefix);

  Database database_;
  Peers peers_;
};

}  // namespace p2pchat

// The peers as the user sees them, and every decision about whom to trust. Each verb is one
// transaction on the state, finds nothing to do the second time, and works beside a running listen.
// p2pchat-peers(1).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/home.h"
#include "store/peers.h"

namespace p2pchat {

struct PeerInfo {
  std::string name;  // "" for strangers
  PeerStatus status = PeerStatus::pending;
  Trust trust = Trust::accepted;
  std::string fingerprint;        // "SHA256:..."
  std::string address;            // where we would connect first, "host:port" or ""
  std::string announced_address;  // what the peer said, "host:port" or ""
  std::string via;                // the command to reach it through, or ""
  std::string hint;               // what the peer calls itself: untrusted text
  std::uint64_t first_seen = 0;   // seconds since 1970
  std::uint64_t last_seen = 0;    // 0: never
  std::uint64_t keys_expire = 0;  // exp of the newest key statement; show() alone reads it
};

// A peer name: [A-Za-z0-9][A-Za-z0-9._-]{0,63}, not all digits.
bool is_peer_name(const std::string& text);
// Throws Error{usage}.
void require_peer_name(const std::string& text);

// What stands behind "p2pchat" in a command that accepts a stranger, with a name from its hint when
// that can be one.
std::string accept_command(const std::string& identity_id, const std::string& hint);

// The one command that lets this key take the place of the pinned one.
std::string replace_command(const std::string& name, const std::string& address,
                            const std::string& identity_id);

class AddressBook {
 public:
  // Throws Error{config} when there is no identity.
  explicit AddressBook(const Home& home);

  std::vector<PeerInfo> list();

  // selector: a name, or SHA256: and at least 8 characters. Throws Error{no_peer} when there is
  // none, Error{data} for a bad or ambiguous fingerprint.
  PeerInfo show(const std::string& selector);

  // Trusts the stranger under a name; says the same about one that already has that name.
  // `expected`: the whole fingerprint it must have. Throws Error{no_peer, data, cannot_create}, and
  // Error{trust} for another key than the expected one or, without one, than that of a peer with
  // this name or at the address that the stranger claims. replace: the expected key takes the place
  // of the one that is pinned under the name.
  PeerInfo accept(const std::string& fingerprint_prefix, const std::string& name,
                  const std::optional<std::string>& expected, bool replace = false);

  // Forgets a stranger; fine when there is none. Throws Error{data} when it is a trusted peer.
  void reject(const std::string& fingerprint_prefix);

  // Takes nothing from a peer or a stranger any more, until unblock() makes it again what it was.
  // Throw Error{no_peer}.
  void block(const std::string& selector);
  void unblock(const std::string& selector);

  // Forgets a peer and keeps its message ids; fine when there is none.
  void remove(const std::string& selector);

  // Throws Error{no_peer, usage}, and Error{cannot_create} when another peer has the name.
  void rename(const std::string& selector, const std::string& name);

  // The newest key statement of a peer. Throws Error{no_peer}.
  std::string card(const std::string& selector);

  // 60 digits in groups of five, the same on both sides (protocol/verification.h).
  std::string digits(const std::string& selector, const std::string& own_id);
  // Our user has compared them. Throws Error{trust} unless the peer is trusted.
  void confirm(const std::string& selector);

 private:
  std::optional<PeerRow> find(const std::string& selector);
  PeerRow require(const std::string& selector);
  void refuse_changed_key(const PeerRow& stranger, const std::string& name);
  // Changes one row in a transaction; nothing is written when `change` returns false.
  void change(const std::string& selector, const std::function<bool(PeerRow&)>& change);
  std::optional<PeerRow> find_by_fingerprint(const std::string& prefix);

  Database database_;
  Peers peers_;
};

}  // namespace p2pchat

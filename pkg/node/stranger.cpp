#include "node/stranger.h"

#include "node/address_book.h"
#include "node/identity.h"

namespace p2pchat {

Stranger stranger_of(const Request& registration, const Newcomer& newcomer) {
  const std::string& hint = registration.introduction->name;
  Stranger stranger{fingerprint(registration.iss),
                    hint,
                    own_command(accept_command(registration.iss, hint)),
                    newcomer.name,
                    {},
                    {},
                    {},
                    {}};
  if (newcomer.claimed_name.empty()) return stranger;
  stranger.claimed_name = newcomer.claimed_name;
  stranger.claimed_fingerprint = fingerprint(newcomer.claimed_id);
  stranger.claimed_address = newcomer.address;
  stranger.replace_command =
      replace_command(newcomer.claimed_name, newcomer.address, registration.iss);
  return stranger;
}

}  // namespace p2pchat

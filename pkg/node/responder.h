// What a frame is answered with, in the three steps of DESIGN 6: open it (any thread), decide
// inside the writer's transaction, seal the ack (any thread).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "node/identity.h"
#include "node/inbox.h"
#include "node/keyring.h"
#include "protocol/request.h"
#include "store/database.h"
#include "store/messages.h"
#include "store/peers.h"

namespace p2pchat {

class Responder {
 public:
  // A frame that was looked at.
  struct Opened {
    std::optional<Request> request;  // nothing: `reply` is the answer already
    std::string reply;
    bool admitted = true;  // false: looked at no further, and there is no reply
    std::shared_ptr<const Keyring> keyring;
    const EncryptionKey* sealed_to = nullptr;  // inside keyring
  };

  // `readers` is used for look-ups alone.
  Responder(const Identity& identity, LiveKeyring& keyring, Database readers, Inbox inbox);

  // True when the frame that begins so is sealed to one of our keys.
  bool is_for_us(std::string_view frame_prefix);

  // The costly part of opening, as soon as the beginning of a frame allows it; nothing before that,
  // when the frame is not for us, or when it is not admitted.
  std::optional<UnwrappedKey> unwrap(std::string_view frame_prefix, const Admit& admit);

  Opened open(std::string_view frame, const Admit& admit = {}, const UnwrappedKey* early = nullptr);
  Verdict decide(Database& database, const Request& request, const Origin& origin) const;
  // Once what was decided is committed.
  std::string seal(const Opened& opened, const Verdict& verdict);

 private:
  std::string stored_reply(std::int64_t message);
  std::optional<RsaPublicKey> known_identity(const std::string& identity_id);
  const EncryptionKey* find_key(const std::string& encryption_id,
                                std::shared_ptr<const Keyring>& keyring);

  const Identity& identity_;
  LiveKeyring& keyring_;
  std::string identity_pem_;
  Inbox inbox_;
  std::mutex mutex_;  // guards the next three
  Database database_;
  Peers peers_;
  Messages messages_;
};

}  // namespace p2pchat

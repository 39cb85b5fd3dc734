#include "node/inetd.h"

#include <unistd.h>

#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "net/exchange.h"
#include "net/source.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "node/responder.h"

namespace p2pchat {

void serve_inetd(const Home& home, const Config& config, const InboxRules& rules,
                 const std::function<void(const Stranger&)>& on_stranger) {
  const Identity identity = load_identity(home);
  LiveKeyring keyring(home, identity, config.rotate_days());
  Database database = home.open_state(Durability::full);
  Responder responder(identity, keyring, home.open_state(Durability::normal), rules);
  const Source source = source_of_descriptor(STDIN_FILENO);
  std::optional<Stranger> stranger;

  const auto answer = [&](const std::string& frame) {
    const Responder::Opened opened = responder.open(frame);
    if (!opened.request) return opened.reply;
    Verdict verdict;
    try {
      WriteTransaction transaction(database);
      verdict = responder.decide(database, *opened.request, {source.address, source.network});
      transaction.commit();
    } catch (const Error&) {
      verdict = {AckStatus::busy, {}, 0, {}};
    }
    if (verdict.newcomer) stranger = stranger_of(*opened.request, *verdict.newcomer);
    return responder.seal(opened, verdict);
  };
  serve(
      STDIN_FILENO, STDOUT_FILENO,
      [&](std::string_view prefix) { return responder.is_for_us(prefix); }, answer);
  if (stranger) on_stranger(*stranger);

  WriteTransaction transaction(database);
  clean_up(database, unix_now(), config.log_keep_seconds());
  transaction.commit();
}

}  // namespace p2pchat

#include "node/inetd.h"

#include <unistd.h>

#include <csignal>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "net/exchange.h"
#include "net/source.h"
#include "node/handlers.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "node/responder.h"

namespace p2pchat {

namespace {

class OneExchange {
 public:
  OneExchange(const Home& home, const Config& config, const InboxRules& rules,
              const std::optional<HandlerCommand>& handler, const InetdEvents& events)
      : events_(events),
        identity_(load_identity(home)),
        keyring_(home, identity_, config.rotate_days()),
        database_(home.open_state(Durability::full)),
        handlers_(handler ? std::make_unique<Handlers>(home, *handler, 1, std::nullopt,
                                                       config.log_keep_seconds() == 0,
                                                       Handlers::Events{events.handler_line, {}})
                          : nullptr),
        responder_(identity_, keyring_, home.open_state(Durability::normal),
                   Inbox(home, rules, handlers_ ? &handlers_->places() : nullptr,
                         config.log_keep_seconds() == 0)),
        source_(source_of_descriptor(STDIN_FILENO)) {}

  void serve() {
    p2pchat::serve(
        STDIN_FILENO, STDOUT_FILENO,
        [this](std::string_view prefix) { return responder_.is_for_us(prefix); },
        [this](const std::string& frame) { return answer(frame); });
    if (stranger_) events_.stranger(*stranger_);
    if (interrupted_) events_.interrupted(*interrupted_);
  }

  void clean_up(std::uint64_t log_keep_seconds) {
    WriteTransaction transaction(database_);
    p2pchat::clean_up(database_, unix_now(), log_keep_seconds);
    transaction.commit();
  }

  // What has ended the handler, else 0.
  int signal_number() const { return signal_number_; }
  // Why the answer of the handler is lost.
  const std::optional<Error>& failed() const { return failed_; }

 private:
  std::optional<std::string> answer(const std::string& frame) {
    const Responder::Opened opened = responder_.open(frame);
    if (!opened.request) return opened.reply;
    Verdict verdict = decide(*opened.request);
    if (verdict.newcomer) stranger_ = stranger_of(*opened.request, *verdict.newcomer);
    interrupted_ = std::move(verdict.interrupted);
    if (verdict.to_handle && !handle(verdict)) return std::nullopt;
    return responder_.seal(opened, verdict);
  }

  Verdict decide(const Request& request) {
    try {
      WriteTransaction transaction(database_);
      Verdict verdict = responder_.decide(database_, request, {source_.address, source_.network});
      transaction.commit();
      return verdict;
    } catch (const Error&) {
      return {AckStatus::busy, {}};
    }
  }

  // False when it has not come to an end that is known.
  bool handle(Verdict& verdict) {
    // Until our own end: a signal ends the handler, not its answer.
    signals_.emplace({SIGINT, SIGTERM, SIGHUP});
    std::optional<Handled> handled;
    try {
      handled = handlers_->handle(*std::move(verdict.to_handle), signals_->descriptor());
    } catch (const Error& error) {
      failed_ = error;
    }
    signal_number_ = signals_->take();
    if (!handled) return false;
    verdict.reply = std::move(handled->reply);
    verdict.rc = handled->rc;
    return true;
  }

  const InetdEvents& events_;
  Identity identity_;
  LiveKeyring keyring_;
  Database database_;
  std::unique_ptr<Handlers> handlers_;
  Responder responder_;
  Source source_;
  std::optional<Stranger> stranger_;
  std::optional<Received> interrupted_;
  std::optional<SignalFd> signals_;
  std::optional<Error> failed_;
  int signal_number_ = 0;
};

}  // namespace

void serve_inetd(const Home& home, const Config& config, const InboxRules& rules,
                 const std::optional<HandlerCommand>& handler, const InetdEvents& events) {
  OneExchange exchange(home, config, rules, handler, events);
  exchange.serve();
  exchange.clean_up(config.log_keep_seconds());
  if (exchange.failed()) throw Error(*exchange.failed());
  if (exchange.signal_number() == 0) return;
  throw Error(Status::system, "the handler was ended by a signal to us")
      .ended_by(exchange.signal_number());
}

}  // namespace p2pchat

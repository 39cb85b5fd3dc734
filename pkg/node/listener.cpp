#include "node/listener.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "net/admission.h"
#include "net/loop.h"
#include "node/address_book.h"
#include "node/committer.h"
#include "node/early_key.h"
#include "node/handlers.h"
#include "node/identity.h"
#include "node/inbox.h"
#include "node/keyring.h"
#include "node/responder.h"
#include "node/worker_pool.h"

namespace p2pchat {

namespace {

constexpr std::chrono::milliseconds kKeyringInterval{1'000};
constexpr std::chrono::milliseconds kBindTime{10'000};
constexpr std::chrono::milliseconds kCleanUpInterval{3'600'000};
// Kept free of connections: database, logs, lock, streams, eventfds.
constexpr std::size_t kOwnDescriptors = 48;
constexpr std::size_t kDescriptorsOfHandler = 12;  // three pipes and one more, a pidfd, a lock
// With so much work waiting for the workers a commit waits for what comes of it.
constexpr std::size_t kManyWaiting = 8;
constexpr std::size_t kQuicklySealed = 4096;  // bytes of a reply

LoopLimits limits_for(std::size_t descriptors, std::size_t handlers) {
  LoopLimits limits;
  const std::size_t own = kOwnDescriptors + handlers * kDescriptorsOfHandler;
  const std::size_t room = descriptors > own ? descriptors - own : 0;
  // An answer that a handler gives at the end of its time still goes out.
  if (handlers > 0) limits.stop_time += std::chrono::seconds(1);
  limits.connections = std::clamp<std::size_t>(room, 4, limits.connections);
  return limits;
}

unsigned worker_count() {
  return std::max(1U, std::thread::hardware_concurrency());
}

class Listener {
 public:
  Listener(const Home& home, const Config& config, const ListenOptions& options,
           const ListenEvents& events, Fd socket)
      : options_(options),
        events_(events),
        socket_(std::move(socket)),
        log_keep_seconds_(config.log_keep_seconds()),
        identity_(load_identity(home)),
        keyring_(home, identity_, config.rotate_days()),
        handlers_(options.handler ? make_handlers(home) : nullptr),
        responder_(identity_, keyring_, home.open_state(Durability::normal),
                   Inbox(home, options.rules, handlers_ ? &handlers_->places() : nullptr,
                         log_keep_seconds_ == 0)),
        signals_({SIGINT, SIGTERM, SIGHUP}),
        loop_(limits_for(raise_descriptor_limit(), options.handler ? options.jobs : 0)),
        printer_(options.handler ? nullptr : make_printer(home)),
        committer_(cleaned_up(home), [this](const Error& error) { note_trouble(error); },
                   {[this] { return workers_.waiting() >= kManyWaiting; }}),
        workers_(worker_count()),
        handling_(handlers_ ? options.jobs : 0) {}

  // Jobs go back and forth between the two: the writer's last ones still find the workers.
  ~Listener() {
    if (handlers_) handlers_->stop();
    committer_.end();
    handling_.end();
    workers_.end();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  ListenEnd run() {
    loop_.watch(signals_.descriptor(), [this] { take_signals(); });
    loop_.on_frame([this](Incoming incoming) { take_frame(std::move(incoming)); });
    loop_.on_unfinished_frame([this](std::string_view unfinished, const Source& source) {
      return begin_frame(unfinished, source);
    });
    loop_.on_large_frame([this](std::string_view prefix) { return responder_.is_for_us(prefix); });
    if (events_.ending) loop_.on_stop(events_.ending);
    if (options_.time_limit) loop_.after(*options_.time_limit, [this] { stop(); });
    keep_keys_fresh();
    keep_state_clean();
    if (handlers_) leftovers_ = handlers_->leftovers();
    const bool opens_port = !enough_waiting();
    std::string address;
    if (opens_port) address = open_port();
    if (printer_) printer_->start([this] { loop_.stop(); });
    handle_leftovers();
    if (opens_port) events_.listening(address);
    loop_.run();
    finish();
    return {reached(), signal_number_};
  }

 private:
  static std::optional<std::uint64_t> print_limit(const ListenOptions& options) {
    if (options.forever) return std::nullopt;
    return options.count.value_or(1);
  }

  std::unique_ptr<Printer> make_printer(const Home& home) const {
    return std::make_unique<Printer>(home, options_.format, limit_, log_keep_seconds_ == 0);
  }

  std::unique_ptr<Handlers> make_handlers(const Home& home) const {
    return std::make_unique<Handlers>(home, *options_.handler, options_.jobs, limit_,
                                      log_keep_seconds_ == 0,
                                      Handlers::Events{events_.handler_line, events_.interrupted});
  }

  std::string open_port() {
    if (socket_) return loop_.listen(std::move(socket_));
    const Deadline bound_by(std::min(options_.time_limit.value_or(kBindTime), kBindTime));
    return loop_.listen(options_.address, options_.port, bound_by);
  }

  // Of messages left over from before: then there is nothing to wait for.
  bool enough_waiting() {
    if (!limit_) return false;
    return (printer_ ? printer_->waiting() : leftovers_.size()) >= *limit_;
  }

  bool reached() {
    return registered_ || (printer_ ? printer_->reached_limit() : handlers_->places().all_used());
  }

  void stop() {
    if (handlers_) handlers_->stop();
    loop_.stop();
  }

  void finish() {
    // Whoever asks for the end now gets the one that is on its way.
    signals_.keep_blocked();
    if (handlers_) handlers_->stop();
    handling_.end();
    if (printer_) printer_->finish(loop_.time_to_end());
    if (const std::lock_guard lock(mutex_); damage_) throw DamagedState(*damage_);
  }

  Database cleaned_up(const Home& home) const {
    Database database = home.open_state(Durability::full);
    WriteTransaction transaction(database);
    clean_up(database, unix_now(), log_keep_seconds_);
    transaction.commit();
    return database;
  }

  void take_signals() {
    while (const int number = signals_.take()) {
      if (signal_number_ == 0) signal_number_ = number;
    }
    stop();
  }

  void keep_keys_fresh() {
    loop_.every(kKeyringInterval, [this] { workers_.submit([this] { keyring_.renew(); }); });
  }

  void keep_state_clean() {
    loop_.every(kCleanUpInterval, [this] {
      committer_.submit_alone(
          [this](Database& database) { clean_up(database, unix_now(), log_keep_seconds_); });
    });
  }

  // Only who has a token, and while a worker has nothing else to do: all others wait until their
  // frame is complete, and then for their turn.
  BegunWork begin_frame(std::string_view unfinished, const Source& source) {
    const std::size_t first = unfinished.find('.');
    if (first == std::string_view::npos) return nullptr;
    const std::size_t second = unfinished.find('.', first + 1);
    if (second == std::string_view::npos || !admission_.has_token(source.network)) return nullptr;
    auto early = std::make_shared<EarlyKey>();
    const bool begun =
        workers_.submit_if_idle([this, early, head = std::string(unfinished.substr(0, second + 1)),
                                 network = source.network] {
          const auto next = early->run(
              [&] { return responder_.unwrap(head, [&] { return admission_.charge(network); }); });
          if (next) next();
        });
    return begun ? early : nullptr;
  }

  // From the loop to a worker. What would only be sent to wait by the worker waits at once, so that
  // it takes no turn from others.
  void take_frame(Incoming incoming) {
    auto shared = std::make_shared<const Incoming>(std::move(incoming));
    auto* early = static_cast<EarlyKey*>(shared->begun.get());
    const auto next = [this, shared] {
      answer_or_close(shared->connection, [&] { hand_on(shared); });
    };
    if (early == nullptr || !early->complete(next)) hand_on(shared);
  }

  static const UnwrappedKey* early_key(const Incoming& incoming) {
    const auto* early = static_cast<const EarlyKey*>(incoming.begun.get());
    return early != nullptr ? early->key() : nullptr;
  }

  void hand_on(const std::shared_ptr<const Incoming>& incoming) {
    const bool is_admitted = early_key(*incoming) != nullptr;
    if (!is_admitted && !admission_.has_token(incoming->source.network) &&
        responder_.is_for_us(incoming->frame)) {
      return submit_second(incoming);
    }
    workers_.submit([this, incoming] {
      answer_or_close(incoming->connection, [&] { open(incoming, Queue::first); });
    });
  }

  void submit_second(const std::shared_ptr<const Incoming>& incoming) {
    workers_.submit_second(
        incoming->frame.size(),
        [this, incoming] {
          answer_or_close(incoming->connection, [&] { open(incoming, Queue::second); });
        },
        [this, incoming] { loop_.reply(incoming->connection, std::nullopt); });
  }

  enum class Queue { first, second };

  // From a worker to the writer, or back to the loop when the answer needs no transaction.
  void open(const std::shared_ptr<const Incoming>& shared, Queue queue) {
    const Incoming& incoming = *shared;
    if (Deadline::Clock::now() >= incoming.deadline) {
      return loop_.reply(incoming.connection, std::nullopt);
    }
    auto exchange = std::make_shared<Exchange>();
    exchange->connection = incoming.connection;
    exchange->origin = {incoming.source.address, incoming.source.network};
    const UnwrappedKey* early = early_key(incoming);
    exchange->charged = early != nullptr;
    const auto admit = [&] {
      exchange->charged = admission_.charge(incoming.source.network);
      return exchange->charged || queue == Queue::second;
    };
    exchange->opened = responder_.open(incoming.frame, admit, early);
    if (!exchange->opened.admitted) return submit_second(shared);
    if (!exchange->opened.request) {
      return loop_.reply(incoming.connection, std::move(exchange->opened.reply));
    }
    committer_.submit(
        {[this, exchange](Database& database) {
           exchange->verdict =
               responder_.decide(database, *exchange->opened.request, exchange->origin);
         },
         [this, exchange](bool committed) {
           answer_or_close(exchange->connection, [&] { decided(exchange, committed); });
         }});
  }

  struct Exchange {
    std::uint64_t connection = 0;
    Origin origin;
    bool charged = false;
    Responder::Opened opened;
    Verdict verdict;
  };

  // From the writer to the loop, by way of the handler if there is one, and of a worker when there
  // is more to it than a short ack.
  void decided(const std::shared_ptr<Exchange>& exchange, bool committed) {
    if (!committed) exchange->verdict = {AckStatus::busy, {}};
    note(exchange->opened.request->type, exchange->verdict);
    if (exchange->charged && exchange->verdict.welcome) {
      admission_.refund(exchange->origin.network);
    }
    if (exchange->verdict.to_handle) {
      return handling_.submit(
          [this, exchange] { answer_or_close(exchange->connection, [&] { handle(exchange); }); });
    }
    if (is_quick(exchange->verdict)) return seal(*exchange);
    submit_seal(exchange);
  }

  static bool is_quick(const Verdict& verdict) {
    return !verdict.reply_of && !verdict.newcomer && verdict.reply.size() <= kQuicklySealed;
  }

  void handle(const std::shared_ptr<Exchange>& exchange) {
    Verdict& verdict = exchange->verdict;
    std::optional<Handled> handled = handle(*std::move(verdict.to_handle));
    // Without an answer the sender knows that it may be stored, and asks again.
    if (!handled) return loop_.reply(exchange->connection, std::nullopt);
    verdict.reply = std::move(handled->reply);
    verdict.rc = handled->rc;
    submit_seal(exchange);
  }

  std::optional<Handled> handle(ToHandle to_handle) {
    std::optional<Handled> handled;
    try {
      handled = handlers_->handle(std::move(to_handle));
    } catch (const Error& error) {
      note_trouble(error);
    } catch (const std::bad_alloc&) {
      note_lack_of_memory();
    }
    // Answers that are on their way are still written.
    if (handlers_->places().all_used()) loop_.stop();
    return handled;
  }

  void submit_seal(const std::shared_ptr<Exchange>& exchange) {
    workers_.submit_next(
        [this, exchange] { answer_or_close(exchange->connection, [&] { seal(*exchange); }); });
  }

  // Nobody waits for their replies any more; a sender that repeats its message gets it.
  void handle_leftovers() {
    for (ToHandle& left : leftovers_) {
      handling_.submit(
          [this, left = std::make_shared<ToHandle>(std::move(left))] { handle(std::move(*left)); });
    }
    leftovers_.clear();
  }

  // From any of the threads to the loop, and word of a stranger to our user.
  void seal(const Exchange& exchange) {
    loop_.reply(exchange.connection, responder_.seal(exchange.opened, exchange.verdict));
    if (exchange.verdict.newcomer) {
      events_.stranger(stranger_of(*exchange.opened.request, *exchange.verdict.newcomer));
    }
  }

  // What an answered request means for how long we listen. What was refused, or had come before, is
  // not what our user waits for.
  void note(RequestType type, const Verdict& verdict) {
    if (verdict.status == AckStatus::ok && printer_) printer_->wake();
    if (verdict.interrupted) events_.interrupted(*verdict.interrupted);
    if (type == RequestType::registration && verdict.counts) end_one_shot();
  }

  void end_one_shot() {
    if (options_.forever || options_.count) return;
    registered_ = true;
    loop_.stop();
  }

  // A worker's outermost edge: whatever goes wrong costs one connection.
  template <typename Work>
  void answer_or_close(std::uint64_t connection, Work work) {
    try {
      work();
      return;
    } catch (const Error& error) {
      note_trouble(error);
    } catch (...) {
      note_lack_of_memory();
    }
    loop_.reply(connection, std::nullopt);
  }

  void note_lack_of_memory() {
    try {
      note_trouble(Error(Status::system, "out of memory"));
    } catch (const std::bad_alloc&) {  // for this, too
    }
  }

  // Any thread. A damaged state ends the listener, everything else may pass.
  void note_trouble(const Error& error) {
    try {
      tell_trouble(error);
    } catch (const std::bad_alloc&) {  // the next one will be told
    }
  }
  void tell_trouble(const Error& error) {
    constexpr std::chrono::minutes kBetween{1};
    const std::lock_guard lock(mutex_);
    if (const auto* damage = dynamic_cast<const DamagedState*>(&error)) {
      damage_ = *damage;
      return loop_.stop();
    }
    const auto now = Deadline::Clock::now();
    if (told_trouble_ && now - *told_trouble_ < kBetween) return;
    events_.trouble(error);
    told_trouble_ = now;
  }

  const ListenOptions& options_;
  const ListenEvents& events_;
  Fd socket_;  // until it is taken
  std::uint64_t log_keep_seconds_;
  std::optional<std::uint64_t> limit_ = print_limit(options_);
  Identity identity_;
  LiveKeyring keyring_;
  std::unique_ptr<Handlers> handlers_;
  Responder responder_;
  Admission admission_;
  SignalFd signals_;  // before any thread is started
  Loop loop_;
  std::unique_ptr<Printer> printer_;
  std::vector<ToHandle> leftovers_;  // before they are handed on
  int signal_number_ = 0;
  std::atomic<bool> registered_ = false;
  std::mutex mutex_;  // guards the next two
  std::optional<DamagedState> damage_;
  std::optional<Deadline::Clock::time_point> told_trouble_;
  // Last: their threads use all of the above.
  Committer committer_;
  WorkerPool workers_;
  WorkerPool handling_;
};

}  // namespace

ListenEnd listen(const Home& home, const Config& config, const ListenOptions& options,
                 const ListenEvents& events, Fd socket) {
  return Listener(home, config, options, events, std::move(socket)).run();
}

}  // namespace p2pchat

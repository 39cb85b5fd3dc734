#include "node/listener.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "net/loop.h"
#include "node/address_book.h"
#include "node/committer.h"
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

LoopLimits limits_for(std::size_t descriptors) {
  LoopLimits limits;
  const std::size_t room = descriptors > kOwnDescriptors ? descriptors - kOwnDescriptors : 0;
  limits.connections = std::clamp<std::size_t>(room, 4, limits.connections);
  return limits;
}

unsigned worker_count() {
  return std::max(1U, std::thread::hardware_concurrency());
}

class Listener {
 public:
  Listener(const Home& home, const Config& config, const ListenOptions& options,
           const ListenEvents& events)
      : options_(options),
        events_(events),
        log_keep_seconds_(config.log_keep_seconds()),
        identity_(load_identity(home)),
        keyring_(home, identity_, config.rotate_days()),
        responder_(identity_, keyring_, home.open_state(Durability::normal), options.rules),
        signals_({SIGINT, SIGTERM, SIGHUP}),
        loop_(limits_for(raise_descriptor_limit())),
        printer_(home, options.format, print_limit(options), log_keep_seconds_ == 0),
        committer_(cleaned_up(home), [this](const Error& error) { note_trouble(error); }),
        workers_(worker_count()) {}

  // Jobs go back and forth between the two: the writer's last ones still find the workers.
  ~Listener() {
    committer_.end();
    workers_.end();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  ListenEnd run() {
    loop_.watch(signals_.descriptor(), [this] { take_signals(); });
    loop_.on_frame([this](Incoming incoming) { take_frame(std::move(incoming)); });
    loop_.on_large_frame([this](std::string_view prefix) { return responder_.is_for_us(prefix); });
    if (options_.time_limit) loop_.after(*options_.time_limit, [this] { loop_.stop(); });
    keep_keys_fresh();
    keep_state_clean();
    const bool enough_waiting = limit_ && printer_.waiting() >= *limit_;
    std::string address;
    if (!enough_waiting) {
      const Deadline bound_by(std::min(options_.time_limit.value_or(kBindTime), kBindTime));
      address = loop_.listen(options_.address, options_.port, bound_by);
    }
    printer_.start([this] { loop_.stop(); });
    if (!enough_waiting) events_.listening(address);
    loop_.run();
    printer_.finish(loop_.time_to_end());
    if (const std::lock_guard lock(mutex_); damage_) throw DamagedState(*damage_);
    return {printer_.reached_limit() || registered_, signal_number_};
  }

 private:
  static std::optional<std::uint64_t> print_limit(const ListenOptions& options) {
    if (options.forever) return std::nullopt;
    return options.count.value_or(1);
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
    loop_.stop();
  }

  void keep_keys_fresh() {
    loop_.after(kKeyringInterval, [this] {
      workers_.submit([this] { keyring_.renew(); });
      keep_keys_fresh();
    });
  }

  void keep_state_clean() {
    loop_.after(kCleanUpInterval, [this] {
      committer_.submit_alone(
          [this](Database& database) { clean_up(database, unix_now(), log_keep_seconds_); });
      keep_state_clean();
    });
  }

  // From the loop to a worker.
  void take_frame(Incoming incoming) {
    workers_.submit([this, incoming = std::make_shared<Incoming>(std::move(incoming))] {
      answer_or_close(incoming->connection, [&] { open(*incoming); });
    });
  }

  // From a worker to the writer, or back to the loop when the answer needs no transaction.
  void open(Incoming& incoming) {
    if (Deadline::Clock::now() >= incoming.deadline) {
      return loop_.reply(incoming.connection, std::nullopt);
    }
    auto exchange = std::make_shared<Exchange>();
    exchange->connection = incoming.connection;
    exchange->origin = {incoming.source.address, incoming.source.network};
    exchange->opened = responder_.open(incoming.frame);
    if (!exchange->opened.request) {
      return loop_.reply(incoming.connection, std::move(exchange->opened.reply));
    }
    committer_.submit({[this, exchange](Database& database) {
                         exchange->verdict = responder_.decide(database, *exchange->opened.request,
                                                               exchange->origin);
                       },
                       [this, exchange](bool committed) { decided(exchange, committed); }});
  }

  struct Exchange {
    std::uint64_t connection = 0;
    Origin origin;
    Responder::Opened opened;
    Verdict verdict;
  };

  // From the writer to a worker.
  void decided(const std::shared_ptr<Exchange>& exchange, bool committed) {
    if (!committed) exchange->verdict = {AckStatus::busy, {}, 0, {}};
    if (exchange->verdict.status) {
      note(exchange->opened.request->type, *exchange->verdict.status);
    }
    workers_.submit_next(
        [this, exchange] { answer_or_close(exchange->connection, [&] { seal(*exchange); }); });
  }

  // From a worker to the loop, and word of a stranger to our user.
  void seal(const Exchange& exchange) {
    loop_.reply(exchange.connection, responder_.seal(exchange.opened, exchange.verdict));
    if (exchange.verdict.newcomer) {
      events_.stranger(stranger_of(*exchange.opened.request, *exchange.verdict.newcomer));
    }
  }

  // What an answered request means for how long we listen. What was refused, or had come before, is
  // not what our user waits for.
  void note(RequestType type, AckStatus status) {
    if (status == AckStatus::ok) printer_.wake();
    const bool registered = type == RequestType::registration &&
                            (status == AckStatus::trusted || status == AckStatus::pending);
    if (registered) end_one_shot();
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
      note_trouble(Error(Status::system, "out of memory"));
    }
    loop_.reply(connection, std::nullopt);
  }

  // Any thread. A damaged state ends the listener, everything else may pass.
  void note_trouble(const Error& error) {
    constexpr std::chrono::minutes kBetween{1};
    const std::lock_guard lock(mutex_);
    if (const auto* damage = dynamic_cast<const DamagedState*>(&error)) {
      damage_ = *damage;
      return loop_.stop();
    }
    const auto now = Deadline::Clock::now();
    if (told_trouble_ && now - *told_trouble_ < kBetween) return;
    told_trouble_ = now;
    events_.trouble(error);
  }

  const ListenOptions& options_;
  const ListenEvents& events_;
  std::uint64_t log_keep_seconds_;
  std::optional<std::uint64_t> limit_ = print_limit(options_);
  Identity identity_;
  LiveKeyring keyring_;
  Responder responder_;
  SignalFd signals_;  // before any thread is started
  Loop loop_;
  Printer printer_;
  int signal_number_ = 0;
  std::atomic<bool> registered_ = false;
  std::mutex mutex_;  // guards the next two
  std::optional<DamagedState> damage_;
  std::optional<Deadline::Clock::time_point> told_trouble_;
  // Last: their threads use all of the above.
  Committer committer_;
  WorkerPool workers_;
};

}  // namespace

ListenEnd listen(const Home& home, const Config& config, const ListenOptions& options,
                 const ListenEvents& events) {
  return Listener(home, config, options, events).run();
}

}  // namespace p2pchat

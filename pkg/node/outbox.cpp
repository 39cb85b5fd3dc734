#include "node/outbox.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <thread>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "protocol/claims.h"
#include "store/peers.h"

namespace p2pchat {

namespace {

// One letter to several peers, by as many threads as there may be exchanges at once.
class Round {
 public:
  Round(const Letter& letter, std::vector<std::string> names, const SendTime& time)
      : letter_(letter),
        names_(std::move(names)),
        time_(time),
        deadline_(time.time),
        sent_(names_.size()) {}

  // `own` is the connection of the calling thread, which takes part; the others open theirs.
  std::vector<Sent> run(const Home& home, const Sender& own) {
    const std::size_t helpers = std::min(names_.size(), kMaxExchangesAtOnce) - 1;
    std::vector<std::thread> threads;
    try {
      while (threads.size() < helpers) {
        threads.push_back(start_thread([&] { help(home, own); }));
      }
    } catch (const Error&) {  // those that run do it all
    }
    work(own);
    for (std::thread& thread : threads) thread.join();
    return std::move(sent_);
  }

 private:
  void help(const Home& home, const Sender& own) {
    try {
      Database database = home.open_state(Durability::full);
      work({own.identity, database, own.log_keep_seconds, own.interrupt, own.connector});
    } catch (...) {  // a thread's outermost edge: the others take its share
    }
  }

  void work(const Sender& sender) {
    for (std::size_t i = next_++; i < names_.size(); i = next_++) {
      const Deadline deadline = time_.for_each ? Deadline(time_.time) : deadline_;
      sent_[i] = deliver(letter_, names_[i], sender, deadline);
    }
  }

  const Letter& letter_;
  std::vector<std::string> names_;
  SendTime time_;
  Deadline deadline_;
  std::vector<Sent> sent_;
  std::atomic<std::size_t> next_ = 0;
};

// Each name once, and for each place in `names` which of them stands there.
struct Distinct {
  std::vector<std::string> names;
  std::vector<std::size_t> places;
};

Distinct distinct(const std::vector<std::string>& names) {
  Distinct result;
  std::map<std::string, std::size_t> seen;
  for (const std::string& name : names) {
    const auto [entry, is_new] = seen.emplace(ascii_lower(name), result.names.size());
    if (is_new) result.names.push_back(name);
    result.places.push_back(entry->second);
  }
  return result;
}

// The first that came; those behind it must not end us before the outcomes are told.
int take_all(const SignalFd& signals) {
  const int first = signals.take();
  while (signals.take() != 0) {
  }
  return first;
}

}  // namespace

std::string letter_id(const std::optional<std::string>& name) {
  if (!name) return new_message_id();
  if (name->empty() || name->size() > kMaxIdNameBytes) {
    throw Error(Status::usage, "an id has 1 to 128 bytes");
  }
  return message_id_for(*name);
}

std::chrono::milliseconds send_time(const Config& config,
                                    std::optional<std::chrono::milliseconds> flag,
                                    std::size_t body_bytes) {
  constexpr std::chrono::seconds kBase{30};
  constexpr std::size_t kBytesPerExtraSecond = 65'536;
  if (flag) return *flag;
  if (const auto configured = config.send_timeout()) return *configured;
  return kBase + std::chrono::seconds(body_bytes / kBytesPerExtraSecond);
}

Outbox::Outbox(const Home& home, const Config& config)
    : home_(home),
      log_keep_seconds_(config.log_keep_seconds()),
      database_((home.require_identity(), home.open_state(Durability::full))) {
  drop_old_keys(home);
}

void Outbox::require_peers(const std::vector<std::string>& names) {
  Peers peers(database_);
  // An unknown name is an error of the call, whatever the others are.
  const auto is_unknown = [&](const std::string& name) { return !peers.by_name(name); };
  const auto unknown = std::find_if(names.begin(), names.end(), is_unknown);
  if (unknown != names.end()) trusted_peer(peers, *unknown);
  for (const std::string& name : names) trusted_peer(peers, name);
}

Outcomes Outbox::send(const Letter& letter, const std::vector<std::string>& names,
                      const SendTime& time) {
  Distinct peers = distinct(names);
  raise_descriptor_limit();
  Round round(letter, std::move(peers.names), time);
  const Identity identity = load_identity(home_);
  const SignalFd signals{SIGINT, SIGTERM, SIGHUP};
  const Sender sender{identity, database_, log_keep_seconds_, signals.descriptor()};
  const std::vector<Sent> sent = round.run(home_, sender);

  Outcomes outcomes;
  for (const std::size_t place : peers.places) outcomes.sent.push_back(sent[place]);
  outcomes.signal_number = take_all(signals);
  return outcomes;
}

}  // namespace p2pchat

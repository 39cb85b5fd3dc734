#include "node/outbox.h"

#include <algorithm>
#include <csignal>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "node/identity.h"
#include "node/keyring.h"
#include "node/queue.h"
#include "node/side_by_side.h"
#include "protocol/claims.h"
#include "store/peers.h"

namespace p2pchat {

namespace {

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
                      const SendTime& time, IfNotTaken otherwise) {
  const Distinct peers = distinct(names);
  raise_descriptor_limit();
  const Deadline common(time.time);
  const Identity identity = load_identity(home_);
  const SignalFd signals{SIGINT, SIGTERM, SIGHUP};
  const Sender own{identity, database_, log_keep_seconds_, signals.descriptor()};
  std::vector<Enqueued> queued;
  if (otherwise == IfNotTaken::queue) {
    database_.set_patience(std::min(database_.patience(), common.remaining()));
    queued = enqueue(letter, peers.names, own);
  }
  std::vector<Sent> sent(peers.names.size());
  Outcomes outcomes;
  std::mutex mutex;
  const auto told = [&](const QueueEvent& event) {
    const std::lock_guard guard(mutex);
    outcomes.earlier.push_back(event);
  };
  side_by_side(home_, own, sent.size(), [&](std::size_t i, const Sender& sender) {
    const Deadline deadline = time.for_each ? Deadline(time.time) : common;
    sent[i] = queued.empty() ? deliver(letter, peers.names[i], sender, deadline)
                             : deliver_or_keep(home_, letter, queued[i], sender, deadline, told);
  });

  for (const std::size_t place : peers.places) outcomes.sent.push_back(sent[place]);
  outcomes.signal_number = signals.take_all();
  return outcomes;
}

}  // namespace p2pchat

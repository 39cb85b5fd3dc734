#include "node/inbox.h"

#include <algorithm>

#include "protocol/address.h"
#include "protocol/claims.h"
#include "store/messages.h"
#include "store/peers.h"

namespace p2pchat {

namespace {

AckStatus present_status(const PeerRow& peer) {
  return peer.status == PeerStatus::trusted ? AckStatus::trusted : AckStatus::pending;
}

// Where to connect, by the claim and by where it was seen.
std::string announced_address(const std::string& claim, const Origin& origin) {
  auto address = read_address_claim(claim);
  if (!address) return {};
  if (address->host.empty()) address->host = origin.address;
  // A link-local IPv6 address has a zone, which means something on one interface of ours only.
  const std::string text = address->text();
  return read_address_argument(text) ? text : "";
}

Verdict told(AckStatus status) {
  Verdict verdict;
  verdict.status = status;
  return verdict;
}

// A name for a peer that nobody has named: what it calls itself never becomes one.
std::string first_use_name(Peers& peers, const std::string& identity) {
  constexpr std::size_t kShortest = 8;
  for (std::size_t length = kShortest; length <= identity.size(); ++length) {
    std::string name = "peer-" + identity.substr(0, length);
    if (!peers.by_name(name)) return name;
  }
  return {};
}

Verdict take_stranger(Peers& peers, const Request& request, const Origin& origin, bool first_use,
                      std::uint64_t now) {
  const std::uint64_t a_day_ago = now > kSecondsPerDay ? now - kSecondsPerDay : 0;
  if (peers.count_new_between(origin.network, a_day_ago, now) >= kMaxNewPerSourceAndDay) {
    return told(AckStatus::busy);
  }
  Newcomer newcomer;
  PeerRow row;
  row.identity = request.iss;
  row.statement = request.introduction->keys.token;
  row.announced_address = announced_address(request.introduction->addr, origin);
  row.hint = request.introduction->name;
  row.source = origin.network;
  row.registered = request.iat;
  row.first_seen = now;
  row.last_seen = now;
  newcomer.address = row.announced_address;
  if (!row.announced_address.empty()) {
    const std::vector<PeerRow> claimed = peers.by_address(row.announced_address);
    if (!claimed.empty()) {
      newcomer.claimed_name = claimed.front().name;
      newcomer.claimed_id = claimed.front().identity;
    }
  }
  // Another key at a known address may be a changed key: only our user can tell.
  if (first_use && newcomer.claimed_name.empty() && peers.count_first_use() < kMaxFirstUse) {
    newcomer.name = first_use_name(peers, request.iss);
  }
  if (!newcomer.name.empty()) {
    row.status = PeerStatus::trusted;
    row.trust = Trust::first_use;
    row.name = newcomer.name;
  } else {
    while (peers.count_pending() >= kMaxPending) peers.evict_pending();
  }
  peers.insert(row);
  Verdict verdict = told(present_status(row));
  verdict.newcomer = std::move(newcomer);
  verdict.counts = true;
  return verdict;
}

}  // namespace

Inbox::Inbox(const Home& home, InboxRules rules, Places* places, bool forget_bodies)
    : lock_file_(home.lock_file()),
      rules_(std::move(rules)),
      places_(places),
      forget_bodies_(forget_bodies) {}

Verdict Inbox::take(Database& database, const Request& request, const Origin& origin,
                    std::uint64_t now) const {
  // An id that was purged cannot be told from a new one.
  const std::uint64_t largest_exp = now + kClockToleranceSeconds + kMaxRequestDays * kSecondsPerDay;
  const bool may_be_forgotten = request.exp <= Messages(database).purge_mark(largest_exp);
  if (!clocks_agree(request, now) || may_be_forgotten) return told(AckStatus::skew);
  return request.type == RequestType::message ? take_message(database, request, now)
                                              : take_registration(database, request, origin, now);
}

Verdict Inbox::take_message(Database& database, const Request& request, std::uint64_t now) const {
  Peers peers(database);
  Messages messages(database);
  const auto peer = peers.by_identity(request.iss);
  if (!peer) return {};  // removed since its signature was checked
  if (peer->status != PeerStatus::trusted) return told(AckStatus::pending);
  const auto known = messages.find({Direction::in, request.iss, request.aud, request.jti});
  if (known) return take_again(database, request, *known);
  Verdict verdict = take_new(messages, request, now);
  if (verdict.status == AckStatus::ok) {
    verdict.welcome = true;
    if (peer->last_seen != now) peers.set_last_seen(peer->id, now);
  }
  return verdict;
}

Verdict Inbox::take_new(Messages& messages, const Request& request, std::uint64_t now) const {
  // Not in one list: when memory is lacking for a later member, g++ 12 destroys the key twice.
  MessageRow row;
  row.key = {Direction::in, request.iss, request.aud, request.jti};
  row.hash = request.content_hash;
  row.body = request.body;
  row.time = now;
  row.exp = request.exp;
  row.state = MessageState::print;
  row.reply = rules_.reply;
  Verdict verdict{AckStatus::ok, rules_.reply};
  if (places_ != nullptr) {
    auto place = places_->take();
    if (!place) return told(AckStatus::busy);
    row.state = MessageState::exec;
    row.id = messages.insert(row);
    verdict.to_handle = ToHandle{row.id, message_lock(lock_file_, row.id), *std::move(place)};
  } else {
    messages.insert(row);
  }
  return verdict;
}

Verdict Inbox::take_again(Database& database, const Request& request,
                          const MessageRow& known) const {
  if (known.hash != request.content_hash) return told(AckStatus::conflict);
  Messages(database).extend(known.id, request.exp);
  const bool unhandled = known.state == MessageState::exec || known.state == MessageState::handling;
  if (unhandled) return take_unhandled(database, known);
  Verdict verdict{AckStatus::dup, {}, known.rc};
  verdict.reply_of = known.id;
  return verdict;
}

Verdict Inbox::take_unhandled(Database& database, const MessageRow& known) const {
  FileLock lock = message_lock(lock_file_, known.id);
  if (!lock.held()) return told(AckStatus::busy);
  // Whoever had it has died.
  if (known.state == MessageState::handling) {
    Messages messages(database);
    Peers peers(database);
    interrupt(messages, known.id, forget_bodies_);
    Verdict verdict{AckStatus::dup, {}, kInterrupted};
    verdict.interrupted = received(peers, known);
    return verdict;
  }
  auto place = places_ != nullptr ? places_->take() : std::nullopt;
  if (!place) return told(AckStatus::busy);
  Verdict verdict{AckStatus::dup, {}};
  verdict.to_handle = ToHandle{known.id, std::move(lock), *std::move(place)};
  return verdict;
}

Verdict Inbox::take_registration(Database& database, const Request& request, const Origin& origin,
                                 std::uint64_t now) const {
  Peers peers(database);
  auto peer = peers.by_identity(request.iss);
  if (!peer) return take_stranger(peers, request, origin, rules_.first_use, now);
  if (peer->status == PeerStatus::blocked) return told(AckStatus::pending);
  // What was taken when our clock ran ahead is no bound: nothing could be newer for as long.
  const std::uint64_t last =
      peer->registered <= now + kClockToleranceSeconds ? peer->registered : 0;
  // Not newer: a replay, or one that was overtaken. It changes nothing.
  if (request.iat <= last) {
    Verdict verdict = told(present_status(*peer));
    verdict.counts = request.iat == last;
    return verdict;
  }

  const KeyStatement& statement = request.introduction->keys;
  if (const auto stored = read_key_statement(peer->statement)) {
    const SeqOrder order = compare_seq(statement, *stored);
    if (order == SeqOrder::older || order == SeqOrder::forked) return {};
  }
  peer->statement = statement.token;
  peer->announced_address = announced_address(request.introduction->addr, origin);
  peer->hint = request.introduction->name;
  peer->registered = request.iat;
  peer->last_seen = now;
  peers.update(*peer);
  Verdict verdict = told(present_status(*peer));
  verdict.counts = true;
  verdict.welcome = peer->status == PeerStatus::trusted;
  return verdict;
}

void clean_up(Database& database, std::uint64_t now, std::uint64_t log_keep_seconds) {
  auto before = [now](std::uint64_t seconds) { return now > seconds ? now - seconds : 0; };
  Messages messages(database);
  messages.forget_bodies(before(log_keep_seconds));
  messages.purge(before(kSecondsPerDay));
  Peers(database).expire_pending(before(kPendingLifeDays * kSecondsPerDay));
}

}  // namespace p2pchat

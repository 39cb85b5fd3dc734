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

Verdict take_message(Database& database, const Request& request, const std::string& reply,
                     std::uint64_t now) {
  Peers peers(database);
  Messages messages(database);
  auto peer = peers.by_identity(request.iss);
  if (!peer) return {};  // removed since its signature was checked
  if (peer->status != PeerStatus::trusted) return {AckStatus::pending, {}, 0, false};

  const MessageKey key{Direction::in, request.iss, request.aud, request.jti};
  if (const auto known = messages.find(key)) {
    if (known->hash != request.content_hash) return {AckStatus::conflict, {}, 0, false};
    messages.extend(known->id, request.exp);
    return {AckStatus::dup, known->reply, known->rc, false};
  }
  messages.insert({key, request.content_hash, request.body, now, request.exp, MessageState::print,
                   reply, 0, 0});
  peer->last_seen = now;
  peers.update(*peer);
  return {AckStatus::ok, reply, 0, false};
}

Verdict take_stranger(Peers& peers, const Request& request, const Origin& origin,
                      std::uint64_t now) {
  const std::uint64_t a_day_ago = now > kSecondsPerDay ? now - kSecondsPerDay : 0;
  if (peers.count_pending_since(origin.network, a_day_ago) >= kMaxPendingPerSourceAndDay) {
    return {AckStatus::busy, {}, 0, false};
  }
  while (peers.count_pending() >= kMaxPending) peers.evict_pending();
  PeerRow row;
  row.identity = request.iss;
  row.status = PeerStatus::pending;
  row.statement = request.introduction->keys.token;
  row.announced_address = announced_address(request.introduction->addr, origin);
  row.hint = request.introduction->name;
  row.source = origin.network;
  row.registered = request.iat;
  row.first_seen = now;
  row.last_seen = now;
  peers.insert(row);
  return {AckStatus::pending, {}, 0, true};
}

Verdict take_registration(Database& database, const Request& request, const Origin& origin,
                          std::uint64_t now) {
  Peers peers(database);
  auto peer = peers.by_identity(request.iss);
  if (!peer) return take_stranger(peers, request, origin, now);
  // Not newer: a replay, or one that was overtaken. It changes nothing.
  if (request.iat <= peer->registered) return {present_status(*peer), {}, 0, false};

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
  return {present_status(*peer), {}, 0, false};
}

}  // namespace

Verdict take_request(Database& database, const Request& request, const Origin& origin,
                     const std::string& reply, std::uint64_t now) {
  // An id that was purged cannot be told from a new one.
  const bool may_be_forgotten = request.exp <= Messages(database).purge_mark();
  if (!clocks_agree(request, now) || may_be_forgotten) return {AckStatus::skew, {}, 0, false};
  return request.type == RequestType::message ? take_message(database, request, reply, now)
                                              : take_registration(database, request, origin, now);
}

void clean_up(Database& database, std::uint64_t now, std::uint64_t log_keep_seconds) {
  auto before = [now](std::uint64_t seconds) { return now > seconds ? now - seconds : 0; };
  Messages messages(database);
  messages.forget_bodies(before(log_keep_seconds));
  messages.purge(before(kSecondsPerDay));
  Peers(database).expire_pending(before(kPendingLifeDays * kSecondsPerDay));
}

}  // namespace p2pchat

#include "protocol/reply.h"

#include <algorithm>

#include "jose/base64url.h"
#include "jose/compact.h"
#include "jose/jwk.h"

namespace p2pchat {

namespace {

constexpr std::string_view kPemStart = "-----BEGIN PUBLIC KEY-----";

Reply refused(ReplyRow row, std::string why) {
  Reply reply;
  reply.row = row;
  reply.why = std::move(why);
  return reply;
}

// The identity's PEM, which the request `identity` gets: an answer to nothing else.
Reply read_pem_reply(std::string_view frame, const std::optional<std::string>& pin) {
  const Result<RsaPublicKey> key = RsaPublicKey::from_pem(frame);
  if (!key) {
    const bool refused_by_policy = key.why().starts_with(kRefusedKey);
    return refused(refused_by_policy ? ReplyRow::weak_key : ReplyRow::not_protocol, key.why());
  }
  Reply reply;
  reply.identity_id = thumbprint(*key);
  const bool foreign = pin && *pin != reply.identity_id;
  reply.row = foreign ? ReplyRow::other_key : ReplyRow::not_protocol;
  return reply;
}

// True when the header says that the token means to be one of this protocol.
bool names_this_protocol(std::string_view token) {
  std::optional<JsonObject> header = read_header(token.substr(0, token.find('.')));
  const auto typ = header ? header->take_string("typ") : std::nullopt;
  return typ && typ->starts_with("p2pchat");
}

std::size_t dots(std::string_view token) {
  return static_cast<std::size_t>(std::count(token.begin(), token.end(), '.'));
}

// A token that is neither the expected ack nor a key statement that holds.
Reply read_unusable(std::string_view frame, std::string why) {
  if (why.find(kRefusedKey) != std::string::npos)
    return refused(ReplyRow::weak_key, std::move(why));
  return names_this_protocol(frame) ? refused(ReplyRow::does_not_verify, std::move(why))
                                    : refused(ReplyRow::not_protocol, {});
}

Reply read_statement_reply(std::string_view frame, const std::optional<std::string>& pin) {
  Result<KeyStatement> statement = read_key_statement(frame);
  if (!statement) return read_unusable(frame, "key statement: " + statement.why());
  Reply reply;
  reply.row = ReplyRow::newer_keys;
  reply.identity_id = statement->identity_id;
  reply.statement = *std::move(statement);
  if (pin && *pin != reply.identity_id) reply.row = ReplyRow::other_key;
  return reply;
}

bool is_expired(const Reply& reply, std::uint64_t now) {
  return reply.statement->expired(now);
}

// Only JSON white space and then a brace can begin a header, and one that has ended names us.
bool may_begin_header(std::string_view start) {
  const std::size_t end = start.find('.');
  if (end != std::string_view::npos) return names_this_protocol(start);
  // Four characters are three bytes.
  const std::string_view segment = start;
  const auto header = decode_base64url(segment.substr(0, segment.size() / 4 * 4));
  if (!header) return false;
  const std::size_t first = header->find_first_not_of(" \t\r\n");
  return first == std::string::npos || (*header)[first] == '{';
}

constexpr std::string_view kForked =
    "key statement: another encryption key under the number already seen";
constexpr std::string_view kExpired = "key statement: it has expired";
constexpr std::string_view kOlder = "key statement: older than the one already seen";

}  // namespace

Reply read_reply(std::string_view frame, const AckExpectation& expected, const KeyStatement& stored,
                 bool second, std::uint64_t now) {
  if (frame.starts_with(kPemStart)) return read_pem_reply(frame, stored.identity_id);
  if (dots(frame) == 4) {
    Result<Ack> ack = open_ack(frame, expected);
    if (!ack) return read_unusable(frame, "answer: " + ack.why());
    Reply reply;
    reply.row = ReplyRow::ack;
    reply.ack = *std::move(ack);
    return reply;
  }
  Reply reply = read_statement_reply(frame, stored.identity_id);
  if (reply.row != ReplyRow::newer_keys) return reply;
  const SeqOrder order = compare_seq(*reply.statement, stored);
  if (order == SeqOrder::forked) {
    return refused(ReplyRow::does_not_verify, std::string(kForked));
  }
  if (order != SeqOrder::newer || second) {
    reply.row = ReplyRow::not_known;
  } else if (is_expired(reply, now)) {
    return refused(ReplyRow::does_not_verify, std::string(kExpired));
  }
  return reply;
}

Reply read_keys_reply(std::string_view frame, const std::optional<std::string>& pin,
                      const StatementLookup& stored, std::uint64_t now) {
  if (frame.starts_with(kPemStart)) return read_pem_reply(frame, pin);
  Reply reply = read_statement_reply(frame, pin);
  if (reply.row != ReplyRow::newer_keys) return reply;
  const std::optional<KeyStatement> known = stored(reply.identity_id);
  const SeqOrder order = known ? compare_seq(*reply.statement, *known) : SeqOrder::newer;
  if (order == SeqOrder::forked) {
    return refused(ReplyRow::does_not_verify, std::string(kForked));
  }
  if (order == SeqOrder::older) return refused(ReplyRow::does_not_verify, std::string(kOlder));
  if (is_expired(reply, now)) return refused(ReplyRow::does_not_verify, std::string(kExpired));
  return reply;
}

bool ReplyPrefix::feed(std::string_view piece) {
  refused_ = refused_ || !is_plausible(piece);
  return !refused_;
}

bool ReplyPrefix::is_plausible(std::string_view piece) {
  constexpr std::size_t kMostDots = 4;
  constexpr std::size_t kMostHeaderCharacters = 4096;
  start_ += piece.substr(0, kMostHeaderCharacters - start_.size());
  if (kPemStart.starts_with(std::string_view(start_).substr(0, kPemStart.size()))) {
    return std::all_of(piece.begin(), piece.end(),
                       [](char c) { return (c >= 0x20 && c <= 0x7E) || c == '\n' || c == '\r'; });
  }
  dots_ += dots(piece);
  const bool token_characters = std::all_of(
      piece.begin(), piece.end(), [](char c) { return c == '.' || is_base64url_character(c); });
  return token_characters && dots_ <= kMostDots && may_begin_header(start_);
}

}  // namespace p2pchat

#include "node/history.h"

#include "base/error.h"
#include "base/text.h"
#include "jose/jwk.h"
#include "node/address_book.h"
#include "node/identity.h"
#include "node/keyring.h"

namespace p2pchat {

namespace {

Database opened(const Home& home) {
  home.require_identity();
  drop_old_keys(home);
  return home.open_state(Durability::normal);
}

bool is_whole_fingerprint(const std::string& selector) {
  return selector.starts_with(kFingerprintPrefix) &&
         selector.size() == kFingerprintPrefix.size() + kThumbprintCharacters;
}

// The IK of whom the user means.
std::string find_peer(const Home& home, MessageReader& messages, const std::string& selector) {
  if (is_whole_fingerprint(selector)) {
    const std::string id = selector.substr(kFingerprintPrefix.size());
    if (messages.knows(id)) return id;
  }
  return read_fingerprint(AddressBook(home).show(selector).fingerprint);
}

}  // namespace

History::History(const Home& home, const HistoryQuery& query)
    : database_(opened(home)), messages_(database_), peers_(database_) {
  if (query.peer) filter_.peer = find_peer(home, messages_, *query.peer);
  filter_.direction = query.direction;
  filter_.since = query.since;
  after_ = messages_.before_oldest(filter_);
}

void History::skip_to_newest(std::uint64_t count) {
  after_ = count == 0 ? messages_.newest() : messages_.before_newest(filter_, count);
}

std::vector<HistoryEntry> History::next() {
  names_.clear();
  std::vector<HistoryEntry> entries;
  for (StoredMessage& message : messages_.page(filter_, after_)) {
    after_ = message.id;
    entries.push_back(entry_of(std::move(message)));
  }
  return entries;
}

HistoryEntry History::entry_of(StoredMessage&& message) {
  HistoryEntry entry;
  entry.peer = name_of(message.peer);
  entry.fingerprint = fingerprint(message.peer);
  entry.id = std::move(message.jti);
  entry.time = message.time;
  entry.direction = message.direction;
  entry.state = message.state;
  entry.exit = message.rc;
  entry.body = std::move(message.body);
  entry.reply = std::move(message.reply);
  return entry;
}

const std::string& History::name_of(const std::string& peer) {
  const auto known = names_.find(peer);
  if (known != names_.end()) return known->second;
  const auto row = peers_.by_identity(peer);
  const bool named = row && !row->name.empty();
  return names_.emplace(peer, named ? row->name : fingerprint(peer)).first->second;
}

void write_history(const Home& home, const HistoryQuery& query, std::optional<std::uint64_t> count,
                   const EntryFormatter& format,
                   const std::function<void(std::string_view)>& write) {
  constexpr std::size_t kEnough = 65'536;  // for one write
  History history(home, query);
  if (count) history.skip_to_newest(*count);
  for (auto entries = history.next(); !entries.empty(); entries = history.next()) {
    std::string text;
    for (const HistoryEntry& entry : entries) {
      text += format(entry);
      if (text.size() < kEnough) continue;
      write(text);
      text.clear();
    }
    write(text);
  }
}

void forget_history(const Home& home, const std::optional<std::string>& peer,
                    std::uint64_t time_before) {
  constexpr std::chrono::seconds kScrubPatience{3};
  Database database = opened(home);
  MessageReader reader(database);
  const std::optional<std::string> id =
      peer ? std::optional(find_peer(home, reader, *peer)) : std::nullopt;
  Messages messages(database);
  std::optional<std::int64_t> after = 0;
  while (after) {
    WriteTransaction transaction(database);
    after = messages.forget_next(id, time_before, *after);
    transaction.commit();
  }
  database.set_patience(kScrubPatience);
  if (!database.scrub_log()) {
    throw Error(Status::system,
                "the text is deleted, but still in the log of " + in_quotes(home.state_file()) +
                    ", which another process reads",
                "the same command again, later");
  }
}

}  // namespace p2pchat

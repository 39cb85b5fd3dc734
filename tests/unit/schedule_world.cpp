#include "schedule_world.h"

#include <SQLiteCpp/Database.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <sstream>

#include "base/clock.h"
#include "frame/frame.h"
#include "node/address_book.h"
#include "node/inbox.h"
#include "node/keyring.h"
#include "node/printer.h"
#include "node/registrar.h"
#include "protocol/claims.h"
#include "store/peers.h"

namespace p2pchat {

namespace {

// Long enough that making keys is not most of what happens.
constexpr std::uint64_t kRotateDays = 60;
constexpr std::size_t kMostRecorded = 256;
constexpr std::size_t kMostTraced = 60;

struct Killed {};

std::string name_of(Who who) {
  return who == Who::alice ? "alice" : "bob";
}

void fill_disk(Database& database, bool full) {
  database.sqlite().exec(full ? "PRAGMA query_only = ON" : "PRAGMA query_only = OFF");
}

// What a crash prevents, whoever would do it.
constexpr std::array kWrites = {"INSERT ON messages", "UPDATE ON messages", "UPDATE ON peers",
                                "INSERT ON queue",    "UPDATE ON queue",    "DELETE ON queue"};

void prevent_writes(Database& database, bool prevent) {
  for (std::size_t i = 0; i < kWrites.size(); ++i) {
    const std::string name = "crash_" + std::to_string(i);
    database.sqlite().exec("DROP TRIGGER IF EXISTS " + name);
    if (!prevent) continue;
    database.sqlite().exec("CREATE TRIGGER " + name + " BEFORE " + kWrites[i] +
                           " BEGIN SELECT RAISE(ABORT, 'crashed'); END");
  }
}

}  // namespace

std::size_t Dice::weighted(const std::vector<unsigned>& weights) {
  std::uint64_t left = below(std::accumulate(weights.begin(), weights.end(), 0U));
  std::size_t index = 0;
  while (left >= weights[index]) left -= weights[index++];
  return index;
}

Node::Node(Who who_is, std::uint64_t log_keep) : who(who_is), log_keep_seconds(log_keep) {
  write_file(home.home().identity_file(), identity_of(who).pem().view());
  write_file(home / "config", "[log]\nkeep = " + std::to_string(log_keep) + "\n");
}

Node::Run::Run(const Home& home, bool forget_bodies)
    : identity(load_identity(home)),
      keyring(home, identity, kRotateDays),
      out(home.open_state(Durability::normal)),
      in(home.open_state(Durability::normal)),
      responder(identity, keyring, home.open_state(Durability::normal),
                Inbox(home, InboxRules{}, nullptr, forget_bodies)) {}

World::World(std::uint64_t seed)
    : dice_(seed),
      truth_(kNow),
      alice_(Who::alice, dice_.weighted({5, 3, 2}) * kSecondsPerDay),
      bob_(Who::bob, dice_.weighted({5, 3, 2}) * kSecondsPerDay) {
  for (Node* one : {&alice_, &bob_}) {
    one->knows = Node::Knows::nothing;
    restart(*one);
  }
  for (Node* one : {&alice_, &bob_}) mend(*one);
}

World::~World() {
  join();
  freeze_unix_clock(std::nullopt);
}

std::uint64_t World::now_of(const Node& whose) const {
  return truth_ + static_cast<std::uint64_t>(whose.clock_error);
}

void World::act_as(Node& whose) {
  const std::uint64_t now = now_of(whose);
  whose.latest = std::max(whose.latest, now);
  freeze_unix_clock(now);
}

void World::happens(const std::string& what) {
  trace_.push_back(what);
  if (trace_.size() > kMostTraced) trace_.pop_front();
}

void World::broken(const std::string& what) {
  if (!fault_.empty()) return;
  for (const std::string& line : trace_) fault_ += "  " + line + "\n";
  fault_ += what;
}

std::string World::counts() const {
  std::ostringstream text;
  const char* separator = "";
  for (const auto& [what, count] : counts_) {
    text << separator << count << " " << what;
    separator = ", ";
  }
  return text.str();
}

// ---- the network

World::Plan World::plan() {
  Plan plan;
  if (calm_) return plan;
  plan.fate = static_cast<Fate>(dice_.weighted({60, 4, 7, 3, 10, 5, 6, 5}));
  plan.crash = static_cast<Crash>(dice_.weighted({90, 1, 2, 2, 3, 2}));
  plan.cut = static_cast<double>(dice_.below(1'000'000)) / 1e6;
  if (!replies_.empty()) plan.old_reply = dice_.below(replies_.size());
  if (!frames_.empty() && dice_.percent(5)) plan.replays.push_back(dice_.below(frames_.size()));
  if (plan.fate != Fate::through || plan.crash != Crash::none) attempt_.smooth = false;
  return plan;
}

Line World::connect(Node& from) {
  join();
  const Plan plan = this->plan();
  if (plan.crash == Crash::sender_before) crash(from);
  if (plan.fate == Fate::refuse) {
    happens("  refused");
    throw Error(Status::unavailable, "connection refused");
  }
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  REQUIRE(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
  peer_ = std::thread([this, plan, &from, &to = other(from), end = ends[1]] {
    try {
      serve(Fd(end), plan, from, to);
    } catch (const std::exception& error) {
      broken(std::string("the receiver throws: ") + error.what());
    }
    act_as(from);
  });
  return {Fd(ends[0]), "there:1", {}};
}

void World::join() {
  if (peer_.joinable()) peer_.join();
}

// The sender waits while this happens.
void World::serve(Fd socket, const Plan& plan, Node& from, Node& to) {
  FrameReader reader;
  std::array<char, 65536> piece{};
  while (reader.state() == FrameReader::State::incomplete) {
    const ssize_t count = read(socket.get(), piece.data(), piece.size());
    if (count <= 0) return;
    reader.feed({piece.data(), static_cast<std::size_t>(count)});
  }
  const std::string frame = reader.take();
  for (const std::size_t index : plan.replays) replay(index);
  record(to.who, frame);
  happens("  fate " + std::to_string(static_cast<int>(plan.fate)) + ", crash " +
          std::to_string(static_cast<int>(plan.crash)));

  std::optional<std::string> reply;
  const auto part = [&](const std::string& text) {
    return static_cast<std::size_t>(plan.cut * static_cast<double>(text.size()));
  };
  switch (plan.fate) {
    case Fate::refuse:
    case Fate::lose_request:
      break;
    case Fate::mangle_request:
      reply = answer(to, frame.substr(0, part(frame)), Crash::none);
      break;
    case Fate::lose_reply:
      answer(to, frame, plan.crash);
      break;
    case Fate::twice: {
      const auto first = answer(to, frame, Crash::none);
      const auto second = answer(to, frame, Crash::none);
      reply = plan.cut < 0.5 ? first : second;
      break;
    }
    case Fate::old_reply:
      if (plan.cut < 0.5) answer(to, frame, Crash::none);
      if (!replies_.empty()) reply = replies_[plan.old_reply];
      break;
    case Fate::through:
    case Fate::cut_reply:
      reply = answer(to, frame, plan.crash);
      break;
  }
  if (plan.crash == Crash::sender_after) crash(from);
  act_as(from);
  if (!reply) return;
  if (replies_.size() < kMostRecorded) replies_.emplace_back();
  replies_[dice_.below(replies_.size())] = *reply;
  std::string bytes = encode_frame(*reply);
  if (plan.fate == Fate::cut_reply) bytes.resize(part(bytes));
  write_all(socket.get(), bytes);
}

// Nothing: the connection ends without a reply.
std::optional<std::string> World::answer(Node& to, const std::string& frame, Crash crash) {
  act_as(to);
  to.run->keyring.renew();
  Responder& responder = to.run->responder;
  const Responder::Opened opened = responder.open(frame);
  if (!opened.request) return opened.reply;
  Verdict verdict;
  try {
    if (crash == Crash::disk_full) fill_disk(to.run->in, true);
    WriteTransaction transaction(to.run->in);
    verdict = responder.decide(to.run->in, *opened.request, {"192.0.2.1", "192.0.2.1"});
    if (crash == Crash::receiver_before) throw Killed();
    transaction.commit();
    arrived(to, *opened.request, verdict);
  } catch (const Killed&) {
    ++counts_["crashes"];
    restart(to);
    return std::nullopt;
  } catch (const Error& error) {
    if (crash != Crash::disk_full) broken(std::string("cannot decide: ") + error.what());
    verdict = {AckStatus::busy, {}};
  }
  fill_disk(to.run->in, false);
  if (crash == Crash::receiver_after) {
    ++counts_["crashes"];
    restart(to);
    return std::nullopt;
  }
  return responder.seal(opened, verdict);
}

// What the receiver has committed.
void World::arrived(Node& to, const Request& request, const Verdict& verdict) {
  if (request.type != RequestType::message || !verdict.status) return;
  const auto found = messages_.find(request.jti);
  if (found == messages_.end()) return broken("a message that nobody has sent: " + request.jti);
  Sending& sending = found->second;
  happens("  " + request.jti + " at " + name_of(to.who) + ": ack status " +
          std::to_string(static_cast<int>(*verdict.status)) + ", exp " +
          std::to_string(request.exp) + ", now " + std::to_string(now_of(to)));
  if (*verdict.status == AckStatus::conflict) broken("another body under the id " + sending.id);
  if (*verdict.status == AckStatus::dup && sending.stored == 0) {
    broken("not stored, yet a duplicate: " + sending.id);
  }
  if (*verdict.status == AckStatus::ok || *verdict.status == AckStatus::dup) attempt_.taken = true;
  if (*verdict.status != AckStatus::ok) return;
  if (++sending.stored > sending.lives) broken("stored twice: " + sending.id);
  if (sending.from == to.who || request.body != sending.body) broken("not as sent: " + sending.id);
  // What an earlier life brings once more (see note_expiry()) has had its turn.
  if (sending.in_line && !sending.over && sending.stored == 1) {
    if (sending.place < to.last_in_line) broken("out of order: " + sending.id);
    to.last_in_line = sending.place;
  }
  to.to_print.push_back(sending.id);
  ++counts_["stored"];
}

void World::record(Who to, const std::string& frame) {
  if (frames_.size() < kMostRecorded) {
    frames_.push_back({to, frame});
  } else {
    frames_[dice_.below(kMostRecorded)] = {to, frame};
  }
}

// Nobody gets the reply.
void World::replay(std::size_t index) {
  const Recorded recorded = frames_[index];
  const bool taken = attempt_.taken;
  happens("  replay to " + name_of(recorded.to));
  answer(node(recorded.to), recorded.frame, Crash::none);
  attempt_.taken = taken;
  ++counts_["replays"];
}

// ---- the users

Sending& World::begin(Node& from, bool in_line) {
  const std::uint64_t number = ++from.sent;
  Sending sending;
  sending.from = from.who;
  sending.id = message_id_for(name_of(from.who) + " " + std::to_string(number));
  const std::size_t size = dice_.percent(2) ? 20'000 : dice_.below(200);
  while (sending.body.size() < size) sending.body += static_cast<char>(dice_.below(256));
  sending.in_line = in_line;
  sending.place = number;
  ++counts_["messages"];
  return messages_.emplace(sending.id, std::move(sending)).first->second;
}

std::optional<MessageRow> World::recorded(const Sending& sending) {
  Node& from = node(sending.from);
  return Messages(from.run->out)
      .find({Direction::out, id_of(from.who), id_of(other(from).who), sending.id});
}

Connector World::connector_of(Node& from) {
  return [this, &from](const Contact&, const Deadline&, int) { return connect(from); };
}

void World::send(Sending& sending) {
  Node& from = node(sending.from);
  act_as(from);
  const auto known = recorded(sending);
  if (!known && sending.exp != 0) {
    if (from.latest <= sending.exp + kSecondsPerDay) broken("forgotten early: " + sending.id);
    sending.over = true;  // nobody can tell any more
    return;
  }
  happens("send " + sending.id + " from " + name_of(from.who) + " at " +
          std::to_string(now_of(from)) +
          (known ? ", " + state_text(known->state) + ", exp " + std::to_string(known->exp) : ""));
  attempt_ = {};
  attempt_.smooth = nothing_in_the_way(from, sending);
  const bool was_acked = known && known->state == MessageState::acked;
  const Sent sent =
      deliver({sending.body, sending.id, sending.id}, name_of(other(from).who),
              {from.run->identity, from.run->out, from.log_keep_seconds, -1, connector_of(from)},
              Deadline(kPatience));
  join();
  act_as(from);
  ++counts_["attempts"];
  const bool crashed = from.crashed;
  if (crashed) restart(from);  // whatever it would have said, nobody has seen it
  const auto row = recorded(sending);
  if (row) note_expiry(sending, row->exp, known);
  if (crashed) return;
  happens("  " + sent.state + (sent.error ? std::string(": ") + sent.error->what() : ""));
  judge(sending, sent, was_acked);
}

// Another life is for a message that nobody has taken, and that an attacker alone, who has kept
// what was not taken, could deliver twice; or after a clock that was far ahead.
void World::note_expiry(Sending& sending, std::uint64_t exp,
                        const std::optional<MessageRow>& before) {
  if (before && before->exp != exp) {
    const std::uint64_t now = now_of(node(sending.from));
    const bool may_be_there =
        before->state == MessageState::unknown || before->state == MessageState::acked;
    const bool was_ahead = before->exp > now + kMaxRequestDays * kSecondsPerDay;
    const bool has_expired = before->exp <= now;
    if (!was_ahead && (may_be_there || !has_expired)) broken("another expiry: " + sending.id);
    ++sending.lives;
    ++counts_["new lives"];
  }
  sending.exp = exp;
}

void World::judge(Sending& sending, const Sent& sent, bool was_acked) {
  Node& from = node(sending.from);
  const Status status = sent.error ? sent.error->status() : Status::ok;
  if (sent.delivered) {
    if (sending.stored == 0) broken("acknowledged and not stored: " + sending.id);
    if (sent.error) broken(std::string("delivered, but ") + sent.error->what());
    if (!sending.acked) from.done.push_back(sending.id);
    sending.acked = true;
    return;
  }
  if (status == Status::internal || status == Status::system) broken(sent.error->what());
  if (was_acked && status != Status::no_peer && status != Status::trust && sent.state != "acked") {
    broken("acknowledged before, and now " + sent.state + ": " + sending.id);
  }
  if (attempt_.taken && sent.state == "untaken") broken("taken, and now untaken: " + sending.id);
  // The only data error that a user without a second body meets, unless a reply was forged.
  if (status == Status::data && std::string(sent.error->what()).starts_with("the id ")) {
    sending.over = true;
  }
  if (attempt_.smooth && !sending.over && !is_refused_by_mark(from, sending)) {
    broken("nothing was in the way, and yet: " + std::string(sent.error->what()));
  }
}

bool World::nothing_in_the_way(Node& from, const Sending& sending) {
  const Node& to = other(from);
  constexpr std::int64_t kAlike = 300;
  const std::int64_t ahead = from.clock_error - to.clock_error;
  const bool alike = ahead >= -kAlike && ahead <= kAlike;
  const bool lives = sending.exp == 0 || sending.exp > std::max(now_of(from), now_of(to));
  return alike && lives && from.knows == Node::Knows::trusted && to.knows == Node::Knows::trusted;
}

// Ids that the receiver has forgotten are refused, and what expires no later with them.
bool World::is_refused_by_mark(Node& from, const Sending& sending) {
  Node& to = other(from);
  const std::uint64_t latest = now_of(to) + kClockToleranceSeconds + kMostLifeSeconds;
  const std::uint64_t mark = Messages(to.run->in).purge_mark(latest);
  if (sending.exp == 0 || sending.exp > mark) return false;
  if (to.latest <= mark + kSecondsPerDay) broken("a mark that no clock has ever reached");
  ++counts_["refused by the mark"];
  return true;
}

void World::enqueue(Node& from) {
  Sending& sending = begin(from, true);
  act_as(from);
  const Letter letter{sending.body, sending.id, sending.id, now_of(from) + kLetterLifeSeconds};
  const auto queued =
      p2pchat::enqueue(letter, {name_of(other(from).who)},
                       {from.run->identity, from.run->out, from.log_keep_seconds, -1});
  if (queued.front().settled) {  // nobody of that name
    sending.over = true;
    return;
  }
  sending.exp = letter.exp;
  from.line.push_back(sending.id);
}

void World::flush(Node& from) {
  act_as(from);
  happens("flush of " + name_of(from.who) + " at " + std::to_string(now_of(from)));
  const Config config = Config::load(from.home.home());
  std::optional<MessageRow> before;
  const auto expect_next = [&] {
    attempt_ = {};
    if (from.line.empty()) return;
    const Sending& next = messages_.at(from.line.front());
    attempt_.smooth = nothing_in_the_way(from, next);
    before = recorded(next);
  };
  expect_next();
  FlushOptions options;
  options.now = true;  // the pauses between attempts have a jitter that no seed knows
  try {
    Queue(from.home.home(), config, connector_of(from))
        .flush(options, [&](const QueueEvent& event) {
          join();
          if (!from.crashed) flushed(from, event, before);
          expect_next();
        });
  } catch (const Error& error) {
    if (!from.crashed) broken(std::string("flush: ") + error.what());
  }
  join();
  act_as(from);
  ++counts_["flushes"];
  if (from.crashed) restart(from);
}

void World::flushed(Node& from, const QueueEvent& event, const std::optional<MessageRow>& before) {
  Sending& sending = messages_.at(event.id);
  happens("  queued " + event.id + ": " + event.sent.state +
          (event.sent.error ? std::string(": ") + event.sent.error->what() : ""));
  const auto at = std::find(from.line.begin(), from.line.end(), event.id);
  if (at == from.line.end()) return broken("not in the queue: " + event.id);
  if (event.fate == QueueFate::failed) {
    if (sending.exp > now_of(from)) broken("given up early: " + event.id);
    sending.over = true;
    from.line.erase(at);
    ++counts_["expired in the queue"];
    return;
  }
  if (at != from.line.begin()) broken("not the first in the queue: " + event.id);
  if (const auto row = recorded(sending)) note_expiry(sending, row->exp, before);
  judge(sending, event.sent, false);
  if (sending.acked) from.line.pop_front();
}

void World::retry(Node& from) {
  if (from.retries.empty()) return;
  const std::size_t index = dice_.below(from.retries.size());
  std::swap(from.retries[index], from.retries.back());
  Sending& sending = messages_.at(from.retries.back());
  if (!sending.acked && !sending.over) send(sending);
  if (sending.acked || sending.over) from.retries.pop_back();
}

// What was acknowledged, once more.
void World::send_again(Node& from) {
  if (from.done.empty()) return;
  const std::size_t recent = std::min<std::size_t>(from.done.size(), 50);
  send(messages_.at(from.done[from.done.size() - 1 - dice_.below(recent)]));
}

void World::send_other_body(Node& from) {
  if (from.done.empty()) return;
  Sending& sending = messages_.at(from.done.back());
  act_as(from);
  if (!recorded(sending)) return;
  if (from.knows != Node::Knows::trusted) return;
  bool connected = false;
  const Sent sent = deliver({sending.body + "!", sending.id, sending.id}, name_of(other(from).who),
                            {from.run->identity, from.run->out, from.log_keep_seconds, -1,
                             [&](const Contact&, const Deadline&, int) -> Line {
                               connected = true;
                               throw Error(Status::unavailable, "");
                             }},
                            Deadline(kPatience));
  const bool refused = sent.error && sent.error->status() == Status::data;
  if (!refused || connected) broken("a second body was not refused: " + sending.id);
  ++counts_["second bodies"];
}

// ---- printing

void World::print(Node& whose, bool crash) {
  act_as(whose);
  const std::uint64_t crash_at = crash ? dice_.below(whose.to_print.size() + 1) : UINT64_MAX;
  const bool written_before = dice_.percent(50);
  bool crashed = false;
  std::uint64_t count = 0;
  CapturedStdout captured;
  {
    Printer printer(
        whose.home.home(),
        [&](const Received& received) {
          std::string text = received.id + " " + received.peer + " " +
                             std::to_string(received.body.size()) + "\n" + received.body + "\n";
          if (count++ != crash_at) return text;
          crashed = true;
          if (written_before) write_all(STDOUT_FILENO, text);
          throw Killed();
        },
        std::nullopt, whose.log_keep_seconds == 0);
    printer.start([] {});
    try {
      printer.finish(kPatience);
    } catch (const Killed&) {
      ++counts_["crashes"];
    }
  }
  captured.end();
  check_printed(whose, captured.text(), crashed && written_before);
  if (!crashed && !whose.to_print.empty()) broken("not printed: " + whose.to_print.front());
}

void World::check_printed(Node& whose, const std::string& text, bool crashed_after_writing) {
  std::istringstream in(text);
  std::string id;
  std::string peer;
  std::size_t size = 0;
  while (in >> id >> peer >> size) {
    if (whose.to_print.empty() || whose.to_print.front() != id) {
      return broken("printed out of turn: " + id);
    }
    Sending& sending = messages_.at(id);
    std::string body(size, '\0');
    in.ignore(1);
    in.read(body.data(), static_cast<std::streamsize>(size));
    if (body != sending.body) broken("printed otherwise than sent: " + id);
    const Who from = other(whose).who;
    if (peer != name_of(from) && peer != fingerprint(id_of(from))) broken("printed as of " + peer);
    if (++sending.printed > sending.stored + sending.crashes) broken("printed twice: " + id);
    ++counts_["printed"];
    in.ignore(1);
    const bool last = in.peek() == std::istringstream::traits_type::eof();
    if (last && crashed_after_writing) {
      ++sending.crashes;
    } else {
      whose.to_print.pop_front();
    }
  }
}

// ---- what happens to a node

// From here on it does nothing that lasts.
void World::crash(Node& whose) {
  prevent_writes(whose.run->in, true);
  whose.crashed = true;
  ++counts_["crashes"];
}

void World::restart(Node& whose) {
  act_as(whose);
  whose.run.reset();
  whose.run = std::make_unique<Node::Run>(whose.home.home(), whose.log_keep_seconds == 0);
  if (whose.crashed) prevent_writes(whose.run->in, false);
  whose.crashed = false;
  clean(whose);
  ++counts_["starts"];
}

void World::clean(Node& whose) {
  act_as(whose);
  WriteTransaction transaction(whose.run->in);
  clean_up(whose.run->in, now_of(whose), whose.log_keep_seconds);
  transaction.commit();
}

void World::rotate(Node& whose) {
  act_as(whose);
  load_keyring(whose.home.home(), whose.run->identity, kRotateDays, Renewal::now);
  happens("rotate " + name_of(whose.who));
  ++counts_["rotations"];
}

void World::move_clock() {
  const std::array<std::uint64_t, 3> spans = {120, kSecondsPerDay / 2, 12 * kSecondsPerDay};
  truth_ += 1 + dice_.below(spans[dice_.weighted({60, 32, 8})]);
  happens("now " + std::to_string(truth_));
}

void World::misset_clock() {
  const std::array<std::uint64_t, 4> spans = {500, 7'200, 12 * kSecondsPerDay, 40 * kSecondsPerDay};
  const std::uint64_t size = dice_.below(spans[dice_.weighted({35, 25, 30, 10})]);
  Node& whose = any_node();
  whose.clock_error = static_cast<std::int64_t>(size) * (dice_.percent(50) ? 1 : -1);
  happens("clock of " + name_of(whose.who) + " off by " + std::to_string(whose.clock_error));
  ++counts_["clocks set wrong"];
}

void World::set_clocks_right() {
  for (Node* one : {&alice_, &bob_}) one->clock_error = 0;
  happens("clocks right");
}

void World::remove(Node& whose) {
  act_as(whose);
  AddressBook(whose.home.home()).remove(fingerprint(id_of(other(whose).who)));
  whose.knows = Node::Knows::nothing;
  happens(name_of(whose.who) + " removes");
  ++counts_["removals"];
}

void World::block(Node& whose) {
  if (whose.knows != Node::Knows::trusted) return;
  act_as(whose);
  AddressBook(whose.home.home()).block(name_of(other(whose).who));
  whose.knows = Node::Knows::blocked;
  happens(name_of(whose.who) + " blocks");
}

// Its peer is trusted again.
void World::mend(Node& whose) {
  Node& peer = other(whose);
  const std::string name = name_of(peer.who);
  if (whose.knows == Node::Knows::trusted) return;
  if (whose.knows == Node::Knows::blocked) {
    act_as(whose);
    AddressBook(whose.home.home()).unblock(name);
  } else if (calm_ || dice_.percent(50) || !introduce(whose)) {
    act_as(whose);
    Registration registration;
    registration.name = name;
    register_card(whose.home.home(), registration, own_card(peer.home.home()).token);
  }
  whose.knows = Node::Knows::trusted;
  happens(name_of(whose.who) + " accepts");
}

// The other one registers, and is accepted. False when its registration was not taken.
bool World::introduce(Node& whose) {
  Node& peer = other(whose);
  act_as(peer);
  peer.run->keyring.renew();
  Draft draft;
  draft.type = RequestType::registration;
  draft.iat = now_of(peer);
  draft.exp = draft.iat + 3600;
  draft.jti = new_message_id();
  draft.statement_token = peer.run->keyring.now()->current().statement.token;
  draft.name = name_of(peer.who);
  const SealedRequest sealed =
      seal_request(draft, identity_of(peer.who), id_of(peer.who), own_card(whose.home.home()));
  record(whose.who, sealed.frame);
  answer(whose, sealed.frame, Crash::none);
  act_as(whose);
  try {
    AddressBook(whose.home.home())
        .accept(fingerprint(id_of(peer.who)), name_of(peer.who), std::nullopt);
    ++counts_["acceptances"];
    return true;
  } catch (const Error& error) {
    if (error.status() != Status::no_peer) broken(std::string("cannot accept: ") + error.what());
    return false;
  }
}

void World::check_state(Node& whose) {
  const std::string verdict =
      whose.run->in.sqlite().execAndGet("PRAGMA integrity_check").getString();
  if (verdict != "ok") broken("the state of " + name_of(whose.who) + ": " + verdict);
}

// ---- the schedule

void World::step() {
  Node& one = any_node();
  switch (dice_.weighted({20, 12, 10, 13, 4, 2, 6, 8, 1, 2, 8, 2, 2, 2, 1, 1, 6})) {
    case 0: {
      Sending& sending = begin(one, false);
      send(sending);
      if (!sending.acked) one.retries.push_back(sending.id);
      return;
    }
    case 1:
      return enqueue(one);
    case 2:
      return flush(one);
    case 3:
      return retry(one);
    case 4:
      return send_again(one);
    case 5:
      return send_other_body(one);
    case 6:
      if (!frames_.empty()) replay(dice_.below(frames_.size()));
      return;
    case 7:
      return print(one, false);
    case 8:
      return print(one, true);
    case 9:
      return restart(one);
    case 10:
      return move_clock();
    case 11:
      return misset_clock();
    case 12:
      return set_clocks_right();
    case 13:
      return clean(one);
    case 14:
      return dice_.percent(15) ? rotate(one) : block(one);
    case 15:
      return remove(one);
    default:
      return mend(one);
  }
}

void World::settle() {
  calm_ = true;
  set_clocks_right();
  for (Node* one : {&alice_, &bob_}) mend(*one);
  for (Node* one : {&alice_, &bob_}) {
    flush(*one);
    // The first holds up those behind it, until it expires.
    if (!one->line.empty() && !is_refused_by_mark(*one, messages_.at(one->line.front()))) {
      broken("left in the queue: " + one->line.front());
    }
    for (const std::string& id : one->retries) {
      Sending& sending = messages_.at(id);
      if (sending.acked || sending.over) continue;
      send(sending);
      const bool done = sending.acked || sending.over || is_refused_by_mark(*one, sending);
      if (!done) broken("not delivered at last: " + id);
    }
    one->retries.clear();
  }
  for (Node* one : {&alice_, &bob_}) {
    print(*one, false);
    check_state(*one);
  }
  for (const auto& [id, sending] : messages_) {
    if (sending.acked && sending.stored == 0) broken("acknowledged and not stored: " + id);
    if (sending.printed < sending.stored) broken("never printed: " + id);
  }
  calm_ = false;
}

void World::repeat_everything() {
  calm_ = true;
  const std::map<std::string, Sending> before = messages_;
  constexpr std::uint64_t kLongAfter = 100;
  for (const std::uint64_t days :
       {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{9}, kLongAfter}) {
    truth_ += days * kSecondsPerDay;
    for (Node* one : {&alice_, &bob_}) restart(*one);
    for (std::size_t i = 0; i < frames_.size(); ++i) replay(i);
    for (Node* one : {&alice_, &bob_}) {
      Sending& sending = begin(*one, false);
      send(sending);
      // What a clock that ran ahead has made the receiver forget is in nobody's way for good.
      const bool is_long_after = days == kLongAfter;
      if (!sending.acked && fault_.empty() &&
          (is_long_after || !is_refused_by_mark(*one, sending))) {
        broken("locked out: " + sending.id);
      }
      print(*one, false);
      check_state(*one);
    }
  }
  calm_ = false;
}

}  // namespace p2pchat

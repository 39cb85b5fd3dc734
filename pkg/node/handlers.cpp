#include "node/handlers.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

namespace p2pchat {

Places::Place::~Place() {
  if (places_ == nullptr) return;
  const std::lock_guard lock(places_->mutex_);
  --places_->taken_;
  if (used_) ++places_->used_;
}

std::optional<Places::Place> Places::take() {
  return take(false);
}

std::optional<Places::Place> Places::take_in_queue() {
  return take(true);
}

std::optional<Places::Place> Places::take(bool waits) {
  const std::lock_guard lock(mutex_);
  if (altogether_ && taken_ + used_ >= *altogether_) return std::nullopt;
  if (!waits && taken_ >= at_once_) return std::nullopt;
  ++taken_;
  return Place(*this);
}

bool Places::all_used() const {
  const std::lock_guard lock(mutex_);
  return altogether_ && used_ >= *altogether_;
}

FileLock message_lock(const std::string& lock_file, std::int64_t row) {
  return {lock_file, lock_byte_of_message(row), std::chrono::milliseconds(0)};
}

void interrupt(Messages& messages, std::int64_t row, bool forget_body) {
  messages.set_outcome(row, MessageState::interrupted, {}, kInterrupted);
  if (forget_body) messages.forget_body(row);
}

Handlers::Handlers(const Home& home, HandlerCommand command, std::uint64_t jobs,
                   std::optional<std::uint64_t> limit, bool forget_bodies, Events events)
    : lock_file_(home.lock_file()),
      command_(std::move(command)),
      forget_bodies_(forget_bodies),
      events_(std::move(events)),
      places_(jobs, limit),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      database_(home.open_state(Durability::full)),
      messages_(database_),
      peers_(database_) {
  constexpr std::chrono::milliseconds kPatience{2'000};
  if (!stop_) throw Error(Status::system, "cannot make an eventfd: " + errno_text(errno));
  database_.set_patience(kPatience);
}

std::vector<ToHandle> Handlers::leftovers() {
  const std::lock_guard lock(mutex_);
  std::vector<ToHandle> left;
  WriteTransaction transaction(database_);
  for (const std::int64_t row : messages_.unhandled()) {
    FileLock message = message_lock(lock_file_, row);
    if (!message.held()) continue;
    const auto known = messages_.get(row);
    if (known->state == MessageState::handling) {
      interrupt(messages_, row, forget_bodies_);
      events_.interrupted(received(peers_, *known));
    } else if (auto place = places_.take_in_queue()) {
      left.push_back({row, std::move(message), *std::move(place)});
    }
  }
  transaction.commit();
  if (forget_bodies_) database_.scrub_log();
  return left;
}

// A full disk, a state that somebody else holds, a lack of memory: all pass.
template <typename Work>
auto Handlers::persistently(const Work& work, bool for_ever) {
  constexpr std::chrono::milliseconds kPause{1'000};
  constexpr std::chrono::milliseconds kPatience{10'000};
  const Deadline deadline(kPatience);
  while (true) {
    try {
      return work();
    } catch (const DamagedState&) {
      throw;
    } catch (const std::exception&) {
      if (stopping_ || (!for_ever && deadline.passed())) throw;
    }
    pollfd stopped{stop_.get(), POLLIN, 0};
    poll(&stopped, 1, poll_time(kPause));
  }
}

std::optional<Handled> Handlers::handle(ToHandle to_handle, int stop) {
  const bool for_ever = stop < 0;
  std::optional<Received> message;
  try {
    message = persistently([&] { return begin(to_handle.row); }, for_ever);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  if (!message) return std::nullopt;
  to_handle.place.use();
  Handled handled = run_handler(command_, *message, for_ever ? stop_.get() : stop,
                                [&](std::string_view line) { events_.line(message->id, line); });
  try {
    persistently([&] { record(to_handle.row, handled); }, for_ever);
  } catch (const Error& error) {
    throw Error(error.status(), "what the handler of message " + in_quotes(message->id) +
                                    " has answered is lost: " + error.what());
  }
  return handled;
}

std::optional<Received> Handlers::begin(std::int64_t row) {
  if (stopping_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  WriteTransaction transaction(database_);
  const auto known = messages_.get(row);
  if (!known || known->state != MessageState::exec) return std::nullopt;
  // Before anything is changed, since there may be no memory for it.
  Received message = received(peers_, *known);
  messages_.set_state(row, MessageState::handling);
  transaction.commit();
  return message;
}

void Handlers::record(std::int64_t row, const Handled& handled) {
  const std::lock_guard lock(mutex_);
  WriteTransaction transaction(database_);
  messages_.set_outcome(row, MessageState::handled, handled.reply, handled.rc);
  if (forget_bodies_) messages_.forget_body(row);
  transaction.commit();
  if (forget_bodies_) database_.scrub_log();
}

void Handlers::stop() {
  stopping_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_.get(), &one, sizeof one);
}

}  // namespace p2pchat

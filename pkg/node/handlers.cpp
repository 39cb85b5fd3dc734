#include "node/handlers.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

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

void interrupt(Messages& messages, std::int64_t row) {
  messages.set_outcome(row, MessageState::interrupted, {}, kInterrupted);
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
  if (!stop_) throw Error(Status::system, "cannot make an eventfd: " + errno_text(errno));
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
      interrupt(messages_, row);
      events_.interrupted(received(peers_, *known));
    } else if (auto place = places_.take_in_queue()) {
      left.push_back({row, std::move(message), *std::move(place)});
    }
  }
  transaction.commit();
  return left;
}

std::optional<Handled> Handlers::handle(ToHandle to_handle, int stop) {
  const auto message = begin(to_handle.row);
  if (!message) return std::nullopt;
  to_handle.place.use();
  Handled handled = run_handler(command_, *message, stop >= 0 ? stop : stop_.get(),
                                [&](std::string_view line) { events_.line(message->id, line); });
  record(to_handle.row, handled);
  return handled;
}

std::optional<Received> Handlers::begin(std::int64_t row) {
  if (stopping_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  try {
    WriteTransaction transaction(database_);
    const auto known = messages_.get(row);
    if (!known || known->state != MessageState::exec) return std::nullopt;
    messages_.set_state(row, MessageState::handling);
    transaction.commit();
    return received(peers_, *known);
  } catch (const Error&) {
    return std::nullopt;
  }
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

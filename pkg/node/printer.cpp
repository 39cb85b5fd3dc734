#include "node/printer.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"

namespace p2pchat {

namespace {

constexpr std::chrono::milliseconds kLockPatience{0};
constexpr std::chrono::milliseconds kRetryPause{1'000};
constexpr std::chrono::milliseconds kMemoryPause{20};
constexpr int kPollMilliseconds = 100;

FileLock printing_lock(const Home& home) {
  FileLock lock(home.lock_file(), LockByte::printer, kLockPatience);
  if (!lock.held()) {
    throw Error(Status::system,
                "another listen prints the messages of " + in_quotes(home.folder()) + " already",
                own_command("log --follow shows what it receives"));
  }
  return lock;
}

}  // namespace

Printer::Printer(const Home& home, Formatter format, std::optional<std::uint64_t> limit,
                 bool forget_bodies)
    : lock_(printing_lock(home)),
      database_(home.open_state(Durability::normal)),
      messages_(database_),
      peers_(database_),
      format_(std::move(format)),
      limit_(limit),
      forget_bodies_(forget_bodies),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) throw Error(Status::system, "cannot make an eventfd: " + errno_text(errno));
  database_.set_patience(kRetryPause);
}

Printer::~Printer() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    finish_by_ = Deadline(std::chrono::milliseconds(0));
  }
  wake();
  thread_.join();
}

std::uint64_t Printer::waiting() {
  return messages_.count_to_print();
}

void Printer::start(std::function<void()> ended) {
  ended_ = std::move(ended);
  thread_ = start_thread([this] { run(); });
}

void Printer::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

void Printer::finish(std::chrono::milliseconds time) {
  {
    const std::lock_guard lock(mutex_);
    finish_by_ = Deadline(time);
  }
  wake();
  if (thread_.joinable()) thread_.join();
  if (problem_) std::rethrow_exception(problem_);
}

bool Printer::reached_limit() {
  const std::lock_guard lock(mutex_);
  return limit_ && written_ >= *limit_;
}

bool Printer::hopeless() {
  const std::lock_guard lock(mutex_);
  return finish_by_ && finish_by_->passed();
}

bool Printer::is_finishing() {
  const std::lock_guard lock(mutex_);
  return finish_by_.has_value();
}

void Printer::run() {
  try {
    while (!reached_limit() && !hopeless()) {
      const bool finishing = is_finishing();
      const Turn turn = take_turn();
      if (turn == Turn::printed) continue;
      if (turn == Turn::no_memory) {
        std::this_thread::sleep_for(kMemoryPause);
        continue;
      }
      if (forget_bodies_) database_.scrub_log();
      // All that was acknowledged before finish() is written by now.
      if (finishing) break;
      wait_for_news();
    }
  } catch (...) {  // a thread's outermost edge: finish() throws it on
    problem_ = std::current_exception();
  }
  ended_();
}

Printer::Turn Printer::take_turn() {
  std::optional<MessageRow> row;
  std::string text;
  try {
    row = messages_.next_to_print();
    if (!row) return Turn::nothing_waits;
    text = format_(received(peers_, *row));
  } catch (const std::bad_alloc&) {
    return Turn::no_memory;
  }
  print(*row, text);
  return Turn::printed;
}

// Looks once a second whether whoever reads has gone, and does not wait for a message to find out.
void Printer::wait_for_news() {
  constexpr int kLookMilliseconds = 1'000;
  pollfd news{wake_.get(), POLLIN, 0};
  while (poll(&news, 1, kLookMilliseconds) <= 0) {
    pollfd reader{STDOUT_FILENO, 0, 0};
    if (poll(&reader, 1, 0) > 0) {
      throw Error(Status::system, "cannot write to standard output: " + errno_text(EPIPE));
    }
  }
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = read(wake_.get(), &count, sizeof count);
}

void Printer::print(const MessageRow& row, const std::string& text) {
  std::size_t written = 0;
  const int error = write_patiently(text, written);
  if (error == EINTR) {  // given up: not marked, so the next listen writes it
    if (written == 0) return;
    throw Error(Status::system, "message " + in_quotes(row.key.jti) +
                                    " was written in part, since nobody reads: the next listen "
                                    "writes it again");
  }
  if (error != 0) {
    throw Error(Status::system, "cannot write to standard output: " + errno_text(error),
                "the message is kept and written by the next listen");
  }
  while (!mark_written(row)) {
    // A full disk: write nothing more until this one is known to be written.
    if (hopeless()) {
      throw Error(Status::system, "message " + in_quotes(row.key.jti) +
                                      " was written, which could not be recorded: the next listen "
                                      "writes it again");
    }
    std::this_thread::sleep_for(kRetryPause);
  }
  const std::lock_guard lock(mutex_);
  ++written_;
}

// Writes pieces that a pipe which is ready takes at once, so that a reader who has stopped reading
// cannot hold us beyond the end. Returns 0, an errno, or EINTR for having given up.
int Printer::write_patiently(std::string_view bytes, std::size_t& written) {
  constexpr std::size_t kPiece = 4096;  // PIPE_BUF
  while (!bytes.empty()) {
    pollfd polled{STDOUT_FILENO, POLLOUT, 0};
    const int ready = poll(&polled, 1, kPollMilliseconds);
    if (hopeless()) return EINTR;
    if (ready <= 0) continue;
    const std::string_view piece = bytes.substr(0, kPiece);
    if (const int error = write_all(STDOUT_FILENO, piece); error != 0) return error;
    bytes.remove_prefix(piece.size());
    written += piece.size();
  }
  return 0;
}

bool Printer::mark_written(const MessageRow& row) {
  try {
    WriteTransaction transaction(database_);
    messages_.set_state(row.id, MessageState::printed);
    if (forget_bodies_) messages_.forget_body(row.id);
    transaction.commit();
    return true;
  } catch (const Error&) {
    return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace p2pchat

// Files and descriptors: owning a descriptor, whole reads and writes, and the rules for files that
// hold secrets (4.4 of the design: regular, ours, 0600, never through a symbolic link).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace p2pchat {

// Owns one descriptor; -1 is none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

// Writes all of it, through short writes and EINTR. Returns 0 or the errno that stopped it.
int write_all(int fd, std::string_view bytes);

// Reads to the end, or until more than `max_bytes` have come (then max_bytes + 1 bytes are
// returned: the caller sees that it was too much). Throws Error{no_input}; `what` names the source.
std::string read_to_end(int fd, std::size_t max_bytes, std::string_view what);

// A file that the user named. Throws Error{no_input} when it is missing or unreadable.
std::string read_input_file(const std::string& path, std::size_t max_bytes);

// Throws Error{system} when that cannot be told.
bool exists(const std::string& path);
// Follows symbolic links.
bool is_regular_file(const std::string& path);

// Throws Error{trust} unless `path` is a folder of ours that nobody else can enter.
void require_private_folder(const std::string& path);

// Creates the folder with mode 0700 if it is missing (its parent must exist), then checks it as
// require_private_folder does. Throws Error{cannot_create}.
void make_private_folder(const std::string& path);

// A secret of ours. Throws Error{trust} when it is not a regular file, is a symbolic link, belongs
// to somebody else or can be read by others; Error{system} when it cannot be read or is larger.
std::string read_secret_file(const std::string& path, std::size_t max_bytes);

// Creates `path` with mode 0600 under its final name only when its bytes are on disk (O_EXCL and
// O_NOFOLLOW on a temporary beside it, fsync, rename, fsync of the folder). Replaces what was
// there. The caller holds the folder's lock. Throws Error{cannot_create}.
void write_secret_file(const std::string& path, std::string_view content);

// Creates an empty file with mode 0600 unless something is there already.
// Throws Error{cannot_create}.
void create_private_file(const std::string& path);

// Throws Error{trust} unless `path` is a regular file of ours (no symbolic link) with mode 0600 or
// less.
void require_private_file(const std::string& path);

// The entries of a folder, in no order; also "." and "..". Throws Error{system} when it cannot be
// listed: it never looks like an empty one. The standard library's own iterator ends the process
// when there is no memory.
std::vector<std::string> names_in(const std::string& folder);

// Takes the file's name away (it is `path`.old until it is gone), overwrites it with zeros and
// unlinks it, each on disk before the next; a missing file is fine. On file systems that copy on
// write the old blocks may survive: the page says so.
void shred_file(const std::string& path);
// What a run that was killed has left of write_secret_file() or shred_file() for a name in this
// folder that begins so: overwritten and unlinked. The caller holds the folder's lock.
void shred_leftovers(const std::string& folder, std::string_view prefix);

// Which byte of the state folder's lock file stands for what.
enum class LockByte : std::uint64_t {
  keys = 0,     // making or deleting a private key
  printer = 1,  // writing received messages to stdout
  schema = 2,   // creating or migrating the database
  messages = 1'024,
};
// A message that a handler has or is about to get: the byte of its row.
constexpr LockByte lock_byte_of_message(std::int64_t row) {
  return LockByte{static_cast<std::uint64_t>(LockByte::messages) + static_cast<std::uint64_t>(row)};
}

// Delivering what waits for a peer: a byte of its own for each peer, by any number of 56 bits that
// stands for it.
constexpr LockByte lock_byte_of_queue(std::uint64_t peer) {
  constexpr std::uint64_t kFirst = 1ULL << 62U;
  constexpr std::uint64_t kLast = (1ULL << 56U) - 1;
  return LockByte{kFirst + (peer & kLast)};
}

// An exclusive lock on one byte of a file, held until destruction or the end of the process (an
// open file description lock: the kernel releases it, whatever happens to us).
class FileLock {
 public:
  // Waits at most `patience`. Not held() when somebody else kept it that long.
  // Throws Error{system} when the file cannot be opened.
  FileLock(const std::string& path, LockByte byte, std::chrono::milliseconds patience);
  bool held() const { return static_cast<bool>(fd_); }

 private:
  Fd fd_;
};

}  // namespace p2pchat

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/text.h"

namespace p2pchat {

namespace {

constexpr mode_t kSecretMode = 0600;
constexpr mode_t kFolderMode = 0700;
constexpr mode_t kOthers = 0077;
// Names of a file on its way in and out.
constexpr std::string_view kNew = ".new";
constexpr std::string_view kOld = ".old";

std::string failed(std::string_view verb, const std::string& path, int error_number) {
  return "cannot " + std::string(verb) + " " + in_quotes(path) + ": " + errno_text(error_number);
}

// What stands at `path` must be ours alone; `kind` is what it must be.
void require_private(const std::string& path, const struct stat& info, mode_t kind) {
  if ((info.st_mode & S_IFMT) != kind) {
    throw Error(Status::trust, "unsafe " + in_quotes(path) + ": not a " +
                                   (kind == S_IFDIR ? "folder" : "regular file"));
  }
  if (info.st_uid != geteuid()) {
    throw Error(Status::trust, "unsafe " + in_quotes(path) + ": it belongs to another user");
  }
  if ((info.st_mode & kOthers) != 0) {
    throw Error(Status::trust, "unsafe permissions on " + in_quotes(path) + ": others have access",
                std::string("chmod ") + (kind == S_IFDIR ? "700 " : "600 ") + shell_word(path));
  }
}

void sync_parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Fd folder(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fault("fsync", EIO) || fsync(folder.get()) != 0) {
    throw Error(Status::cannot_create, failed("sync", parent, errno));
  }
}

Fd create_exclusive(const std::string& path) {
  if (fault("create", ENOSPC)) return {};
  return Fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kSecretMode));
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int Fd::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

void Fd::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = fault("write", ENOSPC) ? -1 : write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return errno;
      // Whoever shares the descriptor with us made it non-blocking.
      pollfd polled{fd, POLLOUT, 0};
      poll(&polled, 1, -1);
      continue;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

namespace {

// Throws Error{status}. Leaves no second copy of the first bytes, kPiece or max_bytes of them.
std::string read_up_to(int fd, std::size_t max_bytes, std::string_view what, Status status) {
  constexpr std::size_t kPiece = 65536;
  std::string content;
  while (content.size() <= max_bytes) {
    const std::size_t size = content.size();
    const std::size_t room = std::min(kPiece, max_bytes + 1 - size);
    content.resize(size + room);
    const ssize_t count = fault("read", EIO) ? -1 : read(fd, content.data() + size, room);
    const int problem = errno;
    content.resize(size + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count == 0) break;
    if (count < 0 && problem != EINTR) {
      throw Error(status, "cannot read " + std::string(what) + ": " + errno_text(problem));
    }
  }
  return content;
}

}  // namespace

std::string read_to_end(int fd, std::size_t max_bytes, std::string_view what) {
  return read_up_to(fd, max_bytes, what, Status::no_input);
}

std::string read_input_file(const std::string& path, std::size_t max_bytes) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw Error(Status::no_input, failed("open", path, errno));
  return read_to_end(file.get(), max_bytes, in_quotes(path));
}

bool exists(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw Error(Status::system, failed("look at", path, errno));
}

bool is_regular_file(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

void require_private_folder(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) throw Error(Status::system, failed("open", path, errno));
  require_private(path, info, S_IFDIR);
}

void make_private_folder(const std::string& path) {
  const bool made = !fault("mkdir", ENOSPC) && mkdir(path.c_str(), kFolderMode) == 0;
  if (!made && errno != EEXIST) {
    throw Error(Status::cannot_create, failed("create", path, errno));
  }
  require_private_folder(path);
  if (made) sync_parent(path);
}

std::string read_secret_file(const std::string& path, std::size_t max_bytes) {
  // O_NONBLOCK: a FIFO at our path must not hang us; it is refused below.
  const Fd file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file && errno == ELOOP) {
    throw Error(Status::trust, "unsafe " + in_quotes(path) + ": a symbolic link");
  }
  if (!file) throw Error(Status::system, failed("open", path, errno));
  struct stat info {};
  if (fstat(file.get(), &info) != 0) throw Error(Status::system, failed("open", path, errno));
  require_private(path, info, S_IFREG);
  std::string content = read_up_to(file.get(), max_bytes, in_quotes(path), Status::system);
  if (content.size() > max_bytes) {
    throw Error(Status::system,
                in_quotes(path) + " is larger than " + std::to_string(max_bytes) + " bytes");
  }
  return content;
}

void write_secret_file(const std::string& path, std::string_view content) {
  const std::string temporary = path + std::string(kNew);
  Fd file = create_exclusive(temporary);
  if (!file && errno == EEXIST) {
    // Left behind by a run that was killed: its writer held the lock that we hold now.
    unlink(temporary.c_str());
    file = create_exclusive(temporary);
  }
  if (!file) throw Error(Status::cannot_create, failed("create", path, errno));
  int problem = write_all(file.get(), content);
  if (problem == 0 && (fault("fsync", EIO) || fsync(file.get()) != 0)) problem = errno;
  if (problem == 0 && (fault("rename", EIO) || rename(temporary.c_str(), path.c_str()) != 0)) {
    problem = errno;
  }
  if (problem != 0) {
    unlink(temporary.c_str());
    throw Error(Status::cannot_create, failed("write", path, problem));
  }
  sync_parent(path);
}

void create_private_file(const std::string& path) {
  const Fd file = create_exclusive(path);
  if (!file && errno != EEXIST) throw Error(Status::cannot_create, failed("create", path, errno));
}

void require_private_file(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) throw Error(Status::system, failed("open", path, errno));
  require_private(path, info, S_IFREG);
}

namespace {

void overwrite_and_unlink(const std::string& path) {
  const Fd file(open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (file && fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode)) {
    const std::string zeros(static_cast<std::size_t>(info.st_size), '\0');
    if (write_all(file.get(), zeros) == 0 && !fault("fsync", EIO)) fsync(file.get());
  }
  if (!fault("unlink", EIO)) unlink(path.c_str());
}

}  // namespace

void shred_file(const std::string& path) {
  // Nobody may find half of a file under its name, also after a loss of power.
  const std::string condemned = path + std::string(kOld);
  if (fault("rename", EIO) || rename(path.c_str(), condemned.c_str()) != 0) return;
  sync_parent(path);
  overwrite_and_unlink(condemned);
  sync_parent(path);
}

std::vector<std::string> names_in(const std::string& folder) {
  struct Close {
    void operator()(DIR* open) const { closedir(open); }
  };
  const std::unique_ptr<DIR, Close> entries(opendir(folder.c_str()));
  if (!entries) throw Error(Status::system, failed("list", folder, errno));
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(entries.get())) {
    names.emplace_back(entry->d_name);
    errno = 0;
  }
  if (errno != 0) throw Error(Status::system, failed("list", folder, errno));
  return names;
}

void shred_leftovers(const std::string& folder, std::string_view prefix) {
  for (const std::string& name : names_in(folder)) {
    const bool unfinished = name.ends_with(kNew) || name.ends_with(kOld);
    if (name.starts_with(prefix) && unfinished) overwrite_and_unlink(folder + "/" + name);
  }
}

FileLock::FileLock(const std::string& path, LockByte byte, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kPause{10};
  Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kSecretMode));
  const int problem = errno;
  struct stat info {};
  // Something else in its place is said to be that.
  if (lstat(path.c_str(), &info) == 0) require_private(path, info, S_IFREG);
  if (!file) throw Error(Status::system, failed("open", path, problem));
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(byte);
  range.l_len = 1;
  const Deadline deadline(patience);
  while (fcntl(file.get(), F_OFD_SETLK, &range) != 0) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      throw Error(Status::system, failed("lock", path, errno));
    }
    if (deadline.passed()) return;
    std::this_thread::sleep_for(kPause);
  }
  fd_ = std::move(file);
}

}  // namespace p2pchat

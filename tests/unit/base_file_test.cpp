#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "base/error.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

// A folder of our own (0700) that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "p2pchat-unit-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return path_ / name; }
  std::size_t entries() const {
    const std::filesystem::directory_iterator begin(path_);
    return static_cast<std::size_t>(std::distance(begin, std::filesystem::end(begin)));
  }

 private:
  std::filesystem::path path_;
};

void put(const std::string& path, const std::string& content, mode_t mode = 0600) {
  std::ofstream(path, std::ios::binary) << content;
  REQUIRE(chmod(path.c_str(), mode) == 0);
}

std::string get(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777U;
}

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) != -1;
}

template <typename Action>
std::optional<Status> status_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.status();
  }
  return std::nullopt;
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    read = Fd(ends[0]);
    write = Fd(ends[1]);
  }
  Fd read;
  Fd write;
};

class Umask {
 public:
  explicit Umask(mode_t mask) : previous_(umask(mask)) {}
  ~Umask() { umask(previous_); }
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;

 private:
  mode_t previous_;
};

}  // namespace

TEST_CASE("file: a descriptor is closed by its owner alone") {
  Pipe pipe;
  const int number = pipe.read.get();
  {
    Fd owner = std::move(pipe.read);
    CHECK_FALSE(pipe.read);
    CHECK(owner.get() == number);
    pipe.read.reset();
    CHECK(is_open(number));
  }
  CHECK_FALSE(is_open(number));
}

TEST_CASE("file: a descriptor that takes another closes its own") {
  Pipe pipe;
  const int lost = pipe.read.get();
  const int kept = pipe.write.get();
  pipe.read = std::move(pipe.write);
  CHECK_FALSE(is_open(lost));
  CHECK(pipe.read.get() == kept);
  CHECK(is_open(kept));
}

TEST_CASE("file: a released descriptor stays open") {
  Pipe pipe;
  const int number = pipe.read.release();
  CHECK_FALSE(pipe.read);
  CHECK(is_open(number));
  close(number);
}

TEST_CASE("file: what does not fit into a pipe at once is written and read whole") {
  const std::string bytes(1 << 20, 'x');
  Pipe pipe;
  int problem = -1;
  std::thread writer([&] {
    problem = write_all(pipe.write.get(), bytes);
    pipe.write.reset();
  });
  const std::string content = read_to_end(pipe.read.get(), bytes.size(), "pipe");
  writer.join();
  CHECK(problem == 0);
  CHECK(content == bytes);
}

TEST_CASE("file: a failed write says why") {
  const Fd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  REQUIRE(full);
  CHECK(write_all(full.get(), "x") == ENOSPC);
  CHECK(write_all(-1, "x") == EBADF);
}

TEST_CASE("file: too much input is seen by one byte too much") {
  const TemporaryFolder folder;
  put(folder / "input", "0123456789");
  CHECK(read_input_file(folder / "input", 11) == "0123456789");
  CHECK(read_input_file(folder / "input", 10) == "0123456789");
  CHECK(read_input_file(folder / "input", 9).size() == 10);
  CHECK(read_input_file(folder / "input", 3).size() == 4);
}

TEST_CASE("file: input is read byte for byte") {
  const TemporaryFolder folder;
  const std::string bytes("\0\r\n\xFF\x1A trailing \n", 15);
  put(folder / "input", bytes);
  CHECK(read_input_file(folder / "input", 100) == bytes);
}

TEST_CASE("file: input that is missing or a folder is no input") {
  const TemporaryFolder folder;
  const std::string path = folder / GENERATE(as<std::string>{}, "missing", "");
  CHECK(status_of([&] { read_input_file(path, 10); }) == Status::no_input);
}

TEST_CASE("file: a message names the file and escapes its name") {
  CHECK_THROWS_WITH(read_input_file("/nonexistent/\x1b[2J", 10),
                    "cannot open '/nonexistent/\\x1b[2J': no such file or directory");
  CHECK_THROWS_WITH(read_to_end(-1, 10, "standard input"),
                    "cannot read standard input: bad file descriptor");
}

TEST_CASE("file: a dangling link exists, a missing file does not") {
  const TemporaryFolder folder;
  REQUIRE(symlink("nowhere", (folder / "link").c_str()) == 0);
  CHECK(exists(folder / "link"));
  CHECK_FALSE(exists(folder / "missing"));
}

TEST_CASE("file: a private folder is made for us alone, whatever the umask") {
  const TemporaryFolder folder;
  const Umask umask(0);
  make_private_folder(folder / "home");
  CHECK(mode_of(folder / "home") == 0700);
  make_private_folder(folder / "home");
  require_private_folder(folder / "home");
}

TEST_CASE("file: a folder that others can enter is refused with the cure") {
  const TemporaryFolder folder;
  const std::string path = folder / "home";
  const mode_t mode = GENERATE(as<mode_t>{}, 0710, 0701, 0740, 0777);
  REQUIRE(mkdir(path.c_str(), 0700) == 0);
  REQUIRE(chmod(path.c_str(), mode) == 0);
  try {
    make_private_folder(path);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.status() == Status::trust);
    CHECK(error.hint() == "chmod 700 " + path);
  }
  CHECK(mode_of(path) == mode);
}

TEST_CASE("file: a file is no private folder, and a folder needs its parent") {
  const TemporaryFolder folder;
  put(folder / "file", "");
  CHECK(status_of([&] { make_private_folder(folder / "file"); }) == Status::trust);
  CHECK(status_of([&] { make_private_folder(folder / "no/home"); }) == Status::cannot_create);
}

TEST_CASE("file: a secret is written for us alone and read back") {
  const TemporaryFolder folder;
  const Umask umask(0);
  const std::string secret("\0key\n", 5);
  write_secret_file(folder / "key", secret);
  CHECK(mode_of(folder / "key") == 0600);
  CHECK(read_secret_file(folder / "key", 5) == secret);
  CHECK(folder.entries() == 1);
}

TEST_CASE("file: a secret replaces what was there, leftovers of a killed run included") {
  const TemporaryFolder folder;
  put(folder / "target", "untouched");
  put(folder / "key", "a longer old one", 0644);
  REQUIRE(symlink((folder / "target").c_str(), (folder / "key.new").c_str()) == 0);
  write_secret_file(folder / "key", "new");
  CHECK(read_secret_file(folder / "key", 10) == "new");
  CHECK(get(folder / "target") == "untouched");
  CHECK(folder.entries() == 2);
}

TEST_CASE("file: a secret that cannot be written leaves nothing behind") {
  const TemporaryFolder folder;
  REQUIRE(mkdir((folder / "key").c_str(), 0700) == 0);
  CHECK(status_of([&] { write_secret_file(folder / "key", "x"); }) == Status::cannot_create);
  CHECK(folder.entries() == 1);
  CHECK(status_of([&] { write_secret_file(folder / "no/key", "x"); }) == Status::cannot_create);
}

TEST_CASE("file: a secret that others can read is refused with the cure") {
  const TemporaryFolder folder;
  const mode_t mode = GENERATE(as<mode_t>{}, 0640, 0604, 0620, 0601);
  const std::string path = folder / "a key";
  put(path, "secret", mode);
  try {
    read_secret_file(path, 100);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.status() == Status::trust);
    CHECK(error.hint() == "chmod 600 '" + path + "'");
  }
}

TEST_CASE("file: a secret is never read through a link, from a pipe or from a folder") {
  const TemporaryFolder folder;
  put(folder / "key", "secret");
  REQUIRE(symlink("key", (folder / "link").c_str()) == 0);
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  REQUIRE(mkdir((folder / "folder").c_str(), 0700) == 0);
  const std::string name = GENERATE(as<std::string>{}, "link", "fifo", "folder");
  CAPTURE(name);
  CHECK(status_of([&] { read_secret_file(folder / name, 100); }) == Status::trust);
}

TEST_CASE("file: a secret of another user is refused") {
  const TemporaryFolder folder;
  std::string path = "/etc/passwd";
  if (geteuid() == 0) {
    path = folder / "key";
    put(path, "secret");
    REQUIRE(chown(path.c_str(), 1, 1) == 0);
  }
  CHECK_THROWS_WITH(read_secret_file(path, 1 << 20), Catch::Contains("belongs to another user"));
}

TEST_CASE("file: a secret that is missing or larger than it may be is a failure of this machine") {
  const TemporaryFolder folder;
  put(folder / "key", "secret");
  CHECK(status_of([&] { read_secret_file(folder / "missing", 6); }) == Status::system);
  CHECK(status_of([&] { read_secret_file(folder / "key", 5); }) == Status::system);
  CHECK(read_secret_file(folder / "key", 6) == "secret");
}

TEST_CASE("file: a secret that this machine fails to read is its failure, not a missing input") {
  // Regular, ours and 0600; nothing is mapped at its beginning.
  CHECK(status_of([] { read_secret_file("/proc/self/mem", 100); }) == Status::system);
}

TEST_CASE("file: a private file is made once and then left alone") {
  const TemporaryFolder folder;
  const Umask umask(0);
  create_private_file(folder / "state.db");
  CHECK(mode_of(folder / "state.db") == 0600);
  CHECK(get(folder / "state.db").empty());
  put(folder / "state.db", "content");
  create_private_file(folder / "state.db");
  CHECK(get(folder / "state.db") == "content");
  CHECK(status_of([&] { create_private_file(folder / "no/state.db"); }) == Status::cannot_create);
}

TEST_CASE("file: a private file is a regular one that nobody else can read") {
  const TemporaryFolder folder;
  const auto [mode, taken] =
      GENERATE(table<mode_t, bool>({{0600, true}, {0400, true}, {0640, false}, {0604, false}}));
  put(folder / "file", "", mode);
  REQUIRE(symlink("file", (folder / "link").c_str()) == 0);
  CHECK(status_of([&] { require_private_file(folder / "file"); }).has_value() != taken);
  CHECK(status_of([&] { require_private_file(folder / "link"); }) == Status::trust);
  CHECK(status_of([&] { require_private_file(folder / "."); }) == Status::trust);
  CHECK(status_of([&] { require_private_file(folder / "missing"); }) == Status::system);
}

TEST_CASE("file: a shredded file is overwritten before it goes") {
  const TemporaryFolder folder;
  put(folder / "key", "secret");
  REQUIRE(link((folder / "key").c_str(), (folder / "other name").c_str()) == 0);
  shred_file(folder / "key");
  CHECK_FALSE(exists(folder / "key"));
  CHECK(get(folder / "other name") == std::string(6, '\0'));
}

TEST_CASE("file: shredding a link takes the link and not its target, and nothing is fine too") {
  const TemporaryFolder folder;
  put(folder / "target", "untouched");
  REQUIRE(symlink("target", (folder / "key").c_str()) == 0);
  shred_file(folder / "key");
  CHECK_FALSE(exists(folder / "key"));
  CHECK(get(folder / "target") == "untouched");
  CHECK_NOTHROW(shred_file(folder / "missing"));
}

TEST_CASE("file: all names in a folder are told, and one that cannot be listed is not empty") {
  const TemporaryFolder folder;
  put(folder / "one", "");
  put(folder / ".two", "");
  std::vector<std::string> names = names_in(folder / "");
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{".", "..", ".two", "one"});
  CHECK_THROWS_WITH(names_in(folder / "none"), Catch::Contains("cannot list"));
}

TEST_CASE("file: a lock keeps others out until it is given back, byte by byte") {
  const TemporaryFolder folder;
  {
    const FileLock first(folder / "lock", LockByte::keys, 0ms);
    CHECK(first.held());
    CHECK_FALSE(FileLock(folder / "lock", LockByte::keys, 0ms).held());
    CHECK(FileLock(folder / "lock", LockByte::printer, 0ms).held());
    CHECK(FileLock(folder / "lock", LockByte::schema, 0ms).held());
  }
  CHECK(FileLock(folder / "lock", LockByte::keys, 0ms).held());
}

TEST_CASE("file: a lock that is given back in time goes to the one who waits") {
  const TemporaryFolder folder;
  std::optional<FileLock> first(std::in_place, folder / "lock", LockByte::keys, 0ms);
  REQUIRE(first->held());
  bool held = false;
  std::thread waiting([&] { held = FileLock(folder / "lock", LockByte::keys, 60s).held(); });
  first.reset();
  waiting.join();
  CHECK(held);
}

TEST_CASE("file: a lock in a folder that is not there is a failure of this machine") {
  const TemporaryFolder folder;
  CHECK(status_of([&] { FileLock(folder / "no/lock", LockByte::keys, 0ms); }) == Status::system);
}

}  // namespace p2pchat

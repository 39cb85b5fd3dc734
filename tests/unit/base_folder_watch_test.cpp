#include "base/folder_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "test_home.h"

namespace p2pchat {

namespace {

struct Fixture {
  void append(const std::string& name) { std::ofstream(home / name, std::ios::app) << 'x'; }
  // Events are there when the call that caused them has returned.
  bool readable() const {
    pollfd polled{watch.descriptor(), POLLIN, 0};
    return poll(&polled, 1, 0) == 1;
  }

  TestHome home;
  FolderWatch watch{home.home().folder(), {"first", "second"}};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "folder watch: a file that is made or written to is a change, once") {
  const std::string name = GENERATE("first", "second");
  CHECK_FALSE(watch.take());
  append(name);
  CHECK(readable());
  CHECK(watch.take());
  CHECK_FALSE(readable());
  CHECK_FALSE(watch.take());
  append(name);
  append(name);
  CHECK(watch.take());
  CHECK_FALSE(watch.take());
}

TEST_CASE_METHOD(Fixture, "folder watch: a file that takes the place of one is a change") {
  append("other");
  watch.take();
  std::filesystem::rename(home / "other", home / "first");
  CHECK(watch.take());
}

TEST_CASE_METHOD(Fixture, "folder watch: other files and reading are no change") {
  append("first");
  watch.take();
  append("other");
  append("firs");
  append("first2");
  read_file(home / "first");
  CHECK_FALSE(watch.take());
}

TEST_CASE_METHOD(Fixture, "folder watch: a change is found among many others") {
  for (int i = 0; i < 1000; ++i) append("some longer name " + std::to_string(i));
  append("first");
  CHECK(watch.take());
}

TEST_CASE("folder watch: more changes than the kernel keeps count as one") {
  std::ifstream limit("/proc/sys/fs/inotify/max_queued_events");
  int most = 0;
  limit >> most;
  REQUIRE(most > 0);
  const TestHome home;
  write_file(home / "one", "");
  write_file(home / "other", "");
  FolderWatch watch(home.home().folder(), {"first"});
  const Fd one(open((home / "one").c_str(), O_WRONLY | O_CLOEXEC));
  const Fd other(open((home / "other").c_str(), O_WRONLY | O_CLOEXEC));
  // Alike ones that follow each other are kept as one.
  for (int i = 0; i <= most / 2; ++i) {
    write_all(one.get(), "x");
    write_all(other.get(), "x");
  }
  CHECK(watch.take());
}

TEST_CASE("folder watch: a folder that goes away is an error, and so is one that is not there") {
  auto home = std::make_unique<TestHome>();
  const std::string folder = home->home().folder();
  FolderWatch watch(folder, {"first"});
  if (GENERATE(true, false)) {
    home.reset();
  } else {
    std::filesystem::rename(folder, folder + ".moved");
    std::filesystem::remove_all(folder + ".moved");
  }
  CHECK(error_from([&] { watch.take(); }).status() == Status::system);
  CHECK(error_from([&] { FolderWatch(folder, {}); }).status() == Status::system);
}

}  // namespace p2pchat

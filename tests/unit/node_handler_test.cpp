#include "node/handler.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "base/clock.h"
#include "base/file.h"
#include "test_home.h"

namespace p2pchat {

namespace {

using namespace std::chrono_literals;

struct Fixture {
  Handled run(const std::string& script) {
    command.argv = {"/bin/sh", "-c", script};
    return run();
  }
  Handled run() {
    return run_handler(command, message, stop.get(),
                       [this](std::string_view line) { lines.emplace_back(line); });
  }
  void make_stop_readable() const {
    const std::uint64_t one = 1;
    REQUIRE(write(stop.get(), &one, sizeof one) == sizeof one);
  }

  HandlerCommand command{{}, kPatience};
  Received message{"al", "SHA256:abc", "id-22", 1'700'000'000, "hello"};
  Fd stop{eventfd(0, EFD_CLOEXEC)};
  std::vector<std::string> lines;
};

// How many descriptors this process has open.
std::size_t descriptors() {
  std::size_t count = 0;
  for (int fd = 0; fd < 1'024; ++fd) count += fcntl(fd, F_GETFD) != -1 ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "handler: the body goes in, the reply comes out, byte for byte") {
  message.body =
      GENERATE(std::string(), std::string("a\0\xff\n\n", 5), std::string(1'048'576, 'x'));
  const Handled handled = run("cat");
  CHECK(handled.rc == 0);
  CHECK(handled.reply == message.body);
  CHECK(lines.empty());
}

TEST_CASE_METHOD(Fixture,
                 "handler: it is told about the message, and not where the passphrase is") {
  setenv("P2PCHAT_PASSPHRASE_FILE", "/secret", 1);
  setenv("P2PCHAT_MSG_ID", "forged", 1);
  const Handled handled =
      run("echo $P2PCHAT_MSG_PEER $P2PCHAT_MSG_FINGERPRINT $P2PCHAT_MSG_ID $P2PCHAT_MSG_TIME "
          "${P2PCHAT_PASSPHRASE_FILE-none}");
  unsetenv("P2PCHAT_PASSPHRASE_FILE");
  unsetenv("P2PCHAT_MSG_ID");
  CHECK(handled.reply == "al SHA256:abc id-22 2023-11-14T22:13:20Z none\n");
}

TEST_CASE_METHOD(Fixture, "handler: its exit status is told as a shell tells it") {
  const auto [script, rc] = GENERATE(table<std::string, unsigned>({{"exit 0", 0U},
                                                                   {"exit 1", 1U},
                                                                   {"exit 63", 63U},
                                                                   {"exit 255", 255U},
                                                                   {"kill -KILL $$", 137U}}));
  const Handled handled = run("echo words; " + script);
  CHECK(handled.rc == rc);
  CHECK(handled.reply == "words\n");
}

TEST_CASE_METHOD(Fixture, "handler: one that does not read, or closes what it has, is fine") {
  message.body = std::string(1'048'576, 'x');
  CHECK(run("exec <&-; echo done").reply == "done\n");
  CHECK(run("head -c 1; echo done").reply == "xdone\n");
  CHECK(run("exec >&- 2>&-; cat >/dev/null; exit 3").rc == 3);
}

TEST_CASE_METHOD(Fixture, "handler: what it says on standard error comes line by line") {
  run("printf 'one\\n\\nthree' >&2; echo reply");
  CHECK(lines == std::vector<std::string>{"one", "", "three"});
  lines.clear();
  run("head -c 10000 /dev/zero | tr '\\0' x >&2");
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].size() == 4'096);
  CHECK(lines[2].size() == 10'000 - 2 * 4'096);
}

TEST_CASE_METHOD(Fixture, "handler: at its time limit it is ended with all that it has started") {
  command.time_limit = 100ms;
  const auto before = Deadline::Clock::now();
  const std::string trap = GENERATE("", "trap '' TERM; ");
  const Handled handled = run(trap + "echo partial; sleep 600 & sleep 600");
  CHECK(handled.rc == kTooLate);
  CHECK(handled.reply.empty());
  CHECK(Deadline::Clock::now() - before < kPatience);
}

TEST_CASE_METHOD(Fixture, "handler: one that leaves its process group is ended all the same") {
  command.time_limit = 100ms;
  command.argv = {"/usr/bin/python3", "-c",
                  "import os, time; os.setpgid(0, os.getpgid(os.getppid())); time.sleep(600)"};
  const auto before = Deadline::Clock::now();
  CHECK(run().rc == kTooLate);
  CHECK(Deadline::Clock::now() - before < kPatience);
}

TEST_CASE_METHOD(Fixture, "handler: SIGTERM comes first, and what it does with it does not count") {
  command.time_limit = 100ms;
  const Handled handled = run("trap 'echo bye >&2; exit 0' TERM; sleep 600 & wait");
  CHECK(handled.rc == kTooLate);
  CHECK(lines == std::vector<std::string>{"bye"});
}

TEST_CASE_METHOD(Fixture, "handler: more than its limit is too much, the limit itself is not") {
  command.output_limit = 1'000;
  CHECK(run("head -c 1000 /dev/zero").reply.size() == 1'000);
  const Handled handled = run("exec head -c 1001 /dev/zero");
  CHECK(handled.rc == kTooMuchOutput);
  CHECK(handled.reply.empty());
  CHECK(run("exec yes").rc == kTooMuchOutput);
  command.output_limit = 0;
  CHECK(run("exit 2").rc == 2);
  CHECK(run("echo").rc == kTooMuchOutput);
}

TEST_CASE_METHOD(Fixture, "handler: a child that holds its pipes delays nothing, and is ended") {
  const auto before = Deadline::Clock::now();
  const Handled handled = run("sleep 600 & echo $!");
  CHECK(handled.rc == 0);
  CHECK(Deadline::Clock::now() - before < kPatience);
  const int child = std::stoi(handled.reply);
  // Whoever has inherited it waits for it in their own time.
  const auto runs = [&] {
    const std::string stat = read_input_file("/proc/" + std::to_string(child) + "/stat", 4'096);
    return stat.find(") Z ") == std::string::npos;
  };
  while (exists("/proc/" + std::to_string(child)) && runs()) std::this_thread::yield();
}

TEST_CASE_METHOD(Fixture, "handler: when we are to stop it gets SIGTERM, and may still answer") {
  make_stop_readable();
  const Handled handled = run("trap 'echo last words; exit 4' TERM; sleep 600 & wait");
  // The signal may come before the trap is set.
  CHECK((handled.rc == 128U + SIGTERM || handled.rc == 4U));
  CHECK(handled.reply == (handled.rc == 4 ? "last words\n" : ""));
}

TEST_CASE_METHOD(Fixture, "handler: what cannot be run is a status, and said") {
  command.argv = {"/no/such/handler"};
  const Handled handled = run();
  CHECK(handled.rc == kNotRun);
  CHECK(handled.reply.empty());
  CHECK(lines ==
        std::vector<std::string>{"cannot run '/no/such/handler': no such file or directory"});
}

TEST_CASE_METHOD(Fixture, "handler: nothing of it stays open, whatever became of it") {
  command.output_limit = 10;
  command.time_limit = 50ms;
  run("true");
  const std::size_t before = descriptors();
  for (const char* script : {"true", "exit 1", "yes", "exec sleep 600", "sleep 600 &"}) run(script);
  command.argv = {"/no/such/handler"};
  run();
  CHECK(descriptors() == before);
}

}  // namespace p2pchat

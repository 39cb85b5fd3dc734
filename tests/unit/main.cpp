// The runner: compiled apart, since it is the slow part of Catch2.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <csignal>

int main(int argc, char** argv) {
  // Whoever starts us, nohup say, may ignore signals whose effect is tested.
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) std::signal(number, SIG_DFL);
  return Catch::Session().run(argc, argv);
}

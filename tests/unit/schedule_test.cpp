// Thousands of random events between two parties; see schedule_world.h. The seed is the same each
// time, so that a failure comes from what has changed. To try others, and any number of steps:
//   P2PCHAT_SCHEDULE_SEED=N P2PCHAT_SCHEDULE_STEPS=N p2pchat_unit "schedule:*"
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "schedule_world.h"

namespace p2pchat {

namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

}  // namespace

TEST_CASE("schedule: whatever happens, each message arrives once, in order, or its sender knows",
          "[schedule]") {
  constexpr std::uint64_t kSteps = 10'000;
  constexpr std::uint64_t kSeed = 1'528'266'802;
  const std::uint64_t seed = setting("P2PCHAT_SCHEDULE_SEED", kSeed);
  const std::uint64_t steps = setting("P2PCHAT_SCHEDULE_STEPS", kSteps);
  std::cout << "schedule: seed " << seed << ", " << steps << " steps" << std::endl;
  const auto began = std::chrono::steady_clock::now();
  World world(seed);
  const auto check = [&](const std::string& when) {
    if (!world.fault().empty()) FAIL("seed " << seed << ", " << when << ":\n" << world.fault());
  };
  for (std::uint64_t i = 0; i < steps; ++i) {
    world.step();
    check("step " + std::to_string(i));
    if (i % 1'000 == 999) world.settle();
    check("settled at step " + std::to_string(i));
  }
  world.settle();
  check("settled at the end");
  world.repeat_everything();
  check("repeated at the end");
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - began;
  std::cout << "schedule: " << world.counts() << ", " << time.count() << " s" << std::endl;
}

}  // namespace p2pchat

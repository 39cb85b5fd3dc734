#include "net/intake.h"

#include <catch2/catch.hpp>

namespace p2pchat {

namespace {

using namespace std::chrono_literals;
using State = Intake::State;

bool always(std::string_view /*prefix*/) {
  return true;
}
bool never(std::string_view /*prefix*/) {
  return false;
}

}  // namespace

TEST_CASE("intake: a frame has ten seconds, and one more for each whole 64 KiB beyond the first") {
  CHECK(frame_time(0) == 10s);
  CHECK(frame_time(131'071) == 10s);
  CHECK(frame_time(131'072) == 11s);
  CHECK(frame_time(4'194'304) == 73s);
}

TEST_CASE("intake: a frame in pieces is whole") {
  Intake intake;
  CHECK(intake.take("ke", never) == State::incomplete);
  CHECK(intake.held() == 2);
  CHECK(intake.take(std::string_view("ys\0", 3), never) == State::complete);
  CHECK(intake.take_frame() == "keys");
}

TEST_CASE("intake: what follows the NUL at once is refused") {
  Intake intake;
  CHECK(intake.take(std::string_view("keys\0k", 6), never) == State::refused);
}

TEST_CASE("intake: more than the limit is refused") {
  Intake intake;
  CHECK(intake.take(std::string(kMaxFrameBytes, 'x'), always) == State::incomplete);
  CHECK(intake.take("x", always) == State::refused);
}

TEST_CASE("intake: a large frame is kept for somebody we know of alone") {
  const bool known = GENERATE(true, false);
  Intake intake;
  const std::string large(kSmallFrameBytes + 1, 'x');
  CHECK(intake.take(large, known ? always : never) == State::incomplete);
  CHECK(intake.held() == (known ? large.size() : 0));
  CHECK(intake.take(std::string_view("\0", 1), never) == State::complete);
  CHECK(intake.take_frame() == (known ? large : ""));
}

}  // namespace p2pchat

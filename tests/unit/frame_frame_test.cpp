#include "frame/frame.h"

#include <catch2/catch.hpp>

namespace p2pchat {

namespace {

using State = FrameReader::State;
using namespace std::string_view_literals;

std::string long_text(std::size_t size) {
  return std::string(size, 'a');
}

}  // namespace

TEST_CASE("frame: a frame is its content and one NUL") {
  CHECK(encode_frame("keys") == "keys\0"sv);
  CHECK(encode_frame("") == "\0"sv);
}

TEST_CASE("frame: a frame split at every byte comes back whole") {
  const std::string bytes = encode_frame("a frame\nof \xC3\xBC");
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    CAPTURE(split);
    FrameReader reader;
    reader.feed(std::string_view(bytes).substr(0, split));
    reader.feed(std::string_view(bytes).substr(split));
    CHECK(reader.state() == State::complete);
    CHECK(reader.take() == "a frame\nof \xC3\xBC");
    CHECK_FALSE(reader.trailing());
  }
}

TEST_CASE("frame: a frame that comes byte by byte is complete with its NUL and not before") {
  const std::string bytes = encode_frame("identify");
  FrameReader reader;
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    CHECK(reader.feed(bytes.substr(i, 1)) == State::incomplete);
    CHECK(reader.received() == i + 1);
  }
  CHECK(reader.feed("\0"sv) == State::complete);
  CHECK(reader.content() == "identify");
}

TEST_CASE("frame: a NUL alone is an empty frame") {
  FrameReader reader;
  CHECK(reader.feed("\0"sv) == State::complete);
  CHECK(reader.content().empty());
  CHECK(reader.received() == 0);
}

TEST_CASE("frame: nothing is no frame") {
  FrameReader reader;
  CHECK(reader.feed("") == State::incomplete);
  CHECK(reader.content().empty());
}

TEST_CASE("frame: bytes after the NUL are reported and not kept") {
  const std::string_view bytes = GENERATE("keys\0x"sv, "keys\0\0"sv, "keys\0keys\0"sv);
  FrameReader reader;
  CHECK(reader.feed(bytes) == State::complete);
  CHECK(reader.trailing());
  CHECK(reader.content() == "keys");
}

TEST_CASE("frame: nothing is taken once the frame is complete") {
  FrameReader reader;
  reader.feed("keys\0"sv);
  CHECK(reader.feed("more\0"sv) == State::complete);
  CHECK(reader.content() == "keys");
  CHECK(reader.received() == 4);
  CHECK_FALSE(reader.trailing());
}

TEST_CASE("frame: the longest frame is taken") {
  FrameReader reader;
  CHECK(reader.feed(long_text(kMaxFrameBytes)) == State::incomplete);
  CHECK(reader.feed("\0"sv) == State::complete);
  CHECK(reader.content().size() == kMaxFrameBytes);
}

TEST_CASE("frame: one byte more than the longest frame is too long, and its memory is given back") {
  const std::size_t first = GENERATE(as<std::size_t>{}, 0, 1, kMaxFrameBytes);
  FrameReader reader;
  reader.feed(long_text(first));
  CHECK(reader.feed(long_text(kMaxFrameBytes + 1 - first)) == State::too_long);
  CHECK(reader.held() == 0);
  CHECK(reader.content().empty());
}

TEST_CASE("frame: a frame that is too long stays so, whatever follows") {
  FrameReader reader;
  reader.feed(long_text(kMaxFrameBytes + 1));
  CHECK(reader.feed("\0"sv) == State::too_long);
  CHECK(reader.feed("keys\0"sv) == State::too_long);
}

TEST_CASE("frame: a NUL in the same piece does not excuse a frame that is too long") {
  FrameReader reader;
  CHECK(reader.feed(encode_frame(long_text(kMaxFrameBytes + 1))) == State::too_long);
}

TEST_CASE("frame: a discarded frame is counted to its NUL and not kept") {
  FrameReader reader;
  reader.feed("abc");
  reader.discard();
  CHECK(reader.discarding());
  CHECK(reader.held() == 0);
  CHECK(reader.feed("def") == State::incomplete);
  CHECK(reader.held() == 0);
  CHECK(reader.received() == 6);
  CHECK(reader.feed("g\0"sv) == State::complete);
  CHECK(reader.content().empty());
  CHECK(reader.received() == 7);
}

TEST_CASE("frame: a discarded frame has the same limit") {
  FrameReader reader;
  reader.discard();
  CHECK(reader.feed(long_text(kMaxFrameBytes)) == State::incomplete);
  CHECK(reader.feed("a") == State::too_long);
}

}  // namespace p2pchat

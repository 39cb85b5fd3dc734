// Frames and the intake of a listener: what comes of a stream does not depend on how it is cut.
// The first line says how (see cut()); then follows the stream, or '*' and runs of it, each a
// character, a count and a byte that says of how many: the limits are far.
#include "frame/frame.h"

#include "fuzz.h"
#include "net/intake.h"

namespace p2pchat {

namespace {

std::string expand(std::string_view runs) {
  constexpr std::size_t kMostBytes = kMaxFrameBytes + 100'000;
  constexpr std::size_t kUnits[] = {1, 1, 1, 1, 64, 64, 1'024, 16'384};
  std::string stream;
  for (; runs.size() >= 3 && stream.size() < kMostBytes; runs.remove_prefix(3)) {
    const auto count = static_cast<unsigned char>(runs[1]);
    stream.append(count * kUnits[static_cast<unsigned char>(runs[2]) % 8], runs[0]);
  }
  return stream;
}

FrameReader::State expected_state(std::string_view stream) {
  const std::size_t end = stream.find('\0');
  if (std::min(end, stream.size()) > kMaxFrameBytes) return FrameReader::State::too_long;
  return end == std::string_view::npos ? FrameReader::State::incomplete
                                       : FrameReader::State::complete;
}

// Whether something follows the NUL in the piece that holds it.
bool expected_trailing(const std::vector<std::string_view>& pieces) {
  for (const std::string_view piece : pieces) {
    const std::size_t end = piece.find('\0');
    if (end != std::string_view::npos) return end + 1 < piece.size();
  }
  return false;
}

void check_reader(std::string_view stream, const std::vector<std::string_view>& pieces,
                  std::size_t discard_at) {
  FrameReader reader;
  bool discarded = false;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i == discard_at) {
      reader.discard();
      discarded = true;
    }
    HOLDS(reader.feed(pieces[i]) == reader.state());
    HOLDS(reader.held() <= kMaxFrameBytes);
  }
  const auto state = expected_state(stream);
  const std::string_view content = stream.substr(0, stream.find('\0'));
  HOLDS(reader.state() == state);
  if (state == FrameReader::State::too_long) {
    HOLDS(reader.content().empty());
    return;
  }
  HOLDS(reader.content() == (discarded ? std::string_view() : content));
  HOLDS(reader.received() == content.size());
  if (state != FrameReader::State::complete) return;
  HOLDS(reader.trailing() == expected_trailing(pieces));
  FrameReader again;
  HOLDS(again.feed(encode_frame(content)) == FrameReader::State::complete);
  HOLDS(again.content() == content && !again.trailing());
}

void check_intake(std::string_view stream, const std::vector<std::string_view>& pieces, bool keep) {
  Intake intake;
  unsigned asked = 0;
  auto state = Intake::State::incomplete;
  for (const std::string_view piece : pieces) {
    if (state != Intake::State::incomplete) break;
    state = intake.take(piece, [&](std::string_view prefix) {
      ++asked;
      HOLDS(prefix == stream.substr(0, kSmallFrameBytes));
      return keep;
    });
    HOLDS(state != Intake::State::incomplete || keep || intake.held() <= kSmallFrameBytes);
  }
  HOLDS(asked <= 1);
  const auto frame = expected_state(stream);
  const bool refused = frame == FrameReader::State::too_long ||
                       (frame == FrameReader::State::complete && expected_trailing(pieces));
  HOLDS((state == Intake::State::refused) == refused);
  if (refused) return;
  HOLDS((state == Intake::State::complete) == (frame == FrameReader::State::complete));
  const std::string_view content = stream.substr(0, stream.find('\0'));
  const bool kept = keep || content.size() <= kSmallFrameBytes;
  HOLDS(intake.take_frame() == (kept ? content : std::string_view()));
}

}  // namespace

FUZZ_TARGET(frame) {
  const std::string_view lengths = take_line(input);
  const std::string stream = input.starts_with('*') ? expand(input.substr(1)) : std::string(input);
  const std::vector<std::string_view> pieces = cut(stream, lengths);
  check_reader(stream, pieces, pieces.size());
  check_reader(stream, pieces, lengths.size());
  check_intake(stream, pieces, true);
  check_intake(stream, pieces, false);
}

}  // namespace p2pchat

// Numbers, durations, sizes, times and message ids, as they are written.
#include <algorithm>

#include "base/clock.h"
#include "base/text.h"
#include "fuzz.h"
#include "model.h"
#include "protocol/claims.h"

namespace p2pchat {

namespace {

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

FUZZ_TARGET(numbers) {
  constexpr std::uint64_t kMost = 1'000'000'000'000;
  const auto number = parse_unsigned(input, kMost);
  if (number) {
    HOLDS(all_digits(input) && *number <= kMost);
    const std::string written = std::to_string(*number);
    HOLDS(input.ends_with(written));
    HOLDS(input.substr(0, input.size() - written.size()).find_first_not_of('0') ==
          std::string_view::npos);
  } else if (all_digits(input)) {
    HOLDS(input.size() > 12);
  }

  constexpr std::int64_t kTenYears = 3650LL * 86'400 * 1000;
  const auto time = parse_duration(input);
  if (time) HOLDS(time->count() >= 0 && time->count() <= kTenYears);
  if (number && *number <= 86'400) HOLDS(time && time->count() == std::int64_t(*number) * 1000);

  const auto size = parse_size(input, kMost);
  if (size) HOLDS(*size <= kMost);
  if (number) HOLDS(size == number);

  const auto moment = parse_rfc3339(input);
  if (moment) {
    HOLDS(rfc3339(*moment) == std::string(input) + (input.size() == 10 ? "T00:00:00Z" : ""));
  }
  if (number)
    HOLDS(parse_rfc3339(rfc3339(*number)) == std::min<std::uint64_t>(*number, 253402300799));

  const std::string id = message_id_for(input);
  HOLDS(is_message_id(id) && model_is_base64url(id, 16) && message_id_for(id) == id);
  HOLDS(is_message_id(input) == model_is_base64url(input, 16));
  HOLDS(is_message_id(input) == (id == input));
}

}  // namespace p2pchat

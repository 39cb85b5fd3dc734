// One exchange as the client sees it: a request frame out, a reply frame in, on two descriptors
// that may be one socket. Straight-line code; knows frames, not what they mean.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace p2pchat {

enum class ExchangeEnd {
  answered,     // `reply` is the frame, without its NUL
  not_begun,    // failed or late before the first byte of the request went out
  lost,         // the connection ended without an answer
  late,         // the deadline passed
  implausible,  // what came can no longer become an answer, or is too long for a frame
};

struct Exchanged {
  ExchangeEnd end = ExchangeEnd::lost;
  std::string reply;
  std::string why;  // for people, when there is no answer
};

// Told each piece of the reply as it comes; false ends the exchange as implausible.
using ReplyWatcher = std::function<bool(std::string_view piece)>;

// Both descriptors are non-blocking. Bytes after the reply's NUL are ignored.
Exchanged exchange(int in, int out, std::string_view request, const Deadline& deadline,
                   const ReplyWatcher& plausible);

}  // namespace p2pchat

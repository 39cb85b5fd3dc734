// One exchange on two descriptors that may be one socket, as the client sees it (a request frame
// out, a reply frame in) and as a listener for one sees it. Straight-line code; knows frames, not
// what they mean.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/intake.h"

namespace p2pchat {

enum class ExchangeEnd {
  answered,     // `reply` is the frame, without its NUL
  not_begun,    // failed or late before the first byte of the request went out
  lost,         // the connection ended without an answer
  late,         // the deadline passed
  interrupted,  // by our own user
  implausible,  // `reply` is what came, and can no longer become an answer; "" when it was too long
};

struct Exchanged {
  ExchangeEnd end = ExchangeEnd::lost;
  std::string reply;
  std::string why;  // for people, when there is no answer
};

// Told each piece of the reply as it comes; false ends the exchange as implausible.
using ReplyWatcher = std::function<bool(std::string_view piece)>;

// A request frame, without its NUL: the whole of it, or its head and what makes the rest, called
// once the head is out.
struct RequestParts {
  RequestParts(std::string_view whole) : head(whole) {}
  RequestParts(const std::string& whole) : head(whole) {}
  RequestParts(const char* whole) : head(whole) {}
  RequestParts(std::string_view first, std::function<std::string()> make_rest)
      : head(first), rest(std::move(make_rest)) {}

  std::string_view head;
  std::function<std::string()> rest;
};

// Both descriptors are non-blocking. Bytes after the reply's NUL are ignored. `interrupt`, if there
// is one, ends it when it becomes readable; nothing is read from it.
Exchanged exchange(int in, int out, const RequestParts& request, const Deadline& deadline,
                   const ReplyWatcher& plausible, int interrupt = -1);
// The reply to a frame, without its NUL; nothing: the connection is closed without one.
using Answer = std::function<std::optional<std::string>(const std::string& frame)>;

// Reads a request from `in`, writes its reply to `out`, and waits for the client to close. Neither
// descriptor is changed: they may be somebody else's too. False when the connection was to be
// closed without a reply, or was gone before the reply was out.
bool serve(int in, int out, const KeepLarge& keep_large, const Answer& answer);

}  // namespace p2pchat

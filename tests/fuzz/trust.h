// What no fuzzer gets past, switched off: while one of these lives, every signature verifies and
// every ciphertext is its own plaintext, so that the parsers behind them see the fuzzer's bytes.
#pragma once

namespace p2pchat {

class TrustEverything {
 public:
  TrustEverything();
  ~TrustEverything();
  TrustEverything(const TrustEverything&) = delete;
  TrustEverything& operator=(const TrustEverything&) = delete;
};

}  // namespace p2pchat

// The parties of the published vectors, tests/vectors/keys: fixed keys, so that an input means the
// same every time.
#pragma once

#include <string>

#include "crypto/rsa_key.h"
#include "protocol/key_statement.h"

namespace p2pchat {

// The time at which the published vectors are read.
inline constexpr std::uint64_t kFuzzNow = 1'700'000'000;

struct Party {
  RsaPrivateKey identity;
  RsaPrivateKey encryption;
  KeyStatement statement;
  std::string pem;  // of the public identity key
};

const Party& alice();
const Party& bob();
const Party& carol();
// Of Bob, with a lower number and another encryption key.
const KeyStatement& old_statement_of_bob();

}  // namespace p2pchat

// DER put together by hand (X.690), so that it can be wrong.
#pragma once

#include <string>
#include <string_view>

namespace p2pchat {

std::string der(char tag, std::string_view content);

// A number that is not negative, most significant byte first.
std::string der_integer(std::string_view bytes);

// PKCS#8 of an RSA key (RFC 5208, RFC 8017 appendix A.1.2) around these elements of an
// RSAPrivateKey, with what comes after its SEQUENCE.
std::string der_pkcs8(std::string_view elements, std::string_view after = {});

}  // namespace p2pchat

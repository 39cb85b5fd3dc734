#include "test_der.h"

#include <algorithm>

namespace p2pchat {

std::string der(char tag, std::string_view content) {
  std::string length;
  for (std::size_t rest = content.size(); rest > 0; rest >>= 8U) {
    length.insert(length.begin(), static_cast<char>(rest & 0xFFU));
  }
  std::string text(1, tag);
  if (content.size() >= 128) text += static_cast<char>(0x80U | length.size());
  return text + (content.empty() ? std::string(1, '\0') : length) + std::string(content);
}

std::string der_integer(std::string_view bytes) {
  bytes.remove_prefix(std::min(bytes.find_first_not_of('\0'), bytes.size()));
  const bool is_positive =
      !bytes.empty() && (static_cast<unsigned char>(bytes.front()) & 0x80U) == 0;
  return der('\x02', (is_positive ? "" : std::string(1, '\0')) + std::string(bytes));
}

std::string der_pkcs8(std::string_view elements, std::string_view after) {
  const std::string rsa_encryption =
      der('\x30', der('\x06', "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01") + der('\x05', ""));
  const std::string key = der('\x30', elements) + std::string(after);
  return der('\x30', der_integer("") + rsa_encryption + der('\x04', key));
}

}  // namespace p2pchat

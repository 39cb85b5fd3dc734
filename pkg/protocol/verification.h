// The digits that two people read to each other to know that no other key stands between them.
// p2pchat-protocol(7) "Verification". Pure.
#pragma once

#include <string>
#include <string_view>

namespace p2pchat {

// Twelve groups of five digits, a space between; the order of the two identities (IK) does not
// matter.
std::string verification_digits(std::string_view one, std::string_view other);

}  // namespace p2pchat

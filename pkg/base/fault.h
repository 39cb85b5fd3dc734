// Fault points: places at which the program of the tests can be made to fail or to die (what they
// do is in tests/faults). In the program that ships they are nothing.
#pragma once

namespace p2pchat {

#ifdef P2PCHAT_FAULTS
// Stands before a call that leaves a trace outside of the process, or depends on one. True when the
// call is to fail instead of being made; errno is `error_number` then. `what` names the call.
bool fault(const char* what, int error_number);
#else
constexpr bool fault(const char* /*what*/, int /*error_number*/) {
  return false;
}
#endif

}  // namespace p2pchat

// What a service manager hands to a service and wants to hear from it: sockets that listen already
// (sd_listen_fds(3)) and readiness (sd_notify(3)). Both are plain enough to do without its library.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace p2pchat {

// What the environment says to this process alone.
struct ServiceEnvironment {
  std::vector<Fd> sockets;     // closed on exec from now on
  std::string notify_address;  // "" when nobody wants to hear
};

// Takes it out of the environment, so that no program we start believes that it is meant. Before
// there are threads. Throws Error{usage} when it promises descriptors that are not there.
ServiceEnvironment take_service_environment();

// Sends a state like "READY=1" to `address`. A manager that is not there, or does not read within a
// second, is no reason to fail.
void notify_manager(std::string_view address, std::string_view state);

}  // namespace p2pchat

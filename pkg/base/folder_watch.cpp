#include "base/folder_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace p2pchat {

FolderWatch::FolderWatch(const std::string& folder, std::vector<std::string> names)
    : folder_(folder), names_(std::move(names)), fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  constexpr unsigned kEvents =
      IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR;
  if (!fd_ || inotify_add_watch(fd_.get(), folder.c_str(), kEvents) < 0) {
    throw Error(Status::system, "cannot watch " + in_quotes(folder) + ": " + errno_text(errno));
  }
}

bool FolderWatch::take() {
  bool changed = false;
  alignas(inotify_event) std::array<char, 4096> buffer{};
  ssize_t size = 0;
  while ((size = read(fd_.get(), buffer.data(), buffer.size())) > 0) {
    inotify_event event{};
    for (std::size_t at = 0; at < static_cast<std::size_t>(size); at += sizeof event + event.len) {
      std::memcpy(&event, buffer.data() + at, sizeof event);
      if ((event.mask & (IN_IGNORED | IN_UNMOUNT | IN_MOVE_SELF)) != 0) {
        throw Error(Status::system, in_quotes(folder_) + " was taken away");
      }
      const char* name = buffer.data() + at + sizeof event;
      const bool matters =
          event.len > 0 && std::find(names_.begin(), names_.end(), name) != names_.end();
      if (matters || (event.mask & IN_Q_OVERFLOW) != 0) changed = true;
    }
  }
  return changed;
}

}  // namespace p2pchat

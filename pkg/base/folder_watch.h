// Notices from the kernel that files in a folder were written to, so that what changes them in
// other processes is waited for without looking again and again. inotify(7).
#pragma once

#include <string>
#include <vector>

#include "base/file.h"

namespace p2pchat {

class FolderWatch {
 public:
  // names: the files in the folder that matter; they need not be there yet. Throws Error{system}.
  FolderWatch(const std::string& folder, std::vector<std::string> names);

  // Readable when take() has something to say.
  int descriptor() const { return fd_.get(); }

  // Whether one of the files was made or written to since the last call, for all we know. Does not
  // block. Throws Error{system} when the folder is there no more.
  bool take();

 private:
  std::string folder_;
  std::vector<std::string> names_;
  Fd fd_;
};

}  // namespace p2pchat

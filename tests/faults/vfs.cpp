// Fault points below SQLite: from the start of the process on, its files are those of the system
// with a point before each call that opens, reads or changes one. Reads of the log are none: SQLite
// reads back all of it when it opens a database.
#include <sqlite3.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <mutex>

#include "base/fault.h"

namespace {

using p2pchat::fault;

sqlite3_vfs* system_vfs = nullptr;
sqlite3_vfs vfs;

// A table of the system's calls with ours in place of some; the system has a few tables.
struct Methods {
  sqlite3_io_methods ours;  // first, so that a file leads to all of it
  const sqlite3_io_methods* system;
  bool fails_reads;
};
std::array<Methods, 8> tables;
std::mutex tables_mutex;

const sqlite3_io_methods& system_methods(sqlite3_file* file) {
  return *reinterpret_cast<const Methods*>(file->pMethods)->system;
}

int read_file(sqlite3_file* file, void* bytes, int count, sqlite3_int64 offset) {
  if (fault("sqlite read", EIO)) return SQLITE_IOERR_READ;
  return system_methods(file).xRead(file, bytes, count, offset);
}

int write_file(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  if (fault("sqlite write", ENOSPC)) return SQLITE_FULL;
  return system_methods(file).xWrite(file, bytes, count, offset);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (fault("sqlite truncate", EIO)) return SQLITE_IOERR_TRUNCATE;
  return system_methods(file).xTruncate(file, size);
}

int sync_file(sqlite3_file* file, int flags) {
  if (fault("sqlite sync", EIO)) return SQLITE_IOERR_FSYNC;
  return system_methods(file).xSync(file, flags);
}

const sqlite3_io_methods* with_points(const sqlite3_io_methods* system, bool fails_reads) {
  const std::lock_guard lock(tables_mutex);
  for (Methods& table : tables) {
    if (table.system == nullptr) {
      table = {*system, system, fails_reads};
      if (fails_reads) table.ours.xRead = read_file;
      table.ours.xWrite = write_file;
      table.ours.xTruncate = truncate_file;
      table.ours.xSync = sync_file;
    }
    if (table.system == system && table.fails_reads == fails_reads) return &table.ours;
  }
  std::abort();
}

int open_file(sqlite3_vfs* /*own*/, const char* name, sqlite3_file* file, int flags, int* opened) {
  if (fault("sqlite open", EIO)) {
    file->pMethods = nullptr;
    return SQLITE_CANTOPEN;
  }
  const int result = system_vfs->xOpen(system_vfs, name, file, flags, opened);
  if (file->pMethods != nullptr) {
    file->pMethods = with_points(file->pMethods, (flags & SQLITE_OPEN_MAIN_DB) != 0);
  }
  return result;
}

int delete_file(sqlite3_vfs* /*own*/, const char* name, int sync) {
  if (fault("sqlite delete", EIO)) return SQLITE_IOERR_DELETE;
  return system_vfs->xDelete(system_vfs, name, sync);
}

const bool is_default = [] {
  system_vfs = sqlite3_vfs_find(nullptr);
  vfs = *system_vfs;
  vfs.zName = "faults";
  vfs.xOpen = open_file;
  vfs.xDelete = delete_file;
  return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK;
}();

}  // namespace

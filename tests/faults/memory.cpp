// A lack of memory: while the file FILE exists, each Nth allocation of C++ or SQLite fails, as the
// environment says: P2PCHAT_FAULT="memory N FILE".
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

// Nothing here may allocate.
struct Order {
  unsigned long every = 0;  // 0: none fails
  std::array<char, 1024> file{};
};

Order read_order() {
  Order order;
  const char* text = std::getenv("P2PCHAT_FAULT");
  if (text == nullptr) return order;
  if (std::sscanf(text, "memory %lu %1023s", &order.every, order.file.data()) != 2) order.every = 0;
  return order;
}

bool fails() {
  static const Order order = read_order();
  static std::atomic<unsigned long> asked = 0;
  return order.every > 0 && ++asked % order.every == 0 && access(order.file.data(), F_OK) == 0;
}

// As SQLite knows them.
sqlite3_mem_methods sqlite_methods;

void* allocate(int size) {
  return fails() ? nullptr : sqlite_methods.xMalloc(size);
}
void* reallocate(void* memory, int size) {
  return fails() ? nullptr : sqlite_methods.xRealloc(memory, size);
}

// Before anything uses SQLite, which vfs.cpp does before main().
[[gnu::constructor(101)]] void replace_sqlite_methods() {
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_methods);
  sqlite3_mem_methods ours = sqlite_methods;
  ours.xMalloc = allocate;
  ours.xRealloc = reallocate;
  if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK) std::abort();
}

}  // namespace

void* operator new(std::size_t size) {
  void* memory = fails() ? nullptr : std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}

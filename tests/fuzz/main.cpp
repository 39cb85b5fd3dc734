// One program for all fuzz targets: it runs the one whose name it is called by (see CMakeLists.txt,
// which makes a link for each).
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "fuzz.h"

namespace p2pchat {

namespace {

using Table = std::map<std::string_view, FuzzTarget>;

Table& table() {
  static Table targets;
  return targets;
}

FuzzTarget chosen = nullptr;

}  // namespace

FuzzEntry::FuzzEntry(const char* name, FuzzTarget target) {
  table().emplace(name, target);
}

void report_broken_property(const char* property, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, property);
  std::abort();
}

std::string_view take_line(std::string_view& input) {
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string_view line = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return line;
}

std::vector<std::string_view> cut(std::string_view bytes, std::string_view lengths) {
  constexpr std::size_t kMostPieces = 256;
  const std::size_t unit = bytes.size() / kMostPieces + 1;
  std::vector<std::string_view> pieces;
  for (std::size_t i = 0; !bytes.empty(); ++i) {
    const auto length =
        lengths.empty() ? 0U : static_cast<unsigned char>(lengths[i % lengths.size()]);
    pieces.push_back(bytes.substr(0, unit * (length + 1)));
    bytes.remove_prefix(pieces.back().size());
  }
  return pieces;
}

std::string fill(std::string_view text, const std::vector<Placeholder>& placeholders) {
  std::string filled;
  while (!text.empty()) {
    const auto here = std::find_if(placeholders.begin(), placeholders.end(),
                                   [&](const Placeholder& p) { return text.starts_with(p.word); });
    filled += here == placeholders.end() ? text.substr(0, 1) : here->value;
    text.remove_prefix(here == placeholders.end() ? 1 : here->word.size());
  }
  return filled;
}

}  // namespace p2pchat

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** argv) {
  const std::string_view path = (*argv)[0];
  const auto& targets = p2pchat::table();
  const auto found = targets.find(path.substr(path.rfind('/') + 1));
  if (found == targets.end()) {
    std::fputs("call it by the name of a target:\n", stderr);
    for (const auto& [name, target] : targets) std::fprintf(stderr, "%s\n", name.data());
    std::exit(1);
  }
  p2pchat::chosen = found->second;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  p2pchat::chosen({reinterpret_cast<const char*>(data), size});
  return 0;
}

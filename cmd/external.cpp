#include "external.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"

namespace p2pchat {

namespace {

constexpr std::string_view kPrefix = "p2pchat-";

bool can_be_a_command(std::string_view word) {
  return !word.empty() && !word.starts_with('-') && word.find('/') == std::string_view::npos &&
         find_command(word) == nullptr;
}

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

bool can_be_run(const std::string& path) {
  return is_file(path) && access(path.c_str(), X_OK) == 0;
}

// Where it is; the first that can be run, else the first that is there.
std::optional<std::string> find_external(const std::string& name) {
  std::optional<std::string> found;
  for (const std::string& folder : folders_in_path()) {
    std::string path = folder + "/" + std::string(kPrefix) + name;
    if (can_be_run(path)) return path;
    if (!found && is_file(path)) found = std::move(path);
  }
  return found;
}

std::string absolute(const std::string& path) {
  std::error_code error;
  std::string whole = std::filesystem::absolute(path, error);
  if (error) {
    throw Error(Status::system,
                "cannot find " + in_quotes(path) + ": " + errno_text(error.value()));
  }
  return whole;
}

std::string own_path() {
  std::error_code error;
  std::string path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    throw Error(Status::system, "cannot read '/proc/self/exe': " + errno_text(error.value()));
  }
  return path;
}

void set_variable(const char* name, const std::string& value) {
  if (setenv(name, value.c_str(), 1) != 0) {
    throw Error(Status::system, std::string("cannot set ") + name + ": " + errno_text(errno));
  }
}

// What the program needs to call us back for the same node.
void set_environment(const Globals& globals) {
  const Home home = Home::locate(globals.home, globals.passphrase_file);
  set_variable("P2PCHAT_HOME", absolute(home.folder()));
  set_variable("P2PCHAT_EXE", own_path());
  if (!globals.passphrase_file) return;
  const std::string& file = *globals.passphrase_file;  // an empty name is that of none
  set_variable("P2PCHAT_PASSPHRASE_FILE", file.empty() ? file : absolute(file));
}

// Those nearest to the word, if they are near enough to be meant.
std::vector<std::string> similar_commands(std::string_view word) {
  constexpr std::size_t kShort = 4;
  constexpr std::size_t kLongestWord = 64;
  if (word.size() > kLongestWord) return {};
  std::vector<std::string> candidates;
  for (const Command* command : commands()) candidates.emplace_back(command->name);
  for (ExternalCommand& external : external_commands()) candidates.push_back(external.name);
  std::size_t nearest = word.size() <= kShort ? 1 : 2;
  std::vector<std::string> similar;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(ascii_lower(word), ascii_lower(candidate));
    if (distance < nearest) similar.clear();
    if (distance > nearest || distance >= word.size()) continue;
    nearest = distance;
    similar.push_back(candidate);
  }
  return similar;
}

}  // namespace

std::vector<ExternalCommand> external_commands() {
  std::map<std::string, std::string> found;
  for (const std::string& folder : folders_in_path()) {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string file = entry->path().filename();
      if (!file.starts_with(kPrefix)) continue;
      const std::string name = file.substr(kPrefix.size());
      const std::string path = folder + "/" + file;
      if (can_be_a_command(name) && can_be_run(path)) found.emplace(name, path);
    }
  }
  std::vector<ExternalCommand> commands;
  for (const auto& [name, path] : found) commands.push_back({name, path});
  return commands;
}

void run_external(const std::string& name, const Globals& globals,
                  const std::vector<std::string>& arguments) {
  if (!can_be_a_command(name)) return;
  const auto path = find_external(name);
  if (!path) return;
  set_environment(globals);
  std::vector<std::string> argv = {std::string(kPrefix) + name};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  exec_program(*path, argv);
}

std::string did_you_mean(std::string_view word, const std::string& program,
                         const std::string& otherwise) {
  const std::vector<std::string> similar = similar_commands(word);
  if (similar.empty()) return otherwise;
  std::string hint;
  for (const std::string& name : similar) {
    hint += (hint.empty() ? "did you mean: " : " or ") + program + " " +
            escape_for_terminal(shell_word(name));
  }
  return hint;
}

}  // namespace p2pchat

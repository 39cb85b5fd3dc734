// tests/vectors is what the rows of the profile are today, to the octet; and how it is made anew.
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "scenario.h"
#include "test_home.h"

namespace p2pchat {

namespace {

std::map<std::string, std::string> as_files(const std::vector<Scenario>& scenarios) {
  std::map<std::string, std::string> files;
  for (const Scenario& scenario : scenarios) files[scenario.name] = scenario_text(scenario);
  return files;
}

void check_folder(const std::string& folder, const std::vector<Scenario>& rows) {
  const auto published = as_files(read_scenarios(folder));
  const auto made = as_files(rows);
  for (const auto& [name, text] : made) {
    INFO(name << " differs from its row; tests/vectors/regenerate writes it anew");
    CHECK((published.contains(name) && published.at(name) == text));
  }
  for (const auto& [name, text] : published) {
    INFO(name << " has no row");
    CHECK(made.contains(name));
  }
}

std::string statement_file(const std::string& name) {
  return published_folder() + "/keys/" + name + ".statement";
}

}  // namespace

TEST_CASE("published vectors: each file is its row, and each row has a file") {
  check_folder("listener", listener_scenarios());
  check_folder("client", client_scenarios());
}

TEST_CASE("published vectors: the statements are those of the keys") {
  for (const auto& [name, token] : published_statements()) {
    CAPTURE(name);
    CHECK(read_file(statement_file(name)) == token + "\n");
  }
}

// Hidden: run by tests/vectors/regenerate.
TEST_CASE("published vectors: are written", "[.][regenerate]") {
  write_scenarios("listener", listener_scenarios());
  write_scenarios("client", client_scenarios());
  for (const auto& [name, token] : published_statements()) {
    write_file(statement_file(name), token + "\n", 0644);
  }
}

}  // namespace p2pchat

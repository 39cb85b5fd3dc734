#include "base/error.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <cerrno>
#include <set>

namespace p2pchat {

TEST_CASE("error: every status that a command can end with has one row in the table") {
  const Status status =
      GENERATE(Status::ok, Status::usage, Status::data, Status::no_input, Status::no_peer,
               Status::no_host, Status::unavailable, Status::internal, Status::system,
               Status::cannot_create, Status::unknown_outcome, Status::try_later, Status::protocol,
               Status::trust, Status::config, Status::handler, Status::timeout);
  const std::string number = std::to_string(static_cast<int>(status));
  const auto rows = status_table();
  CAPTURE(number);
  CHECK(std::count_if(rows.begin(), rows.end(),
                      [&](const StatusRow& row) { return row.status == number; }) == 1);
}

TEST_CASE("error: the table is in ascending order and every row says what it means") {
  int last = -1;
  for (const StatusRow& row : status_table()) {
    CAPTURE(row.status);
    const int number = std::stoi(std::string(row.status));
    CHECK(number > last);
    CHECK_FALSE(row.meaning.empty());
    CHECK_FALSE(row.meaning.ends_with('.'));
    last = number;
  }
  CHECK(last == 130);
}

TEST_CASE("error: a command of a hint begins with the words that our user calls the program by") {
  CHECK(own_command("peers") == "p2pchat peers");
  name_own_command("p2pchat --home 'a b'");
  CHECK(own_command("peers") == "p2pchat --home 'a b' peers");
  name_own_command("p2pchat");
}

TEST_CASE("error: an error carries its status, its text and its hint") {
  const Error error(Status::trust, "key changed", "look twice");
  CHECK(error.status() == Status::trust);
  CHECK(std::string(error.what()) == "key changed");
  CHECK(error.hint() == "look twice");
}

TEST_CASE("error: an error without a cure has an empty hint") {
  CHECK(Error(Status::usage, "no").hint().empty());
}

TEST_CASE("error: the words of errno begin in lower case") {
  const auto [number, text] = GENERATE(table<int, std::string>({
      {ENOENT, "no such file or directory"},
      {ECONNREFUSED, "connection refused"},
      {ENOSPC, "no space left on device"},
      {EIO, "input/output error"},
  }));
  CHECK(errno_text(number) == text);
}

TEST_CASE("error: an errno that nobody knows still has words") {
  CHECK_FALSE(errno_text(987654).empty());
}

}  // namespace p2pchat

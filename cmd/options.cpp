#include "options.h"

#include <cxxopts.hpp>

#include "base/error.h"
#include "base/text.h"

namespace p2pchat {

namespace {

cxxopts::Options declared(std::span<const Option> options) {
  cxxopts::Options declaration("p2pchat");
  declaration.custom_help("");
  auto add = declaration.add_options();
  add("h,help", "Print this help");
  for (const Option& option : options) {
    std::string names(option.name);
    if (!option.letter.empty()) names = std::string(option.letter) + "," + names;
    const bool is_flag = option.value.empty();
    const std::shared_ptr<cxxopts::Value> value =
        is_flag ? cxxopts::value<bool>() : cxxopts::value<std::string>();
    add(names, std::string(option.help), value, std::string(option.value));
  }
  return declaration;
}

// The library's messages begin with a capital, quote typographically and name options without their
// hyphens.
std::string plain(std::string text) {
  for (const std::string_view quote : {"\u2018", "\u2019"}) {
    for (std::size_t at = text.find(quote); at != std::string::npos; at = text.find(quote)) {
      text.replace(at, quote.size(), "'");
    }
  }
  const std::size_t name = text.find('\'') + 1;
  if (text.starts_with("Option")) {
    text.insert(name, text.find('\'', name) == name + 1 ? "-" : "--");
  }
  return ascii_lower(text.substr(0, 1)) + text.substr(1);
}

}  // namespace

ParsedOptions parse_options(std::span<const Option> options, const std::vector<std::string>& words,
                            const std::string& usage) {
  std::vector<const char*> argv = {"p2pchat"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  try {
    const cxxopts::ParseResult result =
        declared(options).parse(static_cast<int>(argv.size()), argv.data());
    ParsedOptions parsed;
    parsed.arguments = result.unmatched();
    parsed.help = result["help"].as<bool>();
    for (const Option& option : options) {
      const std::string name(option.name);
      if (result.count(name) == 0) continue;
      const cxxopts::OptionValue& given = result[name];
      if (!option.value.empty()) {
        parsed.given.emplace(name, given.as<std::string>());
      } else if (given.as<bool>()) {
        parsed.given.emplace(name, "");
      }
    }
    return parsed;
  } catch (const cxxopts::exceptions::exception& error) {
    throw Error(Status::usage, escape_for_terminal(plain(error.what())), usage);
  }
}

std::string describe_options(std::span<const Option> options) {
  std::string text = declared(options).help({}, false);
  // The library begins with empty lines for what it was not given, and leaves spaces at line ends.
  text.erase(0, text.find_first_not_of('\n'));
  for (std::size_t at = text.find(" \n"); at != std::string::npos; at = text.find(" \n")) {
    text.erase(at, 1);
  }
  return text;
}

}  // namespace p2pchat

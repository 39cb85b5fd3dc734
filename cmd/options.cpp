#include "options.h"

#include <algorithm>
#include <optional>

// Without it every start of the program would compile five regular expressions.
#define CXXOPTS_NO_REGEX true
#include <cxxopts.hpp>

#include "base/error.h"
#include "base/text.h"

namespace p2pchat {

namespace {

cxxopts::Options declared(std::span<const Option> options) {
  cxxopts::Options declaration("p2pchat");
  declaration.custom_help("");
  auto add = declaration.add_options();
  const auto add_option = [&](const Option& option) {
    std::string names(option.name);
    if (!option.letter.empty()) names = std::string(option.letter) + "," + names;
    const bool is_flag = option.value.empty();
    const std::shared_ptr<cxxopts::Value> value =
        is_flag ? cxxopts::value<bool>() : cxxopts::value<std::string>();
    add(names, std::string(option.help), value, std::string(option.value));
  };
  add_option(kHelpOption);
  for (const Option& option : options) add_option(option);
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

// Values come to the library as words of their own: where it has regular expressions it would match
// what is attached to an option with one that recurses once a character and ends at a line break.
class Splitter {
 public:
  Splitter(std::span<const Option> options, const std::string& usage)
      : options_(options), usage_(usage) {}

  std::vector<std::string> split(const std::vector<std::string>& words) {
    for (auto word = words.begin(); word != words.end(); ++word) {
      if (*word == "--") {
        words_.insert(words_.end(), word, words.end());
        break;
      }
      if (takes_rest(*word)) {
        rest_.emplace(word + 1, words.end());
        break;
      }
      const bool takes_next = add(*word);
      if (takes_next && word + 1 != words.end()) words_.push_back(*++word);
    }
    return std::move(words_);
  }

  // What follows an option that takes all of it; nothing without one.
  const std::optional<std::vector<std::string>>& rest() const { return rest_; }

 private:
  // True when the next word is its value.
  bool add(const std::string& word) {
    if (word.starts_with("--")) return add_long(word);
    if (word.starts_with('-') && word.size() > 1) return add_letters(word);
    words_.push_back(word);
    return false;
  }

  bool takes_rest(const std::string& word) const {
    return find([&](const Option& o) {
             return o.takes_rest && word == "--" + std::string(o.name);
           }) != nullptr;
  }

  bool add_long(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(2, equals - 2);
    const Option* option = find([&](const Option& o) { return o.name == name; });
    if (option == nullptr && name != "help") refuse("--" + name);
    if (option != nullptr && option->takes_rest) {
      throw Error(Status::usage, "--" + name + " takes the words after it", usage_);
    }
    const bool is_flag = option == nullptr || option->value.empty();
    if (equals == std::string::npos || is_flag) {
      words_.push_back(word.substr(0, kLongestFlag));
      return !is_flag;
    }
    words_.push_back(word.substr(0, equals));
    words_.push_back(word.substr(equals + 1));
    return false;
  }

  // -kp0 is -k -p 0.
  bool add_letters(const std::string& word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const std::string letter = word.substr(i, 1);
      const Option* option = find([&](const Option& o) { return o.letter == letter; });
      if (option == nullptr && letter != "h") refuse("-" + letter);
      words_.push_back("-" + letter);
      if (option == nullptr || option->value.empty()) continue;
      if (i + 1 == word.size()) return true;
      words_.push_back(word.substr(i + 1));
      return false;
    }
    return false;
  }

  template <typename Wanted>
  const Option* find(const Wanted& wanted) const {
    const auto found = std::find_if(options_.begin(), options_.end(), wanted);
    return found == options_.end() ? nullptr : &*found;
  }

  [[noreturn]] void refuse(const std::string& option) const {
    throw Error(Status::usage, "no option " + in_quotes(option), usage_);
  }

  static constexpr std::size_t kLongestFlag = 64;
  std::span<const Option> options_;
  const std::string& usage_;
  std::vector<std::string> words_;
  std::optional<std::vector<std::string>> rest_;
};

}  // namespace

ParsedOptions parse_options(std::span<const Option> options,
                            const std::vector<std::string>& given_words, const std::string& usage) {
  Splitter splitter(options, usage);
  const std::vector<std::string> words = splitter.split(given_words);
  std::vector<const char*> argv = {"p2pchat"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  try {
    const cxxopts::ParseResult result =
        declared(options).parse(static_cast<int>(argv.size()), argv.data());
    ParsedOptions parsed;
    parsed.arguments = result.unmatched();
    parsed.help = result["help"].as<bool>();
    parsed.rest = splitter.rest().value_or(std::vector<std::string>{});
    for (const Option& option : options) {
      const std::string name(option.name);
      if (option.takes_rest && splitter.rest()) parsed.given.emplace(name, "");
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

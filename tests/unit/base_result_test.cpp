#include "base/result.h"

#include <catch2/catch.hpp>
#include <memory>

namespace p2pchat {

TEST_CASE("result: a value is there, and no reason") {
  const Result<std::string> result(std::string("value"));
  REQUIRE(result);
  CHECK(*result == "value");
  CHECK(result->size() == 5);
  CHECK(result.why().empty());
}

TEST_CASE("result: a refusal has a reason and no value") {
  const Result<std::string> result(Refusal{"too long"});
  CHECK_FALSE(result);
  CHECK(result.why() == "too long");
}

TEST_CASE("result: a refusal is handed on to a result of another type") {
  const Result<std::string> inner(Refusal{"too long"});
  const Result<int> outer(inner.refusal());
  CHECK_FALSE(outer);
  CHECK(outer.why() == "too long");
}

TEST_CASE("result: a value that is false is still a value") {
  const Result<int> zero(0);
  REQUIRE(zero);
  CHECK(*zero == 0);
}

TEST_CASE("result: a value that cannot be copied is moved out") {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  REQUIRE(result);
  const std::unique_ptr<int> value = *std::move(result);
  REQUIRE(value);
  CHECK(*value == 7);
}

TEST_CASE("result: a value can be changed in place") {
  Result<std::string> result(std::string("a"));
  REQUIRE(result);
  *result += "b";
  result->push_back('c');
  CHECK(*result == "abc");
}

}  // namespace p2pchat

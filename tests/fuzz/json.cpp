// JSON objects of the closed profile: what is accepted is exactly what the rules say, comes out
// whole, and is the same when written and read again.
#include "jose/json.h"

#include "fuzz.h"
#include "model.h"

namespace p2pchat {

namespace {

// Empties the object.
bool is_same(JsonObject object, const ModelObject& model) {
  for (const auto& [name, value] : model) {
    if (const auto* integer = std::get_if<std::uint64_t>(&value.value)) {
      if (object.take_integer(name) != *integer) return false;
    } else if (const auto* text = std::get_if<std::string>(&value.value)) {
      if (object.take_string(name) != *text) return false;
    } else {
      auto inner = object.take_object(name);
      if (!inner || !is_same(*std::move(inner), std::get<ModelObject>(value.value))) return false;
    }
  }
  return object.empty();
}

}  // namespace

FUZZ_TARGET(json) {
  auto object = JsonObject::parse(input);
  const auto model = model_json(input);
  HOLDS(object.has_value() == model.has_value());
  if (!object) return;
  HOLDS(is_same(*std::move(object), *model));
  const std::string written = write_json(members_of(*model));
  auto again = JsonObject::parse(written);
  HOLDS(again && is_same(*std::move(again), *model));
  HOLDS(model_json(written) == model);
}

}  // namespace p2pchat

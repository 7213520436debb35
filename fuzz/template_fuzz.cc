// The bytes are a chat template. If it parses, it is rendered over a conversation with tools.
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "jinja/template.h"

namespace {

using moiety::jinja::Template;
using nlohmann::ordered_json;

// Ends the run with a report if a promise of the header is broken.
void Require(bool condition) {
  if (!condition) std::abort();
}

const ordered_json& Variables() {
  static const ordered_json variables = ordered_json::parse(R"({
    "messages": [
      {"role": "system", "content": "Be brief. é日🙂"},
      {"role": "user", "content": "What's the weather?\n"},
      {"role": "assistant", "content": null, "tool_calls": [
        {"id": "a1", "type": "function",
         "function": {"name": "weather", "arguments": {"city": "Oslo", "days": 2, "x": [1.5, true, null]}}}]},
      {"role": "tool", "tool_call_id": "a1", "content": "{\"t\": 7}"},
      {"role": "user", "content": [{"type": "text", "text": "Thanks"}]}],
    "tools": [{"type": "function", "function": {"name": "weather", "description": "d",
      "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}],
    "documents": null, "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>"})");
  return variables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto parsed = Template::Parse(source, "fuzz");
  if (!parsed.ok()) {
    Require(parsed.status().message().starts_with("fuzz:"));
    return 0;
  }
  Template::Variables variables;
  for (const auto& [name, value] : Variables().get_ref<const ordered_json::object_t&>()) {
    variables.emplace_back(name, &value);
  }
  Template::Options options;
  options.now = std::tm{};
  options.now->tm_mday = 1;
  options.now->tm_year = 124;
  options.limits.steps = 200'000;  // so that every input ends quickly
  options.limits.live_bytes = size_t{16} << 20;
  const auto first = parsed->Render(variables, options);
  const auto second = parsed->Render(variables, options);
  Require(first.ok() == second.ok());
  if (first.ok()) {
    Require(moiety::IsUtf8(*first));
    Require(*first == *second);
  } else {
    Require(first.status().message() == second.status().message());
  }
  return 0;
}

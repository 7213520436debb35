// Any bytes as config.json and generation_config.json: every kind of read on every field.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/generation_config.h"
#include "format/json.h"

namespace moiety {
namespace {

void CheckMessage(const Status& status) {
  MOIETY_CHECK(status.ok() == status.message().empty());
  MOIETY_CHECK(IsUtf8(status.message()));
}

// Each getter with a reader of its own, so that an error in one does not hide the next.
void ReadEveryWay(const nlohmann::json& object, const std::string& key) {
  const auto check = [&](auto read) {
    ConfigReader reader(object, "input");
    read(reader);
    CheckMessage(reader.status());
  };
  check([&](ConfigReader& r) {
    const int64_t value = r.Int(key, -5, 1000);
    MOIETY_CHECK(value >= -5 && value <= 1000);
  });
  check([&](ConfigReader& r) { MOIETY_CHECK(r.Dim(key) >= 1 && r.Dim(key) <= INT32_MAX); });
  check([&](ConfigReader& r) { MOIETY_CHECK(std::isfinite(r.Float(key))); });
  check([&](ConfigReader& r) { MOIETY_CHECK(IsUtf8(r.String(key))); });
  check([&](ConfigReader& r) { MOIETY_CHECK(r.IntOr(key, 3, 0, INT64_MAX) >= 0); });
  check([&](ConfigReader& r) { MOIETY_CHECK(r.DimOr(key, 7) >= 1); });
  check([&](ConfigReader& r) { MOIETY_CHECK(std::isfinite(r.FloatOr(key, 0.5))); });
  check([&](ConfigReader& r) { (void)r.BoolOr(key, true); });
  check([&](ConfigReader& r) { MOIETY_CHECK(IsUtf8(r.StringOr(key, "x"))); });
  check([&](ConfigReader& r) { (void)r.StringsOr(key, {"x"}); });
  check([&](ConfigReader& r) {
    for (const int64_t value : r.IntsOr(key, {}, 0, 9)) MOIETY_CHECK(value >= 0 && value <= 9);
  });
  check([&](ConfigReader& r) {
    for (const double value : r.FloatsOr(key, {})) MOIETY_CHECK(std::isfinite(value));
  });
  check([&](ConfigReader& r) {
    if (auto inner = r.Object(key)) (void)inner->Dim("x");
  });
}

void Run(std::string_view text) {
  const auto document = ParseJson(text, "input");
  CheckMessage(document.status());
  if (!document.ok()) return;
  MOIETY_CHECK(IsUtf8(ShowJson(*document)));

  ReadEveryWay(*document, "absent");
  if (document->is_object()) {
    int budget = 16;  // keeps one input fast
    for (const auto& [key, value] : document->items()) {
      if (budget-- == 0) break;
      ReadEveryWay(*document, key);
    }
  }
  auto generation = ReadGenerationConfig(*document, "input");
  CheckMessage(generation.status());
  if (!generation.ok()) generation = GenerationConfig();
  CheckMessage(FillTokenIds(*document, "input", *generation));
  for (const int32_t id : generation->eos_token_ids) MOIETY_CHECK(id >= 0);
  MOIETY_CHECK(generation->temperature.value_or(0) >= 0);
  MOIETY_CHECK(generation->top_p.value_or(1) <= 1);
}

}  // namespace
}  // namespace moiety

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  moiety::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}

// Any bytes as a training config and as a setting: what is accepted can be written and read again,
// what is refused changes nothing.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "train/config.h"

namespace moiety {
namespace {

void CheckMessage(const Status& status) {
  MOIETY_CHECK(status.ok() == status.message().empty());
  MOIETY_CHECK(IsUtf8(status.message()));
  MOIETY_CHECK(status.message().find('\n') == std::string::npos);
}

void Check(const Status& status, const TrainConfig& config) {
  CheckMessage(status);
  const std::string text = ToToml(config);
  if (!status.ok()) {
    MOIETY_CHECK(text == ToToml(TrainConfig()));
    return;
  }
  CheckMessage(CheckTrainConfig(config));
  TrainConfig again;
  MOIETY_CHECK(ReadTrainConfig(text, "written", again).ok());
  MOIETY_CHECK(ToToml(again) == text);
}

void Run(std::string_view text) {
  TrainConfig from_file;
  Check(ReadTrainConfig(text, "input", from_file), from_file);
  // Texts that a command line gives may be no UTF-8, which TOML does not hold.
  if (!IsUtf8(text)) return;
  TrainConfig from_setting;
  Check(ApplySetting(from_setting, text), from_setting);
}

}  // namespace
}  // namespace moiety

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  moiety::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}

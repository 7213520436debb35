// Any bytes as the log of a training run: what is accepted is in order and fits together.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "study/training_log.h"
#include "study/training_report.h"

namespace moiety {
namespace {

void Run(std::string_view text) {
  const auto log = ParseTrainingLog(text, "input");
  if (!log.ok()) {
    MOIETY_CHECK(log.status().message().starts_with("input:"));
    MOIETY_CHECK(IsUtf8(log.status().message()));
    MOIETY_CHECK(log.status().message().find('\n') == std::string::npos);
    return;
  }
  for (size_t i = 1; i < log->steps.size(); ++i) {
    MOIETY_CHECK(log->steps[i - 1].step < log->steps[i].step);
  }
  for (size_t i = 1; i < log->validations.size(); ++i) {
    MOIETY_CHECK(log->validations[i - 1].step < log->validations[i].step);
  }
  for (const TrainingLog::Layer& layer : log->layers) {
    const size_t size = layer.at.size();
    MOIETY_CHECK(layer.load.size() == size * static_cast<size_t>(layer.num_experts));
    MOIETY_CHECK(layer.cv.size() == size && layer.max_violation.size() == size);
    MOIETY_CHECK(layer.gate_entropy.size() == size && layer.expert_entropy.size() == size);
    MOIETY_CHECK(layer.dropped.size() == size);
    for (size_t i = 0; i < size; ++i) {
      MOIETY_CHECK(layer.at[i] < log->steps.size() && (i == 0 || layer.at[i - 1] < layer.at[i]));
    }
  }
  (void)TrainingReport(*log).dump(-1, ' ', false, nlohmann::json::error_handler_t::strict);
}

}  // namespace
}  // namespace moiety

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  moiety::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}

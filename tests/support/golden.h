// Golden cases: model folders with what the reference computes for them, and how an engine's
// results are held against that. The form of such a folder is described in tests/goldens/README.md.
#ifndef MOIETY_TESTS_SUPPORT_GOLDEN_H_
#define MOIETY_TESTS_SUPPORT_GOLDEN_H_

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "moiety/layer_routing.h"
#include "support/tensor_file.h"

namespace moiety {

// Parsed, or null after a test failure.
nlohmann::json ReadJson(const std::filesystem::path& path);

struct GoldenCase {
  std::string name;          // of the folder, such as "mixtral_swa"
  std::string architecture;  // model_type of its config.json
  std::filesystem::path folder;
  bool own = false;  // in tests/data/models, not in ../shared
};
void PrintTo(const GoldenCase& golden, std::ostream* out);

// Those of ../shared/conformance/models, if that is there, and of tests/data/models.
std::vector<GoldenCase> GoldenCases();
// Those of them whose architecture we have; with_text: that have a tokenizer and texts, too.
std::vector<GoldenCase> SupportedGoldenCases(bool with_text = false);
// The name of the test of a case.
std::string GoldenName(const GoldenCase& golden);
bool IsSupported(const std::string& architecture);

// What an engine computed for one prompt.
struct PromptResult {
  std::vector<float> logits;          // [tokens, vocabulary]
  std::vector<LayerRouting> routing;  // empty for a dense model
  std::vector<int64_t> greedy_ids;    // as many as the golden has
};

// The prompts p0, p1, … of a case: "input_ids", and perhaps "text" and "greedy_text".
std::vector<nlohmann::json> GoldenPrompts(const GoldenCase& golden);

// Fails the test where a result is further from the golden tensors of prompt number `prompt` than a
// computation in f32 may be.
void ExpectGolden(const TensorFile& golden, size_t prompt, const PromptResult& result);

// Largest |a - b| over the standard deviation of `golden`; infinite where the sizes differ or a
// value is not a number.
double ErrorOverDeviation(std::span<const float> values, std::span<const float> golden);

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_GOLDEN_H_

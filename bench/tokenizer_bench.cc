// tokenizer_bench TOKENIZER.json TEXT_FILE [SECONDS]: how fast one thread tokenizes, in one JSON
// line. The text is tokenized whole, again and again for at least that long (default: 1); the
// median counts.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "io/mapped_file.h"
#include "tokenize/tokenizer.h"

namespace moiety {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{4} << 30;
constexpr size_t kMinRuns = 3;

Result<nlohmann::json> Measure(const char* tokenizer_path, const char* text_path, double seconds) {
  using Clock = std::chrono::steady_clock;
  MOIETY_ASSIGN_OR_RETURN(const std::string json, ReadFile(tokenizer_path, kMaxBytes));
  MOIETY_ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::FromJson(json, tokenizer_path));
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(text_path, kMaxBytes));
  std::vector<double> runs;
  double total = 0;
  size_t num_ids = 0;
  while (runs.size() < kMinRuns || total < seconds) {
    const auto start = Clock::now();
    MOIETY_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokenizer->Encode(text));
    runs.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    total += runs.back();
    num_ids = ids.size();
  }
  std::nth_element(runs.begin(), runs.begin() + static_cast<ptrdiff_t>(runs.size() / 2),
                   runs.end());
  const double median = runs[runs.size() / 2];
  return nlohmann::json{{"bytes", text.size()},
                        {"ids", num_ids},
                        {"runs", runs.size()},
                        {"mb_per_s", static_cast<double>(text.size()) / median / 1e6}};
}

}  // namespace
}  // namespace moiety

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fputs("usage: tokenizer_bench TOKENIZER.json TEXT_FILE [SECONDS]\n", stderr);
    return 2;
  }
  const auto result = moiety::Measure(argv[1], argv[2], argc > 3 ? std::atof(argv[3]) : 1);
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().message().c_str());
    return 1;
  }
  std::puts(result->dump().c_str());
  return 0;
}

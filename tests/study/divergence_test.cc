#include "study/divergence.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "support/loaded_model.h"

namespace moiety {
namespace {

using testing::HasSubstr;

std::vector<double> Softmax(const std::vector<float>& row) {
  const double max = *std::max_element(row.begin(), row.end());
  std::vector<double> p(row.begin(), row.end());
  double sum = 0;
  for (double& x : p) sum += x = std::exp(x - max);
  for (double& x : p) x /= sum;
  return p;
}

// From the definitions, window by window.
TEST(Divergence, AgreesWithTheDefinitions) {
  const auto p = OpenOrFail(TinyModel(TinyMixtralConfig(), 1));
  const auto q = OpenOrFail(TinyModel(TinyMixtralConfig(), 2));
  ASSERT_TRUE(p != nullptr && q != nullptr);
  const std::vector<int32_t> ids = SomeIds(230);
  const WindowOptions options = {.window = 100, .stride = 60};
  const auto found = ComputeDivergence(*p, *q, ids, options, nullptr);
  ASSERT_TRUE(found.ok()) << found.status().message();

  std::vector<double> kl;
  double p_nll = 0, q_nll = 0, squares = 0;
  int64_t same = 0;
  for (const int64_t begin : {0, 60, 120}) {
    const std::vector<int32_t> part(ids.begin() + begin, ids.begin() + begin + 100);
    const std::vector<float> p_logits = AllLogits(*p, part);
    const std::vector<float> q_logits = AllLogits(*q, part);
    for (int64_t next = begin == 0 ? 1 : 40; next < 100; ++next) {
      const std::vector<double> of_p = Softmax(LogitsAt(*p, p_logits, next - 1));
      const std::vector<double> of_q = Softmax(LogitsAt(*q, q_logits, next - 1));
      double sum = 0;
      for (size_t id = 0; id < of_p.size(); ++id) sum += of_p[id] * std::log(of_p[id] / of_q[id]);
      kl.push_back(sum);
      const auto id = static_cast<size_t>(part[static_cast<size_t>(next)]);
      p_nll -= std::log(of_p[id]);
      q_nll -= std::log(of_q[id]);
      squares += (of_p[id] - of_q[id]) * (of_p[id] - of_q[id]);
      same += std::max_element(of_p.begin(), of_p.end()) - of_p.begin() ==
              std::max_element(of_q.begin(), of_q.end()) - of_q.begin();
    }
  }
  const auto n = static_cast<double>(kl.size());
  ASSERT_EQ(found->num_predicted, static_cast<int64_t>(kl.size()));
  double mean = 0, variance = 0;
  for (const double x : kl) mean += x / n;
  for (const double x : kl) variance += (x - mean) * (x - mean) / (n - 1);
  EXPECT_NEAR(found->mean_kl(), mean, 1e-5 * mean);
  EXPECT_NEAR(found->mean_kl_error(), std::sqrt(variance / n), 1e-5 * mean);
  EXPECT_NEAR(found->p_perplexity(), std::exp(p_nll / n), 1e-4 * std::exp(p_nll / n));
  EXPECT_NEAR(found->q_perplexity(), std::exp(q_nll / n), 1e-4 * std::exp(q_nll / n));
  EXPECT_NEAR(found->rms_probability(), std::sqrt(squares / n), 1e-6);
  EXPECT_EQ(found->same_top, same);
  std::sort(kl.begin(), kl.end());
  EXPECT_NEAR(found->KlQuantile(1), kl.back(), 1e-5);
  EXPECT_NEAR(found->KlQuantile(0), kl.front(), 1e-5);
  EXPECT_NEAR(found->KlQuantile(0.5), kl[kl.size() / 2 - (kl.size() % 2 == 0 ? 1 : 0)], 1e-5);
}

TEST(Divergence, IsZeroFromAModelToItself) {
  const auto p = OpenOrFail(TinyModel(TinyMixtralConfig()));
  const auto q = OpenOrFail(TinyModel(TinyMixtralConfig()));
  std::vector<int64_t> done;
  const auto found =
      ComputeDivergence(*p, *q, SomeIds(100), {.window = 50, .stride = 50},
                        [&](int64_t ids, const Divergence&) { done.push_back(ids); });
  ASSERT_TRUE(found.ok());
  EXPECT_LT(found->mean_kl(), 1e-9);
  EXPECT_EQ(found->same_top, found->num_predicted);
  EXPECT_EQ(found->rms_probability(), 0);
  EXPECT_THAT(done, testing::ElementsAre(50, 100));
}

TEST(Divergence, NeedsOneVocabulary) {
  const auto p = OpenOrFail(TinyModel(TinyMixtralConfig()));
  nlohmann::json config = TinyLlamaConfig();
  config["vocab_size"] = kTinyVocab + 2;
  const auto q = OpenOrFail(TinyModel(config));
  ASSERT_NE(q, nullptr);
  EXPECT_THAT(ComputeDivergence(*p, *q, SomeIds(100), {}, nullptr).status().message(),
              HasSubstr("vocabulary of 262"));
}

}  // namespace
}  // namespace moiety

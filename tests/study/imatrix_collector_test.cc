#include "study/imatrix_collector.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "base/format.h"
#include "convert/gguf_output.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

using testing::HasSubstr;

// What OnLinear says, kept as it comes.
class Recorder : public Observer {
 public:
  void OnLinear(const Matrix& x, WeightRef w) override {
    auto& sums = of[w->name];
    sums.resize(static_cast<size_t>(x.cols));
    counts[w->name] += x.rows;
    for (int64_t i = 0; i < x.rows; ++i) {
      for (int64_t j = 0; j < x.cols; ++j) {
        sums[static_cast<size_t>(j)] += std::pow(static_cast<double>(x.Row(i)[j]), 2);
      }
    }
  }
  std::map<std::string, std::vector<double>> of;
  std::map<std::string, int64_t> counts;
};

Imatrix CollectFrom(const std::filesystem::path& path, const std::vector<int32_t>& ids) {
  const auto engine = OpenOrFail(path);
  const auto input = OpenGgufInput(path);
  EXPECT_TRUE(input.ok()) << input.status().message();
  const auto collector = ImatrixCollector::Create(engine->store(), *input);
  EXPECT_TRUE(collector.ok()) << collector.status().message();
  Sequence sequence(engine->pages());
  FeedLogits(*engine, sequence, ids, Engine::kDefaultChunk, collector->get());
  return (*collector)->Collected();
}

TEST(ImatrixCollector, SumsByTheNamesOfGguf) {
  const ScratchFolder folder;
  TinyModel(TinyMixtralConfig()).Write(folder.path());
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 40; ++i) ids.push_back(7 * i % kTinyVocab);
  const Imatrix imatrix = CollectFrom(folder.path(), ids);

  const auto engine = OpenOrFail(folder.path());
  Recorder recorder;
  Sequence sequence(engine->pages());
  FeedLogits(*engine, sequence, ids, Engine::kDefaultChunk, &recorder);
  const auto expect = [&](const char* gguf, int64_t matrix, int64_t num_matrices,
                          const std::string& name) {
    SCOPED_TRACE(name);
    const ImportanceSums* sums = imatrix.Find(gguf);
    ASSERT_NE(sums, nullptr);
    ASSERT_EQ(sums->num_matrices(), num_matrices);
    EXPECT_EQ(sums->counts[static_cast<size_t>(matrix)], static_cast<float>(recorder.counts[name]));
    const std::vector<double>& expected = recorder.of[name];
    ASSERT_EQ(sums->cols, static_cast<int64_t>(expected.size()));
    for (int64_t j = 0; j < sums->cols; ++j) {
      EXPECT_FLOAT_EQ(sums->sums[static_cast<size_t>(matrix * sums->cols + j)],
                      static_cast<float>(expected[static_cast<size_t>(j)]));
    }
  };
  expect("blk.1.attn_q.weight", 0, 1, "model.layers.1.self_attn.q_proj.weight");
  expect("output.weight", 0, 1, "lm_head.weight");
  expect("blk.0.ffn_gate_inp.weight", 0, 1, "model.layers.0.block_sparse_moe.gate.weight");
  for (int64_t e = 0; e < 3; ++e) {
    const std::string expert = Format("model.layers.1.block_sparse_moe.experts.{}.", e);
    expect("blk.1.ffn_gate_exps.weight", e, 3, expert + "w1.weight");
    expect("blk.1.ffn_down_exps.weight", e, 3, expert + "w2.weight");
    expect("blk.1.ffn_up_exps.weight", e, 3, expert + "w3.weight");
  }
  // Looking ids up is no product.
  EXPECT_EQ(imatrix.Find("token_embd.weight")->counts[0], 0);
}

// One file with stacks of experts, whose matrices lie within one tensor.
TEST(ImatrixCollector, SumsTheSameFromAGgufFile) {
  const ScratchFolder folder;
  TinyModel(TinyMixtralConfig()).Write(folder.path());
  const auto input = OpenGgufInput(folder.path());
  ASSERT_TRUE(input.ok());
  const TypeMix& mix = *FindTypeMix("F32");
  const auto types = ChooseTypes(mix, {}, input->tensors);
  ThreadPool pool(1);
  const auto path = folder.path() / "x.gguf";
  ASSERT_TRUE(WriteGguf(path, *input, mix, *types, {}, pool, nullptr).ok());
  const std::vector<int32_t> ids = {5, 9, 200, 31, 5, 9, 77, 8};
  const Imatrix of_folder = CollectFrom(folder.path(), ids);
  const Imatrix of_file = CollectFrom(path, ids);
  ASSERT_EQ(of_folder.of.size(), of_file.of.size());
  for (const auto& [name, sums] : of_folder.of) {
    const ImportanceSums* other = of_file.Find(name);
    ASSERT_NE(other, nullptr) << name;
    EXPECT_EQ(sums.counts, other->counts) << name;
    EXPECT_EQ(sums.sums, other->sums) << name;
  }
}

TEST(ImatrixCollector, RefusesOtherFiles) {
  const ScratchFolder folder;
  TinyModel(TinyMixtralConfig()).Write(folder.path());
  const auto engine = OpenOrFail(folder.path());
  GgufInput none;
  EXPECT_THAT(ImatrixCollector::Create(engine->store(), none).status().message(),
              HasSubstr("is not among those"));
}

}  // namespace
}  // namespace moiety

// moe_layer_bench [TOKENS] [ROUNDS]: what experts cost over a dense layer of equal active size.
//
// Times forward and backward of one layer of width 256: a feed-forward network of 1024, and top-2
// of 8, 32 and 128 experts of 512, in turns, with two threads, in f32 and in bf16. Prints, as JSON,
// medians in seconds and their ratios: `over_dense` to the dense layer, `over_8` to 8 experts.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/context.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "moe/moe_layer.h"
#include "ops/tape.h"
#include "store/weight_store.h"
#include "train/parameters.h"
#include "train/precision.h"

namespace moiety {
namespace {

constexpr int64_t kWidth = 256;
constexpr int64_t kExpertWidth = 512;
constexpr int64_t kTopK = 2;
constexpr int kThreads = 2;

// A layer with weights of its own; without experts, the dense one.
class Layer {
 public:
  static Result<std::unique_ptr<Layer>> Make(int64_t num_experts, Context& context) {
    std::unique_ptr<Layer> layer(new Layer(context));
    const auto declare = [&](WeightKind kind, int64_t index, const std::string& name, int64_t d_out,
                             int64_t d_in) {
      return layer->store_.Declare({kind, 0, static_cast<int32_t>(index)}, name, {d_out, d_in});
    };
    const auto feed_forward = [&](WeightKind kind, int64_t index,
                                  int64_t width) -> Result<FeedForward> {
      const std::string name = "experts." + std::to_string(index);
      FeedForward ffn;
      MOIETY_ASSIGN_OR_RETURN(ffn.gate, declare(kind, index, name + ".gate.weight", width, kWidth));
      MOIETY_ASSIGN_OR_RETURN(ffn.up, declare(kind, index, name + ".up.weight", width, kWidth));
      MOIETY_ASSIGN_OR_RETURN(ffn.down, declare(kind, index, name + ".down.weight", kWidth, width));
      return ffn;
    };
    if (num_experts == 0) {
      MOIETY_ASSIGN_OR_RETURN(layer->dense_,
                              feed_forward(WeightKind::kFeedForward, 0, kTopK * kExpertWidth));
    } else {
      MOIETY_ASSIGN_OR_RETURN(layer->moe_.gate,
                              declare(WeightKind::kRouter, 0, "gate.weight", num_experts, kWidth));
      MOIETY_ASSIGN_OR_RETURN(layer->moe_.router,
                              MakeRouter("topk", {.num_experts = num_experts, .top_k = kTopK}));
      for (int64_t e = 0; e < num_experts; ++e) {
        MOIETY_ASSIGN_OR_RETURN(const FeedForward expert,
                                feed_forward(WeightKind::kExpert, e, kExpertWidth));
        layer->moe_.experts.push_back(expert);
      }
    }
    MOIETY_RETURN_IF_ERROR(layer->store_.Load());
    MOIETY_ASSIGN_OR_RETURN(layer->parameters_, Parameters::Of(layer->store_, context.budget));
    layer->parameters_.Train(layer->tape_);
    if (context.compute == ComputeType::kBF16) {
      const WeightKind kinds[] = {WeightKind::kExpert, WeightKind::kFeedForward};
      MOIETY_ASSIGN_OR_RETURN(layer->copies_, Bf16Copies::Of(layer->store_, kinds, context));
    }
    return layer;
  }

  // Seconds there and back.
  Result<double> Run(const std::vector<float>& rows) {
    const auto start = std::chrono::steady_clock::now();
    arena_.Release({});
    Exec exec(context_, arena_, nullptr, &tape_);
    const Matrix x = exec.NewMatrix(static_cast<int64_t>(rows.size()) / kWidth, kWidth);
    if (exec.ok()) std::copy(rows.begin(), rows.end(), x.data);
    const Matrix y = moe_.router == nullptr ? RunFeedForward(exec, x, dense_)
                                            : RunMoeLayer(exec, x, {}, moe_, 0);
    MOIETY_RETURN_IF_ERROR(Status(exec.status()));
    const Matrix dy = tape_.Gradient(y);
    if (dy.data != nullptr) std::copy_n(x.data, x.size(), dy.data);
    MOIETY_RETURN_IF_ERROR(tape_.Backward());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  explicit Layer(Context& context)
      : context_(context),
        store_(RandomWeights{DType::kF32, 1, 0.02F, true}, "layer", context.budget, context.pool),
        arena_(context.budget),
        tape_(context.budget) {}

  Context& context_;
  WeightStore store_;
  Parameters parameters_;
  Bf16Copies copies_;
  Arena arena_;
  Tape tape_;
  FeedForward dense_;
  MoeLayer moe_;
};

Result<nlohmann::ordered_json> Measure(ComputeType compute, int64_t tokens, int64_t rounds) {
  Context context(kThreads, *AvailableKernels().back(), MemoryBudget::kUnlimited, compute);
  const std::vector<int64_t> experts = {0, 8, 32, 128};
  std::vector<std::unique_ptr<Layer>> layers;
  for (const int64_t count : experts) {
    MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<Layer> layer, Layer::Make(count, context));
    layers.push_back(std::move(layer));
  }
  std::vector<float> rows(static_cast<size_t>(tokens * kWidth));
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = static_cast<float>(2 * UniformDouble(1, 0, i) - 1);
  }
  std::vector<std::vector<double>> seconds(layers.size());
  for (int64_t round = -1; round < rounds; ++round) {  // one to warm up
    for (size_t i = 0; i < layers.size(); ++i) {
      MOIETY_ASSIGN_OR_RETURN(const double taken, layers[i]->Run(rows));
      if (round >= 0) seconds[i].push_back(taken);
    }
  }
  nlohmann::ordered_json document;
  double dense = 0;
  double eight = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    std::sort(seconds[i].begin(), seconds[i].end());
    const double median = seconds[i][seconds[i].size() / 2];
    if (experts[i] == 0) {
      dense = median;
      document["dense"] = {{"seconds", median}};
      continue;
    }
    if (experts[i] == 8) eight = median;
    document[std::to_string(experts[i])] = {
        {"seconds", median}, {"over_dense", median / dense}, {"over_8", median / eight}};
  }
  return document;
}

Result<nlohmann::ordered_json> MeasureAll(int64_t tokens, int64_t rounds) {
  nlohmann::ordered_json document = {{"tokens", tokens}, {"rounds", rounds}};
  MOIETY_ASSIGN_OR_RETURN(document["f32"], Measure(ComputeType::kF32, tokens, rounds));
  if (AvailableKernels().back()->outer_matmul_bf16 != nullptr) {
    MOIETY_ASSIGN_OR_RETURN(document["bf16"], Measure(ComputeType::kBF16, tokens, rounds));
  }
  return document;
}

}  // namespace
}  // namespace moiety

int main(int argc, char** argv) {
  const int64_t tokens = argc > 1 ? std::atoll(argv[1]) : 4096;
  const int64_t rounds = argc > 2 ? std::atoll(argv[2]) : 15;
  if (argc > 3 || tokens < 1 || rounds < 1) {
    std::fputs("usage: moe_layer_bench [TOKENS] [ROUNDS]\n", stderr);
    return 2;
  }
  const auto document = moiety::MeasureAll(tokens, rounds);
  if (!document.ok()) {
    std::fprintf(stderr, "%s\n", document.status().message().c_str());
    return 1;
  }
  std::puts(document->dump(2).c_str());
  return 0;
}

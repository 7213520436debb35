// TrainConfig: everything that a training run is made of, as plain values, read from and written to
// TOML:
//
//   [model]
//   d_model = 256
//   num_experts = 8
//   [data.weights]
//   en = 2.0
//
// Every key has a default here; presets.h has whole configs by name.
#ifndef MOIETY_TRAIN_CONFIG_H_
#define MOIETY_TRAIN_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "routing/router_losses.h"
#include "train/schedule.h"

namespace moiety {

// A decoder. Layer l, from 0 on, has experts if l ≥ first_dense_layers and l + 1 is a multiple of
// moe_every.
struct ModelConfig {
  int64_t vocab_size = 0;  // 0: that of the tokenizer
  int64_t d_model = 256;
  int64_t num_layers = 6;
  int64_t num_heads = 8;
  int64_t num_kv_heads = 4;
  int64_t head_dim = 0;           // 0: d_model / num_heads
  int64_t d_feed_forward = 1024;  // of dense layers
  int64_t d_expert = 512;
  int64_t num_experts = 8;
  int64_t top_k = 2;
  int64_t moe_every = 1;
  int64_t first_dense_layers = 0;
  int64_t d_shared_expert = 0;  // 0: none
  int64_t context_length = 1024;
  double rope_theta = 10000;
  double rms_norm_eps = 1e-5;
  bool tied_head = true;
  bool qk_norm = false;
  double init_std = 0.02;
  // The dense twin of equal active compute: a layer with experts becomes a feed-forward of width
  // top_k · d_expert + d_shared_expert.
  bool dense = false;

  int64_t HeadDim() const { return head_dim != 0 ? head_dim : d_model / num_heads; }
  bool IsMoeLayer(int64_t layer) const {
    return !dense && layer >= first_dense_layers && (layer + 1) % moe_every == 0;
  }
};

struct RouterConfig {
  std::string name = "topk";
  bool renormalize = true;
  double capacity_factor = 0;    // 0: no capacity
  double scale = 1;              // of weights
  int64_t groups = 1;            // of experts
  int64_t groups_per_token = 1;  // that a token may choose from
  double jitter = 0;             // inputs times 1 ± this while training
  double expert_dropout = 0;     // share of an expert's activations
  double bias_update_rate = 0.001;
  bool allow_noncausal = false;
  double noise = 1;                            // of noisy choices: times the learned deviation
  std::string table = "random";                // of hashes: "random" or "balanced"
  std::string estimator = "straight_through";  // of discrete choices, or "reinforce"
  int64_t branching = 2;                       // of a tree of gates
  int64_t d_key = 64;                          // of queries and keys
  // router.balance_loss and so on: the names of kRouterLosses.
  RouterLossOptions losses = {.balance = 0.01};
};

struct OptimizerConfig {
  std::string name = "adamw";
  double lr = 1e-3;  // the highest of the schedule
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
  double clip_norm = 1;  // of all gradients together; 0: not clipped
  double skip_loss_factor =
      0;  // a step whose loss is above this times the usual is skipped; 0: none
};

struct DataConfig {
  std::vector<std::string> paths;                   // files and folders
  std::vector<std::string> text_fields = {"text"};  // of a row of *.jsonl, joined by line breaks
  std::map<std::string, double> weights;            // by domain; empty: by size
  int64_t sequence_length = 256;                    // tokens
  int64_t validation_tokens = 65536;                // of each domain; 0: all there are
  std::string tokenizer;                            // tokenizer.json; empty: made from the data
};

struct LoopConfig {
  int64_t steps = 1000;
  int64_t batch_sequences = 16;
  int64_t micro_batch_sequences = 4;  // whose gradients are computed at once
  int64_t seed = 1;
  int64_t validate_every = 100;  // steps; 0: at the end only
  int64_t save_every = 200;      // steps; 0: at the end only
  int64_t keep_checkpoints = 2;
  int64_t log_every = 1;
};

// Of products; sums and weights are f32. "f32" or "bf16" each.
struct PrecisionConfig {
  std::string experts = "f32";
  std::string attention = "f32";
  std::string head = "f32";
  std::string router = "f32";
};

struct TrainConfig {
  ModelConfig model;
  RouterConfig router;
  OptimizerConfig optimizer;
  ScheduleOptions schedule;
  DataConfig data;
  LoopConfig loop;
  PrecisionConfig precision;
};

// Sets the keys that `text` has and leaves the others; `where` (its path) starts every message.
// Fails with kInvalidData on what is not TOML, for an unknown key (naming the nearest one), and for
// a value of another type or outside its range (key, expected, found); `config` is then unchanged.
Status ReadTrainConfig(std::string_view text, const std::string& where, TrainConfig& config);

// One key from "section.key=value" (data.weights.NAME=value too), the value as in TOML; strings may
// go without quotes, and a list of strings may be one such. Fails as above, with kInvalidArgument.
Status ApplySetting(TrainConfig& config, std::string_view setting);

// Whether the values fit together (heads and widths, experts and choices, steps and warmup, …),
// after everything was set. Router and optimizer are looked up when they are made.
Status CheckTrainConfig(const TrainConfig& config);

// Every key with its value and what it means. Reading it gives the same config.
std::string ToToml(const TrainConfig& config);

}  // namespace moiety

#endif  // MOIETY_TRAIN_CONFIG_H_

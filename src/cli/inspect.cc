// moiety inspect: what a model is, and whether its files are sound.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/format.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "io/mapped_file.h"
#include "quant/row_codec.h"

namespace moiety::cli {
namespace {

using nlohmann::json;

struct InspectFlags {
  std::string model;
  bool tensors = false, values = false, json = false;
  EngineFlags engine;
};

constexpr std::array kKindNames = {"embedding", "attention", "feed-forward", "router",
                                   "experts",   "norms",     "head"};

struct Part {
  uint64_t bytes = 0;
  uint64_t parameters = 0;
};

// Weights by kind; a tied head costs nothing of its own.
std::array<Part, kKindNames.size()> PartsOf(const WeightStore& store) {
  std::array<Part, kKindNames.size()> parts{};
  std::string first;
  for (const Weight& weight : store.weights()) {
    if (weight.group.kind == WeightKind::kEmbedding) first = weight.name;
    if (weight.group.kind == WeightKind::kHead && weight.name == first) continue;
    Part& part = parts[static_cast<size_t>(weight.group.kind)];
    const auto count = static_cast<uint64_t>(*NumElements(weight.shape));
    part.parameters += count;
    part.bytes += DTypeBytes(weight.dtype, count);
  }
  return parts;
}

// What is said of the folder's tokenizer. A broken one is an error, a kind that is not supported or
// none at all is not: the model computes without.
Result<std::string> DescribeTokenizer(const Engine& engine) {
  const Result<const Tokenizer*> tokenizer = engine.tokenizer();
  if (!tokenizer.ok()) {
    const StatusCode code = tokenizer.status().code();
    if (code == StatusCode::kNotFound) return std::string("none");
    if (code == StatusCode::kUnsupported) return "not usable: " + tokenizer.status().message();
    return Status(tokenizer.status());
  }
  const int64_t rows = engine.model().info().vocab_size;
  if ((*tokenizer)->vocab_size() > rows) {
    return InvalidData(Format("{}: the tokenizer has ids up to {}, the model {} rows",
                              engine.path().string(), (*tokenizer)->vocab_size() - 1, rows));
  }
  return Format("{} tokens", (*tokenizer)->vocab_size());
}

Status CheckTokenIds(const Engine& engine) {
  const int64_t rows = engine.model().info().vocab_size;
  for (const int32_t id : engine.generation_config().eos_token_ids) {
    if (id >= rows) {
      return InvalidData(Format("{}: eos_token_id {} is outside the vocabulary of {}",
                                engine.path().string(), id, rows));
    }
  }
  return OkStatus();
}

// The first value of a weight that no sound model has; -1 if there is none.
int64_t FirstNotFinite(const Weight& weight) {
  const int64_t count = *NumElements(weight.shape);
  if (IsBlockFormat(weight.dtype)) {
    std::vector<float> values(static_cast<size_t>(weight.shape[1]));
    for (int64_t row = 0; row < weight.shape[0]; ++row) {
      DecodeRowOf(weight, row, values.data());
      const auto at = std::find_if(values.begin(), values.end(),
                                   [](float value) { return !std::isfinite(value); });
      if (at != values.end()) return row * weight.shape[1] + (at - values.begin());
    }
    return -1;
  }
  // The exponent bits of infinities and NaNs are all ones. Vectors are f32 in memory.
  const bool wide = weight.dtype == DType::kF32 || weight.shape.size() == 1;
  const uint32_t exponent = wide ? 0x7F800000U : weight.dtype == DType::kF16 ? 0x7C00U : 0x7F80U;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits = 0;
    std::memcpy(&bits, weight.data + i * (wide ? 4 : 2), wide ? 4 : 2);
    if ((bits & exponent) == exponent) return i;
  }
  return -1;
}

Status CheckValues(const Engine& engine) {
  for (const Weight& weight : engine.store().weights()) {
    if (const int64_t at = FirstNotFinite(weight); at >= 0) {
      return InvalidData(Format("{}: tensor {}: element {} is not a finite number",
                                engine.path().string(), weight.name, at));
    }
  }
  return OkStatus();
}

json ToJson(Engine& engine, const std::string& tokenizer) {
  const ModelInfo& m = engine.model().info();
  json document = {
      {"model", engine.path().string()},
      {"architecture", m.architecture},
      {"parameters", m.parameters},
      {"active_parameters", m.active_parameters},
      {"vocab_size", m.vocab_size},
      {"d_model", m.d_model},
      {"num_layers", m.num_layers},
      {"num_heads", m.num_heads},
      {"num_kv_heads", m.num_kv_heads},
      {"head_dim", m.head_dim},
      {"context_length", m.context_length},
      {"sliding_window", m.sliding_window},
      {"num_experts", m.num_experts},
      {"top_k", m.top_k},
      {"num_moe_layers", m.num_moe_layers},
      {m.num_experts > 0 ? "d_expert" : "d_feed_forward", m.d_feed_forward},
      {"router", m.router},
      {"tokenizer", tokenizer},
      {"weight_bytes", engine.store().declared_bytes()},
      {"kv_bytes_per_token", engine.pages().page_bytes() / kPageTokens},
      {"unused_tensors", engine.store().Unused()},
  };
  const auto parts = PartsOf(engine.store());
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].bytes > 0) {
      document["parts"][kKindNames[i]] = {{"parameters", parts[i].parameters},
                                          {"bytes", parts[i].bytes}};
    }
  }
  for (const auto& [name, info] : engine.store().table().tensors) {
    document["tensors"].push_back({{"name", name},
                                   {"dtype", DTypeName(info.dtype)},
                                   {"shape", info.shape},
                                   {"bytes", info.size_bytes}});
  }
  return document;
}

std::string ToText(Engine& engine, const std::string& tokenizer, bool tensors) {
  const ModelInfo& m = engine.model().info();
  std::string out;
  const auto row = [&](const char* name, const std::string& value) {
    out += Format("{:<16} {}\n", name, value);
  };
  row("model", engine.path().string());
  row("architecture", m.architecture);
  row("parameters",
      Format("{} total, {} active per token ({:.0f} %)", FormatCount(m.parameters),
             FormatCount(m.active_parameters),
             100.0 * static_cast<double>(m.active_parameters) / static_cast<double>(m.parameters)));
  row("layers", Format("{} of width {}, vocabulary {}", m.num_layers, m.d_model, m.vocab_size));
  row("attention",
      Format("{} heads of {}, {} key/value heads", m.num_heads, m.head_dim, m.num_kv_heads));
  row("context",
      Format("{} tokens{}", m.context_length,
             m.sliding_window > 0 ? Format(", sliding window {}", m.sliding_window) : ""));
  if (m.num_experts > 0) {
    row("experts", Format("{} of width {} in each of {} layers, {} per token, router {}",
                          m.num_experts, m.d_feed_forward, m.num_moe_layers, m.top_k, m.router));
  } else {
    row("feed-forward", Format("width {}, no experts", m.d_feed_forward));
  }
  row("tokenizer", tokenizer);
  row("KV cache", Format("{} per token", FormatBytes(engine.pages().page_bytes() / kPageTokens)));

  out += Format("\n{:<16} {:>12} {:>12} {:>7}\n", "memory by part", "parameters", "bytes", "share");
  const auto parts = PartsOf(engine.store());
  const auto all = static_cast<double>(engine.store().declared_bytes());
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].bytes == 0) continue;
    out +=
        Format("{:<16} {:>12} {:>12} {:>5.1f} %\n", kKindNames[i], FormatCount(parts[i].parameters),
               FormatBytes(parts[i].bytes), 100 * static_cast<double>(parts[i].bytes) / all);
  }
  out += Format("{:<16} {:>12} {:>12}\n", "total", FormatCount(m.parameters),
                FormatBytes(engine.store().declared_bytes()));

  const auto& table = engine.store().table();
  out += Format("\n{} tensors in {} file{}, all as the config needs them\n", table.tensors.size(),
                table.files.size(), table.files.size() == 1 ? "" : "s");
  for (const std::string& name : engine.store().Unused())
    out += Format("not used by the model: {}\n", OneLine(name));
  if (tensors) {
    out += Format("\n{:<64} {:<5} {:>12}  {}\n", "tensor", "type", "bytes", "shape");
    for (const auto& [name, info] : table.tensors) {
      out += Format("{:<64} {:<5} {:>12}  {}\n", OneLine(name), DTypeName(info.dtype),
                    FormatBytes(info.size_bytes), ShapeString(info.shape));
    }
  } else {
    out += "--tensors lists them\n";
  }
  return out;
}

Status Inspect(InspectFlags& flags) {
  flags.engine.no_repack = true;  // nothing is computed
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                          OpenEngine(flags.model, flags.engine));
  MOIETY_ASSIGN_OR_RETURN(const std::string tokenizer, DescribeTokenizer(*engine));
  MOIETY_RETURN_IF_ERROR(CheckTokenIds(*engine));
  if (flags.values) MOIETY_RETURN_IF_ERROR(CheckValues(*engine));
  return Print(flags.json ? JsonText(ToJson(*engine, tokenizer))
                          : ToText(*engine, tokenizer, flags.tensors));
}

}  // namespace

Action AddInspect(CLI::App& app) {
  CLI::App* command = AddCommand(app, "inspect", "Show what a model is, and check its files",
                                 "  moiety inspect models/polyglot/model.gguf\n"
                                 "  moiety inspect path/to/model --tensors\n"
                                 "  moiety inspect path/to/model --json");
  auto flags = std::make_shared<InspectFlags>();
  command->add_option("MODEL", flags->model, "Hugging Face folder or GGUF file")
      ->required()
      ->type_name("");
  CLI::Option* tensors = command->add_flag("--tensors", flags->tensors, "List every tensor");
  command->add_flag("--values", flags->values,
                    "Also read every weight, and refuse one that is not a finite number");
  command->add_flag("--json", flags->json, "Print one JSON object, with every tensor")
      ->excludes(tensors);
  return [flags] { return Inspect(*flags); };
}

}  // namespace moiety::cli

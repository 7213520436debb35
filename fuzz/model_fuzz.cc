// Any bytes as the config.json of a model whose files hold the tensors of a tiny mixtral: whatever
// is built must compute.
#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/memory_budget.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "io/mapped_file.h"
#include "models/model.h"
#include "store/weight_store.h"

namespace moiety {
namespace {

// The tensors of seeds/model/mixtral.json: d_model 4, two experts, one layer. No byte of them is
// read before Load(), so the file behind them may be any.
TensorTable TinyTable() {
  TensorTable table;
  const auto file = MappedFile::Open("/proc/self/exe");
  MOIETY_CHECK(file.ok());
  table.files.push_back(*file);
  const auto add = [&](const std::string& name, Shape shape) {
    const auto bytes = static_cast<uint64_t>(*NumElements(shape)) * 4;
    table.tensors[name] = {DType::kF32, std::move(shape), 0, 0, bytes};
  };
  add("model.embed_tokens.weight", {8, 4});
  add("lm_head.weight", {8, 4});
  add("model.norm.weight", {4});
  const std::string layer = "model.layers.0.";
  add(layer + "input_layernorm.weight", {4});
  add(layer + "post_attention_layernorm.weight", {4});
  for (const char* name : {"q", "k", "v", "o"})
    add(layer + "self_attn." + name + "_proj.weight", {4, 4});
  for (const char* name : {"gate", "up", "down"})
    add(layer + "mlp." + name + "_proj.weight", {4, 4});
  add(layer + "block_sparse_moe.gate.weight", {2, 4});
  for (const char* name : {"0.w1", "0.w2", "0.w3", "1.w1", "1.w2", "1.w3"}) {
    add(layer + "block_sparse_moe.experts." + name + ".weight", {4, 4});
  }
  return table;
}

void Run(std::string_view text) {
  static const TensorTable table = TinyTable();
  const auto document = ParseJson(text, "config.json");
  if (!document.ok()) return;
  MemoryBudget budget(uint64_t{1} << 20);
  WeightStore store(table, "model", Residency::kMapped, budget);
  ConfigReader config(*document, "config.json");
  const auto model = BuildModel(config, store);
  MOIETY_CHECK(model.ok() == model.status().message().empty());
  if (!model.ok()) return;
  const ModelInfo& info = (*model)->info();
  MOIETY_CHECK(info.parameters > 0 && info.active_parameters <= info.parameters);
  for (const StateSpec& part : (*model)->state()) MOIETY_CHECK(part.page_bytes() > 0);
  MOIETY_CHECK(store.Load().ok());
}

}  // namespace
}  // namespace moiety

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  moiety::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
